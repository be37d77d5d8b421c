"""Where a Gaussian process through the finished cells expects the most."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, final

from hone.errors import UserError
from hone.sweeps.samplers.suggested import Suggested
from hone.sweeps.space import Space
from hone.types import Count


@final
@dataclass(frozen=True)
class Gp(Suggested):
    """For few and dear cells; of stopped runs it learns nothing."""

    startup: Count

    def require(self, space: Space) -> None:
        if find_spec("scipy") is None:
            raise UserError("sweep=gp needs scipy, which is not installed: pip install 'hone-lab[gp]', or sweep=tpe.")

    def sampler(self, space: Space, seed: int) -> Any:
        from optuna.samplers import GPSampler

        return GPSampler(seed=seed, n_startup_trials=self.startup, warn_independent_sampling=False)
