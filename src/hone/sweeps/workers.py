"""The contract of whoever runs cells: forked processes of this machine, or one of Hydra's launchers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hone.sweeps.ready import Ready

Ended = tuple[str, Mapping[str, Any], float]
"""Whose run has ended, its last words, and the seconds it was at work."""


class Workers(ABC):
    """Runs under names that the driver gives them."""

    @property
    @abstractmethod
    def free(self) -> bool:
        """Whether one more can be started."""

    @property
    @abstractmethod
    def working(self) -> dict[str, float]:
        """Those at work, with their seconds."""

    @abstractmethod
    def start(self, key: str, ready: Ready, output: Path) -> None:
        """Something must be free; `output` takes what the run prints."""

    @abstractmethod
    def wait(self, seconds: float) -> list[Ended]:
        """Those that have ended; after so long perhaps none."""

    @abstractmethod
    def ask_all(self, number: int) -> None:
        """Passes a signal on."""

    @abstractmethod
    def end_all(self) -> None:
        """Nobody stays behind."""
