"""`conf/evaluate.yaml`, typed; the comments there say what each word means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from hone.runs.record import require_run
from hone.types import Accelerator, Count, Index, Place, Precision, Split


@final
@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """What the command is told besides the parts it is made of."""

    made_of: ClassVar[str | None] = None

    run: Place
    split: Split
    batch_size: Count | None
    limit: Count | Literal["all"] | None
    worst: Index
    output: Place | None
    accelerator: Accelerator
    precision: Precision | None
    trust: list[str]

    def __post_init__(self) -> None:
        require_run(self.run)
