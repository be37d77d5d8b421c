"""`conf/sync.yaml`, typed; the comments there say what each word means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from hone.types import Place


@final
@dataclass(frozen=True, kw_only=True)
class Sync:
    """What the command is told besides the parts it is made of."""

    made_of: ClassVar[str | None] = None

    folders: list[Place]
    dry_run: bool
