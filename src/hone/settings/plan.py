"""`conf/plan.yaml`, typed: every word of `hone train`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from hone.settings.train import Train


@final
@dataclass(frozen=True, kw_only=True)
class Plan(Train):
    """What `hone train` is told, and as much again as `plan.…` asks for."""

    made_of: ClassVar[str | None] = "hone.planning.options.PlanParts"
    sweeps_with: ClassVar[str] = "hone.planning.sweeps.foresee.sweep"
