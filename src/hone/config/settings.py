"""The keys of every command that are not parts of a model or a run, with their types.

Each class has the top-level keys of one file, `conf/<command>.yaml`. The comments there explain each key and are
what `hone <command> --help` prints; the rules that involve several keys are here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from hone.core.errors import UserError, did_you_mean
from hone.core.value_types import (
    Accelerator,
    Count,
    Extent,
    FolderName,
    Index,
    Length,
    OnBadRow,
    OnNonfinite,
    Place,
    Positive,
    Precision,
    Split,
    StepWorkers,
    Strategy,
)
from hone.core.wording import as_typed
from hone.runs.record import require_run
from hone.runs.sweep_file import find_sweep

SWEEP_ACTIONS = {
    "status": "print the state and the score of each run",
    "retry": "run what failed again, with the sweep's own command; further key=value are added to it",
    "report": "write the page with the leaderboard, the curves and the failures",
}
"""What `hone sweep` can do with a sweep's folder."""


@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """The settings of `hone train`."""

    made_of: ClassVar[str | None] = "hone.training.parts.RunParts"
    """The class whose fields are the other sections of the file; each command names its own, or none."""
    also_checked: ClassVar[tuple[str, ...]] = ("sweep",)
    """Further sections: they are checked with the rest, and built by the sweep."""
    sweeps_with: ClassVar[str] = "hone.sweeps.start.check_and_run"
    """The function that does all of a command with `-m`."""

    seed: Index
    epochs: Positive | None
    steps: Extent | None
    batch_size: Count
    accumulate: Count
    clip_norm: Positive | None
    on_nonfinite: OnNonfinite
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
    workers: StepWorkers
    strategy: Strategy
    resume: Place | None
    output_root: Place
    name: FolderName | None
    notes: str
    verify: bool
    trust: list[str]

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.steps is None):
            remedy = "add epochs=null" if self.steps is not None else "give one of them"
            raise UserError(
                f"epochs={as_typed(self.epochs)} and steps={as_typed(self.steps)}: exactly one of them sets the "
                f"length of training; {remedy}."
            )
        if self.strategy == "ddp" and self.devices == 1:
            raise UserError("strategy=ddp trains in several processes, but devices=1; use devices=2, or strategy=auto.")


@final
@dataclass(frozen=True, kw_only=True)
class PlanSettings(TrainSettings):
    """The settings of `hone plan`: those of `hone train`; its own options are the section `plan`."""

    made_of: ClassVar[str | None] = "hone.commands.plan.PlanParts"
    sweeps_with: ClassVar[str] = "hone.commands.plan.sweep.sweep"


@final
@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """The settings of `hone evaluate`."""

    made_of: ClassVar[str | None] = "hone.commands.evaluate.EvaluateParts"

    run: Place | None
    split: Split
    batch_size: Count | None
    limit: Count | Literal["all"] | None
    worst: Index
    output: Place | None
    accelerator: Accelerator
    precision: Precision | None
    verify: bool
    trust: list[str]

    def __post_init__(self) -> None:
        if self.run is not None:
            require_run(self.run)


@final
@dataclass(frozen=True, kw_only=True)
class PredictSettings:
    """The settings of `hone predict`."""

    made_of: ClassVar[str | None] = "hone.commands.predict.model.PredictParts"

    run: Place | None
    inputs: dict[str, list[Any]] | None
    input: Place | None
    columns: dict[str, str | list[str]] | None
    output: Place | None
    options: dict[str, Any] | None
    zero_shot: list[str] | None
    hypothesis: str | None
    several: bool
    on_bad_row: OnBadRow
    batch_size: Count
    accelerator: Accelerator
    precision: Precision | None
    verify: bool
    trust: list[str]

    def __post_init__(self) -> None:
        if self.input is None and not self.inputs:
            raise UserError('There is nothing to predict: use text="…" (or another role of the task), or input=FILE.')
        if self.run is not None:
            require_run(self.run)


@final
@dataclass(frozen=True, kw_only=True)
class ExportSettings:
    """The settings of `hone export`."""

    made_of: ClassVar[str | None] = None

    run: Place
    output: Place | None
    overwrite: bool
    verify: bool
    trust: list[str]

    def __post_init__(self) -> None:
        require_run(self.run)


@final
@dataclass(frozen=True, kw_only=True)
class CompareSettings:
    """The settings of `hone compare`."""

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
                "There is nothing to compare: use hone compare DIR…, with folders of runs or folders that contain "
                "runs, or hone compare wandb:entity/project."
            )
        if self.report is not None and not self.report.endswith(".html"):
            raise UserError(f"report={self.report}: expected the name of a file that ends in .html.")


@final
@dataclass(frozen=True, kw_only=True)
class SweepSettings:
    """The settings of `hone sweep`: two plain words, an action and the folder of a sweep."""

    made_of: ClassVar[str | None] = None

    folders: list[Place]

    def __post_init__(self) -> None:
        if len(self.folders) != 2 or self.action not in SWEEP_ACTIONS:
            hint = did_you_mean(self.folders[0], SWEEP_ACTIONS) if self.folders else ""
            raise UserError(
                f"hone sweep: name an action and one sweep's folder: hone sweep {'|'.join(SWEEP_ACTIONS)} DIR.{hint}"
            )
        find_sweep(self.folder)

    @property
    def action(self) -> str:
        return self.folders[0]

    @property
    def folder(self) -> str:
        return self.folders[1]


@final
@dataclass(frozen=True, kw_only=True)
class SyncSettings:
    """The settings of `hone sync`."""

    made_of: ClassVar[str | None] = None

    folders: list[Place]
    dry_run: bool


@final
@dataclass(frozen=True, kw_only=True)
class TokenizerSettings:
    """The settings of `hone tokenizer`."""

    made_of: ClassVar[str | None] = "hone.commands.tokenizer.TokenizerParts"

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
