"""A population that breeds, for several numbers at once: what is kept is what nothing else beats in all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, final

from hone.errors import UserError, listed, nearest
from hone.sweeps.cell import Outcome
from hone.sweeps.samplers.base import Aim
from hone.sweeps.samplers.suggested import Suggested
from hone.sweeps.space import Space
from hone.types import Factor, Objectives


@final
@dataclass(frozen=True)
class Nsga2(Suggested):
    """Without objectives it optimises what any other search would."""

    population: Factor
    objectives: Objectives

    def sampler(self, space: Space, seed: int) -> Any:
        from optuna.samplers import NSGAIISampler

        return NSGAIISampler(seed=seed, population_size=self.population)

    def directions(self, aim: Aim) -> list[Literal["maximize", "minimize"]]:
        return list(self.objectives.values()) or super().directions(aim)

    def values(self, aim: Aim, outcome: Outcome) -> list[float | None]:
        if not self.objectives:
            return super().values(aim, outcome)
        numbers = {**outcome.scores, "seconds": outcome.seconds, aim.metric: outcome.value}
        for name in self.objectives:
            if name not in numbers:
                raise UserError(
                    f"sweep.sampler.objectives: no run has a number called {name}.{nearest(name, numbers)} "
                    f"There are {listed(numbers)}."
                )
        return [numbers[name] for name in self.objectives]
