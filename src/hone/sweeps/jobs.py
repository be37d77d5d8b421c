"""Runs that are ready to start, and the rows they share."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, final

from hone.config.job import Job
from hone.core.errors import UserError
from hone.runs.provenance import package_versions
from hone.runs.sweep_file import Cell
from hone.training.stage_cache import StageCache

if TYPE_CHECKING:
    from hone.data.rows import Rows


@final
@dataclass(frozen=True)
class Ready:
    """A checked run of a cell."""

    words: tuple[str, ...]
    """All its overrides, those that the cells share first."""
    job: Job
    memory: StageCache
    """Shared by all runs of the sweep."""
    work: Callable[[], Mapping[str, Any]]
    """What its process does."""

    @property
    def identity(self) -> str:
        return self.job.identity


@final
class Roster:
    """Makes each cell ready, once. A cell that cannot work is remembered as a mistake."""

    def __init__(self, make: Callable[[Cell], Ready]) -> None:
        self.make = make
        self.made: dict[tuple[str, ...], Ready | UserError] = {}

    def ready(self, cell: Cell) -> Ready:
        """Return the run of a cell; raise UserError if it cannot work."""
        if cell.words not in self.made:
            try:
                self.made[cell.words] = self.make(cell)
            except UserError as error:
                self.made[cell.words] = error
        made = self.made[cell.words]
        if isinstance(made, UserError):
            raise made
        return made

    def refuse(self, cell: Cell, error: UserError) -> None:
        """Remember that a cell cannot work, although it looked possible before."""
        self.made[cell.words] = error

    def mistakes(self, cells: Sequence[Cell]) -> dict[Cell, UserError]:
        """Return the cells that cannot work, with what is wrong with each."""
        mistakes = {}
        for cell in cells:
            try:
                self.ready(cell)
            except UserError as error:
                mistakes[cell] = error
        return mistakes


def preload_rows(ready: Iterable[Ready]) -> None:
    """Load what the runs need into this process, so that they share it after the fork: modules and rows.

    Networks and tokenizers are left out: they start threads, which do not survive a fork.
    """
    import torch
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    importlib.import_module("hone.training.run")  # imports what runs need and checks do not
    torch.set_num_threads(1)
    get_checkpoint_conversion_mapping("")  # the first call compiles patterns that are needed to save a model
    package_versions()
    for run in ready:
        if not run.job.config["dataset"].get("streaming"):
            with suppress(Exception):  # the check has just loaded them; if that fails now, the run will say why
                run.memory.cached("rows", partial(_load_rows, run.job))
    gc.freeze()  # garbage collection in the runs' processes would touch, and so copy, the pages they share


def _load_rows(job: Job) -> Rows:
    from hone.data.rows import load_rows  # imports torch, and a sweep is checked before torch is loaded
    from hone.training.parts import RunParts

    parts = RunParts.of(job.config, job.settings.trust)
    return load_rows(parts.dataset, parts.task, job.settings.limit)
