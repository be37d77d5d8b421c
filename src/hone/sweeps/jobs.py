"""A run that could be started."""

from __future__ import annotations

import gc
import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, final

from hone.config.job import Job
from hone.core.errors import UserError
from hone.data.rows import Rows, load_rows
from hone.runs.provenance import package_versions
from hone.runs.sweep_file import Cell
from hone.training.parts import RunParts
from hone.training.stage_cache import StageCache


@final
@dataclass(frozen=True)
class Ready:
    """A cell's job, checked: the words that make it, what all of them remember, and what its process does."""

    words: tuple[str, ...]
    job: Job
    memory: StageCache
    work: Callable[[], Mapping[str, Any]]

    @property
    def identity(self) -> str:
        return self.job.identity


@final
class Roster:
    """Makes each cell ready once; what cannot work stays a mistake."""

    def __init__(self, make: Callable[[Cell], Ready]) -> None:
        self.make = make
        self.made: dict[tuple[str, ...], Ready | UserError] = {}

    def ready(self, cell: Cell) -> Ready:
        """Raises UserError where a run of these words cannot work."""
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
        """What looked possible is not."""
        self.made[cell.words] = error

    def mistakes(self, cells: Sequence[Cell]) -> dict[Cell, UserError]:
        """What is wrong with which cell."""
        found = {}
        for cell in cells:
            try:
                self.ready(cell)
            except UserError as error:
                found[cell] = error
        return found


def stock(ready: Iterable[Ready]) -> None:
    """Rows alone: networks and tokenizers bring threads, which a fork does not survive."""
    import torch
    from transformers.conversion_mapping import get_checkpoint_conversion_mapping

    importlib.import_module("hone.training.run")  # with it, all that runs need and checks do not
    torch.set_num_threads(1)
    get_checkpoint_conversion_mapping("")  # the first call compiles the patterns that saving a model asks for
    package_versions()
    for each in ready:
        if not each.job.config["dataset"].get("streaming"):
            with suppress(Exception):  # it went well a moment ago; if not now, the run will say why
                each.memory.cached("rows", partial(_rows, each.job))
    gc.freeze()  # what is here already is never searched for garbage in the runs' processes, nor copied for it


def _rows(job: Job) -> Rows:
    parts = RunParts.of(job.config, job.settings.trust)
    return load_rows(parts.dataset, parts.task, job.settings.limit)
