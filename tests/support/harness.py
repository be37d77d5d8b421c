"""A training without a command line: the loop's parts, small enough to be run hundreds of times."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from lightning.fabric import Fabric

from hone.core import seeds
from hone.core.durations import Clock
from hone.core.signals import Stop
from hone.core.task import Task
from hone.data.batching import Batching, Random
from hone.data.encoded import encode
from hone.data.module import DataModule
from hone.data.rows import Rows, load_rows
from hone.data.tiny.emotion import TinyEmotion
from hone.models.checkpoints.tiny import TinyBert
from hone.models.layers import LayerMap
from hone.models.network import enable_recomputation
from hone.runs.snapshots import Snapshots
from hone.tasks.text.text_classification import TextClassification
from hone.training.course import Course
from hone.training.fabric import make_fabric
from hone.training.fast.compiling import compilation_for
from hone.training.fast.packing import packing_for
from hone.training.listeners import Listeners
from hone.training.loop import fit
from hone.training.module import Module
from hone.training.optim.optimizers import Optimizer, average_of, schedule
from hone.training.optim.schedules import Linear, Scheduler
from hone.training.progress import Monitor, RunProgress
from hone.training.pruning import Lenient, Referee
from hone.training.results import NoCandidates
from hone.training.state import TrainState

ADAMW = partial(torch.optim.AdamW, betas=(0.9, 0.999), eps=1e-8, fused=True)
NO_DROPOUT = {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0}


@dataclass
class Notebook(Listeners):
    """An audience that writes everything down; it can raise at a step, as a crash would."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    evaluations: list[int] = field(default_factory=list)

    def begin(self, steps: int, done: int) -> None:
        self.rows = [row for row in self.rows if row["step"] <= done]

    def step(self, step: int) -> None:
        self.steps.append(step)

    def log(self, row: Mapping[str, Any]) -> None:
        self.rows.append(dict(row))

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
    referee: Referee = field(default_factory=Lenient)
    hyperparameters: dict[str, Any] = field(default_factory=lambda: {"num_hidden_layers": 1})
    batching: Batching = field(default_factory=Random)
    scheduler: Scheduler = field(default_factory=lambda: Linear(warmup="10%"))
    optimizer: Optimizer | None = None
    task: Task = field(default_factory=lambda: TextClassification())
    precision: Any = "32-true"
    compile: bool = False
    gradient_checkpointing: bool = False

    def start(self) -> "Started":
        fabric = make_fabric("cpu", self.precision)
        source, checkpoint = TinyEmotion(200, 24, 8), TinyBert(self.lr, self.hyperparameters)
        rows = load_rows(source, self.task, limit=self.rows)
        task = self.task.bind(checkpoint.processor("AutoTokenizer", rows.facts), rows.facts)
        data = DataModule(
            encode(Rows(rows.splits, rows.facts), task, source)[1],
            task,
            self.batching,
            self.batch_size,
            self.accumulate,
            self.seed,
        )
        seeds.seed_everything(self.seed, "weights")
        network = checkpoint.network(task.auto_model, checkpoint.config(task.model_config()))
        enable_recomputation(network, self.gradient_checkpointing)
        return Started(self, fabric, data, network)


class Started:
    """A training that is ready to go, and can go on from what an earlier one left in its folder."""

    def __init__(self, told: Training, fabric: Fabric, data: DataModule, network: Any) -> None:
        self.told, self.fabric, self.data, self.network = told, fabric, data, network
        recipe = told.optimizer or Optimizer(ADAMW, told.lr, weight_decay=0.01)
        self.module = Module(network, data.task, LayerMap.of(network), recipe, told.scheduler)
        packing = packing_for(
            told.batching.pack, network, self.module.layer_map, data.task, data.sample_batch(), fabric.device
        )
        steps = data.feed.steps_per_epoch
        clock = Clock(steps, told.rows, round(told.epochs * steps))
        self.course = Course(clock, told.evaluate_every, told.save_every, log_every=1)
        wrapped, optimizer = fabric.setup(self.module, self.module.make_optimizer())
        scheduler = schedule(optimizer, told.scheduler, clock)
        average = average_of(network, recipe.ema)
        compilation = compilation_for(told.compile, network, self.module.layer_map, fabric.device)
        self.train_state = TrainState(self.module, wrapped, optimizer, scheduler, average, packing, compilation)
        self.notebook = Notebook()
        snapshots = Snapshots(told.folder, "test")
        self.run = RunProgress(
            self.notebook,
            snapshots,
            self.course,
            Monitor("f1_macro", True),
            told.patience,
            told.referee,
            NoCandidates(),
        )

    def fit(self, stop: Stop | None = None) -> "Started":
        self.run.resume(self.fabric, self.train_state)
        self.notebook.begin(self.course.steps, self.run.step)
        told = self.told
        parts = (self.fabric, self.train_state, self.data, self.run, stop or Stop())
        with self.train_state.fast_paths():
            fit(*parts, clip_norm=told.clip_norm, seed=told.seed)
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
