"""The contract of what there is to send of a run, or of a sweep, that W&B may not have."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Literal

Way = Literal["nothing", "file", "journal"]
"""W&B's own file has more (the machine's load, pictures); our own files are always whole."""


class Shipment(ABC):
    """`way` is how it would be sent, and `why`."""

    way: Way
    why: str

    @property
    @abstractmethod
    def place(self) -> Path:
        """The folder that it is of."""

    @abstractmethod
    def send(self) -> None:
        """Raises RunError, or UserError, when it does not arrive."""
