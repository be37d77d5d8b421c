"""`conf/sync.yaml`, typed; the comments there explain each key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, final

from hone.types import Place


@final
@dataclass(frozen=True, kw_only=True)
class Sync:
    """The settings of `hone sync`."""

    made_of: ClassVar[str | None] = None

    folders: list[Place]
    dry_run: bool
