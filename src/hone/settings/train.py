"""`conf/train.yaml`, typed; the comments there say what each word means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hone.errors import UserError
from hone.types import Accelerator, Count, Extent, FolderName, Index, Length, Place, Positive, Precision, Strategy
from hone.wording import as_typed


@dataclass(frozen=True, kw_only=True)
class Train:
    """What the command is told besides the parts it is made of."""

    made_of: ClassVar[str | None] = "hone.parts.Parts"
    """The class whose fields are the other sections of the file."""
    sweeps_with: ClassVar[str] = "hone.sweeps.start.check_and_run"
    """The function that does all of a command with `-m`."""

    seed: Index
    epochs: Positive | None
    steps: Extent | None
    batch_size: Count
    accumulate: Count
    clip_norm: Positive | None
    precision: Precision
    compile: bool
    gradient_checkpointing: bool
    limit: Count | None
    evaluate_every: Length | None
    evaluate_rows: Count | None
    save_every: Length | None
    log_every: Count
    monitor: str
    patience: Count | None
    accelerator: Accelerator
    devices: Count
    strategy: Strategy
    resume: Place | None
    output_root: Place
    name: FolderName | None
    notes: str
    trust: list[str]

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            raise UserError(
                f"epochs={as_typed(self.epochs)} and steps={as_typed(self.steps)}: exactly one of them says how long "
                f"to train; {'add epochs=null' if self.steps is not None else 'give one of them'}."
            )
        if self.strategy == "ddp" and self.devices == 1:
            raise UserError(
                "strategy=ddp spreads a run over several processes, but devices=1; say devices=2, or strategy=auto."
            )
