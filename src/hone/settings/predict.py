"""`conf/predict.yaml`, typed; the comments there say what each word means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

from hone.errors import UserError
from hone.runs.record import require_run
from hone.types import Accelerator, Count, OnBadRow, Place, Precision


@final
@dataclass(frozen=True, kw_only=True)
class Predict:
    """What the command is told besides the parts it is made of."""

    made_of: ClassVar[str | None] = "hone.prediction.model.Elsewhere"

    run: Place | None
    inputs: dict[str, list[Any]] | None
    input: Place | None
    columns: dict[str, str | list[str]] | None
    output: Place | None
    options: dict[str, Any] | None
    zero_shot: list[str] | None
    hypothesis: str
    several: bool
    on_bad_row: OnBadRow
    batch_size: Count
    accelerator: Accelerator
    precision: Precision | None
    trust: list[str]

    def __post_init__(self) -> None:
        if (self.input is None) == (not self.inputs):
            said = "There is nothing to predict" if self.input is None else "input= and texts exclude each other"
            raise UserError(f'{said}: say text="…" (or another role of the task), or input=FILE.')
        if self.run is not None:
            require_run(self.run)
