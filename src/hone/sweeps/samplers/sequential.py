"""Samplers that draw each cell when it is asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hone.core.value_types import Count, Index, Rerun
from hone.runs.json_lines import JsonLines, require_unchanged
from hone.runs.sweep_file import Cell
from hone.sweeps.sampler import Aim, Sampler, Search
from hone.sweeps.search import RevivalQueue, SampledSearch, shared_settings
from hone.sweeps.space import Space
from hone.sweeps.study import Proposal, Study, Trial
from hone.training.pruning import Pruner


@dataclass(frozen=True)
class SequentialSampler(Sampler):
    """Draws one cell after the other. A cell depends on the seed, on its number and on the trials so far, only."""

    trials: Count
    seed: Index

    def preview(self, space: Space) -> Sequence[Cell]:
        self.require(space)
        return super().preview(space)

    def total(self, space: Space) -> int:
        return self.trials

    def certain_cells(self, space: Space, folder: Path) -> Sequence[Cell]:
        return [trial.cell for trial in _study(folder).trials()]

    def require_same_study(self, space: Space, aim: Aim, folder: Path) -> None:
        require_unchanged(_study(folder).lines, _study_settings(space, aim))

    def search(self, space: Space, aim: Aim, pruner: Pruner, folder: Path, rerun: Rerun) -> Search:
        revivals, study = RevivalQueue(pruner, folder, aim), _study(folder)
        study.open(_study_settings(space, aim))
        revivals.open(space)
        return SampledSearch(partial(self.propose, space, aim), self.trials, space, study, revivals, rerun)

    def require(self, space: Space) -> None:
        """Raise UserError if this sampler cannot search the space."""

    @abstractmethod
    def propose(self, space: Space, aim: Aim, trials: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """Propose the next cell after these trials; another one at each attempt."""

    def seed_text(self, number: int, attempt: int) -> str:
        """Return the text from which the seed of a cell is made."""
        return f"{self.seed}/{number}/{attempt}"


def _study(folder: Path) -> Study:
    return Study(JsonLines(folder / "study.jsonl"))


def _study_settings(space: Space, aim: Aim) -> Mapping[str, Any]:
    """Return the settings that must be the same for a study to continue."""
    direction = "maximize" if aim.higher_is_better else "minimize"
    return space.describe() | {direction: aim.metric, "fixed": shared_settings(space)}
