"""A training without a command line: the loop's parts, small enough to be run hundreds of times."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric

from hone.config.settings import TrainSettings
from hone.core.signals import Stop
from hone.core.task import Task
from hone.data.batching import Batching, Random
from hone.data.module import Step
from hone.data.source import Source
from hone.data.tiny.emotion import TinyEmotion
from hone.models.adapters import Adapter, NoAdapter
from hone.models.checkpoints.tiny_text import TinyBert
from hone.models.head import Head
from hone.models.heads.auto import Auto
from hone.runs.snapshots import Snapshots
from hone.tasks.text.text_classification import TextClassification
from hone.tracking.tracker import NoTracker
from hone.training import loop
from hone.training.assemble import assemble
from hone.training.fabric import make_fabric
from hone.training.listeners import Listeners
from hone.training.loop import fit
from hone.training.optim.optimizers import Optimizer
from hone.training.optim.schedules import Linear, Scheduler
from hone.training.parts import RunParts
from hone.training.prepare import prepare
from hone.training.progress import RunProgress
from hone.training.pruning import LenientReferee, Referee
from hone.training.stage_cache import StageCache
from hone.training.state import TrainState

ADAMW = partial(torch.optim.AdamW, betas=(0.9, 0.999), eps=1e-8, fused=True)
DEFAULTS = TrainSettings(
    seed=0, epochs=2.0, steps=None, batch_size=4, accumulate=1, clip_norm=1.0, on_nonfinite="stop",
    precision="32-true", compile=False, gradient_checkpointing=False, limit=None, evaluate_every=None,
    evaluate_rows=None, save_every=None, log_every=1, monitor="f1_macro", patience=None, accelerator="cpu", devices=1,
    workers=0, strategy="auto", resume=None, output_root="outputs", name=None, notes="", verify=True, trust=[],
)  # fmt: skip
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@dataclass
class Notebook(Listeners):
    """An audience that writes everything down; it can raise at a step, as a crash would."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    evaluations: list[int] = field(default_factory=list)

    def begin(self, steps: int, done: int, rows: int) -> None:
        self.rows = [row for row in self.rows if row["step"] <= done]

    def logged(self) -> int:
        return len(self.rows)

    def step(self, step: int) -> None:
        self.steps.append(step)

    def log(self, row: Mapping[str, Any]) -> None:
        self.rows.append(dict(row))

    def counted(self, skipped: int, retries: int) -> None: ...

    def left_out(self, counts: Mapping[str, int]) -> None: ...

    def examined(self, step: int, split: str, records: dict[str, Any]) -> None: ...

    def evaluated(self, step: int, scores: Mapping[str, float], monitor: str, best: Mapping[str, Any] | None) -> None:
        self.evaluations.append(step)

    def shown(self, step: int, lines: Sequence[str]) -> None: ...

    def concluded(self, scores: Mapping[str, float], baseline: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


@dataclass
class Training:
    """The defaults in miniature: every field can be set, and `start` builds everything anew."""

    folder: Path
    rows: int = 44
    batch_size: int = 4
    accumulate: int = 1
    epochs: float = 2.0
    seed: int = 0
    lr: float = 1e-3
    clip_norm: float | None = 1.0
    save_every: int | None = None
    evaluate_every: int | None = None
    patience: int | None = None
    referee: Referee = field(default_factory=LenientReferee)
    hyperparameters: dict[str, Any] = field(default_factory=lambda: {"num_hidden_layers": 1})
    batching: Batching = field(default_factory=Random)
    scheduler: Scheduler = field(default_factory=lambda: Linear(warmup="10%"))
    optimizer: Optimizer | None = None
    dataset: Source = field(default_factory=lambda: TinyEmotion(200, 24, 8))
    head: Head = field(default_factory=Auto)
    adapter: Adapter = field(default_factory=NoAdapter)
    task: Task = field(default_factory=lambda: TextClassification())
    precision: Any = "32-true"
    on_nonfinite: Any = "stop"
    devices: int = 1
    compile: bool = False
    gradient_checkpointing: bool = False

    def start(self) -> "Started":
        return Started(self, make_fabric("cpu", self.precision, self.devices))

    def parts(self) -> RunParts:
        return RunParts(
            dataset=self.dataset,
            checkpoint=TinyBert(self.lr, self.hyperparameters),
            task=self.task,
            head=self.head,
            adapter=self.adapter,
            optimizer=self.optimizer or Optimizer(ADAMW, self.lr, weight_decay=0.01),
            scheduler=self.scheduler,
            batch=self.batching,
            tracker=NoTracker(),
        )

    def settings(self) -> TrainSettings:
        return replace(
            DEFAULTS,
            seed=self.seed,
            epochs=self.epochs,
            batch_size=self.batch_size,
            accumulate=self.accumulate,
            clip_norm=self.clip_norm,
            on_nonfinite=self.on_nonfinite,
            compile=self.compile,
            gradient_checkpointing=self.gradient_checkpointing,
            limit=self.rows,
            evaluate_every=self.evaluate_every,
            save_every=self.save_every,
            log_every=1,
            patience=self.patience,
        )


class Started:
    """A training that is ready to go, and can go on from what an earlier one left in its folder."""

    def __init__(self, training: Training, fabric: Fabric) -> None:
        parts, settings = training.parts(), training.settings()
        assembled = assemble(parts, settings, fabric, prepare(parts, settings, StageCache()))
        self.training, self.fabric, self.data, self.network = training, fabric, assembled.data, assembled.network
        self.course, self.train_state, self.module = assembled.course, assembled.state, assembled.state.module
        self.notebook = Notebook()
        snapshots = Snapshots(training.folder, "test")
        self.run = RunProgress(
            self.notebook, snapshots, self.course, assembled.monitor, training.patience, training.referee, None
        )

    def fit(self, stop: Stop | None = None) -> "Started":
        self.run.resume(self.fabric, self.train_state)
        self.run.begin(self.train_state)
        with self.train_state.fast_paths():
            fit(self.fabric, self.train_state, self.data, self.run, stop or Stop(), self.training.settings())
        return self

    @property
    def weights(self) -> dict[str, torch.Tensor]:
        return {name: weight.detach().clone() for name, weight in self.network.named_parameters()}

    @property
    def losses(self) -> list[float]:
        return [row["train/loss"] for row in self.notebook.rows if "train/loss" in row]


def same_bits(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def distance(ours: Mapping[str, torch.Tensor], theirs: Mapping[str, torch.Tensor]) -> float:
    """The largest difference of two weights. Key biases are left out: their gradient is zero in exact arithmetic, so
    that Adam makes whole steps of its rounding errors."""
    return max(float((ours[name] - theirs[name]).abs().max()) for name in ours if "key.bias" not in name)


def overflow(patch: pytest.MonkeyPatch, steps: set[int], above: float) -> None:
    """Makes the loss of some steps NaN where the learning rate begins above a number."""
    passes = loop.run_passes

    def overflowing(fabric: Any, state: TrainState, step: Step, targets: float) -> torch.Tensor:
        loss = passes(fabric, state, step, targets)
        return loss * math.nan if step.number in steps and state.scheduler.base_lrs[0] > above else loss

    patch.setattr(loop, "run_passes", overflowing)
