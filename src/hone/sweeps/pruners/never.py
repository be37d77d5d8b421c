"""Every run goes to its end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hone.sweeps.pruners.base import Pruner, Referee, Standing


@final
@dataclass(frozen=True)
class Never(Pruner):
    """Says nothing to anybody."""

    def require(self, evaluated: bool) -> None: ...

    def open(self, folder: Path, about: Mapping[str, Any]) -> None: ...

    def referee(self, folder: Path, run: str, higher_is_better: bool, steps: int, evaluations: int) -> Referee:
        return Lenient()

    def revived(self, folder: Path, higher_is_better: bool, standing: Standing) -> str | None:
        return None


@final
class Lenient(Referee):
    """Lets everything pass."""

    def stops(self, step: int, value: float) -> bool:
        return False
