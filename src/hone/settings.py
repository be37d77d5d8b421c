"""The words of each command's YAML file, typed: what it is told besides the parts it is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from hone.errors import UserError
from hone.runs.record import find_run
from hone.types import (
    Accelerator,
    Count,
    Extent,
    FolderName,
    Index,
    Length,
    OnBadRow,
    Place,
    Positive,
    Precision,
    Split,
    Strategy,
)
from hone.wording import as_typed


@dataclass(frozen=True, kw_only=True)
class Train:
    """`conf/train.yaml`, where the comments say what each word means."""

    made_of: ClassVar[str | None] = "hone.build.Parts"
    """The class whose fields are the other sections of the file."""

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


@final
@dataclass(frozen=True, kw_only=True)
class Plan(Train):
    """`conf/plan.yaml`: every word of `hone train`."""

    made_of: ClassVar[str | None] = "hone.planning.options.PlanParts"


@final
@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """`conf/evaluate.yaml`."""

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
        find_run(self.run)


@final
@dataclass(frozen=True, kw_only=True)
class Export:
    """`conf/export.yaml`."""

    made_of: ClassVar[str | None] = None

    run: Place
    output: Place | None
    overwrite: bool
    trust: list[str]

    def __post_init__(self) -> None:
        find_run(self.run)


@final
@dataclass(frozen=True, kw_only=True)
class Predict:
    """`conf/predict.yaml`."""

    made_of: ClassVar[str | None] = "hone.prediction.model.Elsewhere"

    run: Place | None
    inputs: dict[str, list[Any]] | None
    input: Place | None
    columns: dict[str, str] | None
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
            find_run(self.run)


@final
@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    """`conf/tokenizer.yaml`."""

    made_of: ClassVar[str | None] = "hone.tokenizer.Parts"

    algorithm: Literal["bpe", "wordpiece", "unigram"]
    vocab_size: Count
    special: Literal["encoder", "decoder", "seq2seq"]
    lowercase: bool
    min_frequency: Count
    roles: list[str] | None
    limit: Count | None
    output: Place | None
    overwrite: bool
    trust: list[str]
