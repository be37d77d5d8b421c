"""Ways to search that draw each cell when it is asked for."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from hone.sweeps.cell import Cell
from hone.sweeps.lines import Lines
from hone.sweeps.pruners.base import Pruner
from hone.sweeps.pursuit import Pursuit
from hone.sweeps.samplers.base import Aim, Sampler, Search
from hone.sweeps.space import Space
from hone.sweeps.study import Proposal, Study, Trial
from hone.sweeps.turns import Turns, constants
from hone.types import Count, Index, Rerun


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

    def search(self, space: Space, aim: Aim, pruner: Pruner, folder: Path, rerun: Rerun) -> Search:
        turns, study = Turns(pruner, folder, aim), Study(Lines(folder / "study.jsonl"))
        direction = "maximize" if aim.higher_is_better else "minimize"
        study.open(space.described() | {direction: aim.metric, "fixed": constants(space)})
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
