"""Ways to search that draw each cell when it is asked for."""

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
from hone.sweeps.search import Pursuit, Turns, constants
from hone.sweeps.space import Space
from hone.sweeps.study import Proposal, Study, Trial
from hone.training.pruning import Pruner


@dataclass(frozen=True)
class Drawn(Sampler):
    """What is drawn depends on the seed, the number of the cell and what is known by then, and on nothing else."""

    trials: Count
    seed: Index

    def preview(self, space: Space) -> Sequence[Cell]:
        self.require(space)
        return super().preview(space)

    def total(self, space: Space) -> int:
        return self.trials

    def known(self, space: Space, folder: Path) -> Sequence[Cell]:
        return [trial.cell for trial in _study(folder).trials()]

    def require_same(self, space: Space, aim: Aim, folder: Path) -> None:
        require_unchanged(_study(folder).lines, _about(space, aim))

    def search(self, space: Space, aim: Aim, pruner: Pruner, folder: Path, rerun: Rerun) -> Search:
        turns, study = Turns(pruner, folder, aim), _study(folder)
        study.open(_about(space, aim))
        turns.open(space)
        return Pursuit(partial(self.propose, space, aim), self.trials, space, study, turns, rerun)

    def require(self, space: Space) -> None:
        """Raises UserError for a space that this way of searching is not made for."""

    @abstractmethod
    def propose(self, space: Space, aim: Aim, trials: Sequence[Trial], number: int, attempt: int) -> Proposal:
        """A cell to try after these; another one at each attempt."""

    def luck(self, number: int, attempt: int) -> str:
        """What the chance of a cell begins with."""
        return f"{self.seed}/{number}/{attempt}"


def _study(folder: Path) -> Study:
    return Study(JsonLines(folder / "study.jsonl"))


def _about(space: Space, aim: Aim) -> Mapping[str, Any]:
    """What a study can only go on with."""
    direction = "maximize" if aim.higher_is_better else "minimize"
    return space.described() | {direction: aim.metric, "fixed": constants(space)}
