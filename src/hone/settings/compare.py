"""`conf/compare.yaml`, typed; the comments there say what each word means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal, final

from hone.errors import UserError
from hone.types import Index, Place


@final
@dataclass(frozen=True, kw_only=True)
class Compare:
    """What the command is told besides the parts it is made of."""

    made_of: ClassVar[str | None] = None

    folders: list[Place]
    metric: str | None
    higher_is_better: bool | None
    format: Literal["table", "csv", "markdown", "latex", "json"]
    by_example: Index
    report: Place | None

    def __post_init__(self) -> None:
        if not self.folders:
            raise UserError(
                "There is nothing to compare: say hone compare DIR…, of runs or of folders that hold runs, or "
                "hone compare wandb:entity/project."
            )
        if self.report is not None and not self.report.endswith(".html"):
            raise UserError(f"report={self.report}: expected the name of a file that ends in .html.")
