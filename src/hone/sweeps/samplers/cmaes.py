"""A normal distribution that moves to where the good cells are and takes the shape of the slope (CMA-ES).

Its state is not stored: it follows from the cells and their values, generation by generation.
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

from hone.errors import UserError
from hone.sweeps.samplers.base import Aim
from hone.sweeps.samplers.drawn import Drawn
from hone.sweeps.space import Space, Span
from hone.sweeps.study import Proposal, Trial
from hone.types import Count, ProperShare


@final
@dataclass(frozen=True)
class CmaEs(Drawn):
    """For intervals; lists of values are drawn at random."""

    population: Count | None
    spread: ProperShare

    def require(self, space: Space) -> None:
        count = sum(isinstance(dimension, Span) for dimension in space.dimensions)
        if count < 2:
            raise UserError(
                f"sweep=cmaes: it searches two intervals or more, and here there are {count} (such as "
                "optimizer.lr='tag(log,interval(1e-5,1e-3))'); sweep=tpe takes any space."
            )

    def propose(self, space: Space, aim: Aim, trials: Sequence[Trial], number: int, attempt: int) -> Proposal:
        spans = [dimension for dimension in space.dimensions if isinstance(dimension, Span)]
        model = self._model(len(spans), aim, trials)
        model.reseed_rng(zlib.crc32(self.luck(number, attempt).encode()))
        point = [float(share) for share in model.ask()]
        chance, drawn = random.Random(self.luck(number, attempt)), iter(point)  # noqa: S311 (no secret)
        shares = [next(drawn) if isinstance(each, Span) else chance.random() for each in space.dimensions]
        return Proposal(space.at(shares), {"point": point, "generation": model.generation})

    def _model(self, size: int, aim: Aim, trials: Sequence[Trial]) -> Any:
        """As it is after all generations that are complete."""
        import numpy as np
        from cmaes import CMA

        bounds = np.array([[0.0, 1.0]] * size)
        model = CMA(np.full(size, 0.5), self.spread, bounds, population_size=self.population, seed=self.seed)
        sign = -1.0 if aim.higher_is_better else 1.0
        while True:
            found = [
                (np.array(trial.memory["point"]), sign * value)
                for trial in trials
                if trial.memory.get("generation") == model.generation and (value := trial.value) is not None
            ]
            if len(found) < model.population_size:
                return model
            model.tell(found[: model.population_size])
