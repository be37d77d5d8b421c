"""Values like those of the good cells, and unlike those of the others (tree-structured Parzen estimator)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

from hone.sweeps.samplers.suggested import Suggested
from hone.sweeps.space import Space
from hone.types import Count


@final
@dataclass(frozen=True)
class Tpe(Suggested):
    """Takes any space, learns of stopped runs too, and keeps away from cells that are still at work."""

    startup: Count

    def sampler(self, space: Space, seed: int) -> Any:
        from optuna.samplers import TPESampler

        return TPESampler(
            seed=seed,
            n_startup_trials=self.startup,
            multivariate=True,
            group=bool(space.conditions),
            constant_liar=True,
        )
