"""The metric that decides."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final


@final
@dataclass(frozen=True)
class Monitor:
    """The validation metric that decides which weights are the best."""

    name: str
    higher_is_better: bool

    def improves(self, value: float, best: Mapping[str, Any] | None) -> bool:
        if best is None:
            return True
        before = float(best["value"])
        return value > before if self.higher_is_better else value < before
