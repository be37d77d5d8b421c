"""`conf/export.yaml`, typed; the comments there say what each word means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from hone.runs.record import require_run
from hone.types import Place


@final
@dataclass(frozen=True, kw_only=True)
class Export:
    """What the command is told besides the parts it is made of."""

    made_of: ClassVar[str | None] = None

    run: Place
    output: Place | None
    overwrite: bool
    trust: list[str]

    def __post_init__(self) -> None:
        require_run(self.run)
