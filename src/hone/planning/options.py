"""How much `hone plan` is to find out, and how it tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

from hone.training.parts import Parts


@final
@dataclass(frozen=True)
class Options:
    """The config's `plan`."""

    time: bool
    probe: bool
    format: Literal["table", "json"]


@final
@dataclass(frozen=True)
class PlanParts(Parts):
    """The sections of `conf/plan.yaml`."""

    plan: Options
