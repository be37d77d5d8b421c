"""The contract of a launcher of ours: it hands runs over one by one, so that searches and pruners need no batches."""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib.util import find_spec
from pathlib import Path

from hone.errors import UserError
from hone.sweeps.launchers.distant import Distant


class Launcher(ABC):
    """A config's `hydra.launcher`."""

    @abstractmethod
    def require(self) -> None:
        """Raises UserError where it cannot work: a package or a program is missing."""

    @abstractmethod
    def workers(self, limit: int, timeout: float | None, folder: Path) -> Distant:
        """So many at a time, none at work for longer than `timeout` seconds; `folder` is the sweep's."""


def require_package(module: str, launcher: str, extra: str) -> None:
    """Raises UserError with the line that installs it."""
    if find_spec(module) is None:
        raise UserError(
            f"hydra/launcher={launcher} needs {module}, which is not installed: pip install 'hone-lab[{extra}]', "
            "or hydra/launcher=local."
        )
