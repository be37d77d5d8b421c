"""`conf/sweep.yaml`, typed; the comments there say what each word means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from hone.errors import UserError, nearest
from hone.sweeps.saved import find_sweep
from hone.types import Place

_ACTIONS = ("status", "retry", "report")


@final
@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What the command is told besides the parts it is made of."""

    made_of: ClassVar[str | None] = None

    folders: list[Place]

    def __post_init__(self) -> None:
        if len(self.folders) != 2 or self.action not in _ACTIONS:
            said = nearest(self.folders[0], _ACTIONS) if self.folders else ""
            raise UserError(
                f"hone sweep: say what to do and with which sweep: hone sweep {'|'.join(_ACTIONS)} DIR.{said}"
            )
        find_sweep(self.folder)

    @property
    def action(self) -> str:
        return self.folders[0]

    @property
    def folder(self) -> str:
        return self.folders[1]
