"""A run under way: how far it is, which evaluation was the best, and how it is saved and brought back."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any, final

from lightning.fabric import Fabric

from hone.core.errors import Pruned, RunError
from hone.core.task import Columns
from hone.runs.snapshots import Snapshot, Snapshots
from hone.training.course import Course, Monitor
from hone.training.listeners import Listeners
from hone.training.pruning import Referee
from hone.training.saving import BestModels
from hone.training.state import TrainState, load_trainable_tensors


@final
class RunProgress:
    """The same on every process; only the first one has listeners and writes checkpoints."""

    def __init__(
        self,
        listeners: Listeners,
        snapshots: Snapshots,
        course: Course,
        monitor: Monitor,
        patience: int | None,
        referee: Referee,
        best_models: BestModels | None,
    ) -> None:
        self.listeners, self.snapshots, self.course = listeners, snapshots, course
        self.monitor, self.patience, self.referee = monitor, patience, referee
        self.best_models = best_models
        self.step = 0
        self.best: dict[str, Any] | None = None
        self.best_records: dict[str, Columns] = {}
        self.stale = 0
        self.stopped = False
        self.begun, self.earlier = time.monotonic(), 0.0

    @property
    def seconds(self) -> float:
        """How long the training has taken, over all its sittings."""
        return round(self.earlier + time.monotonic() - self.begun, 3)

    def log(self, values: Mapping[str, float]) -> None:
        """A row of the journal, at the present step."""
        course, now = self.course, round(time.time(), 3)
        place = {"step": self.step, "epoch": course.epoch(self.step), "examples": course.examples(self.step)}
        self.listeners.log({**place, "seconds": self.seconds, "time": now, **values})

    def advance(self, step: int) -> None:
        self.step = step
        self.listeners.step(step)

    def examined(self, split: str, records: Columns) -> None:
        """Passes on what is known of the examples of a split, before their scores."""
        self.listeners.examined(self.step, split, records)

    def evaluated(self, records: Columns, scores: Mapping[str, float], train_state: TrainState) -> None:
        """Takes in the scores of the validation split and, if they are the best, what has them: the records and the
        network; a score that is not a number never is."""
        self.log({f"validation/{name}": value for name, value in scores.items()})
        value = scores.get(self.monitor.name)
        better = value is not None and self.monitor.improves(value, self.best)
        self.stale = 0 if better else self.stale + 1
        if better:
            self.best = {"step": self.step, "metric": f"validation/{self.monitor.name}", "value": value}
        self.listeners.evaluated(self.step, scores, self.monitor.name, self.best if better else None)
        if better:
            self.best_records = {} if self.course.evaluate_rows else {"validation": records}
            if self.best_models is not None:
                self.best_models.offer(self.step, train_state)
        self.stopped = self.referee.stops(self.step, math.nan if value is None else value)

    def shown(self, lines: Sequence[str]) -> None:
        """Passes on what the model said of a few validation rows."""
        if lines:
            self.listeners.shown(self.step, lines)

    def concluded(self, scores: Mapping[str, float], baseline: Mapping[str, float]) -> None:
        """Passes on the final scores; those of a split that no evaluation has seen are also a row of the journal."""
        fresh = {name: value for name, value in scores.items() if not name.startswith("validation/")}
        if fresh:
            self.log(fresh)
        self.listeners.concluded(scores, baseline)

    def require_worth(self) -> None:
        """Ends the run where its referee has said so; its checkpoint must be there by now, for it may go on later."""
        if self.stopped:
            raise Pruned(f"stopped at step {self.step} of {self.course.steps} by the pruner of the sweep")

    def out_of_patience(self) -> bool:
        return self.patience is not None and self.stale >= self.patience

    def save(self, fabric: Fabric, train_state: TrainState) -> None:
        """A checkpoint of this very moment."""
        if fabric.is_global_zero:
            tensors, state = train_state.state_dict(fabric)
            progress = {"best": self.best, "stale": self.stale, "seconds": self.seconds}
            self.snapshots.save(Snapshot(self.step, tensors, {**state, **progress}))
        fabric.barrier()

    def resume(self, fabric: Fabric, train_state: TrainState) -> None:
        """Goes to the newest whole checkpoint, if there is one."""
        snapshot = self.snapshots.newest()
        if snapshot is not None:
            train_state.load_state_dict(fabric, snapshot.tensors, snapshot.state)
            self.step, self.best, self.stale = snapshot.step, snapshot.state["best"], snapshot.state["stale"]
            self.begun, self.earlier = time.monotonic(), snapshot.state["seconds"]

    def choose_best(self, train_state: TrainState) -> None:
        """Puts the weights of the best evaluation (averaged ones, if it saw those) into the network."""
        snapshot = self.snapshots.load(self.best["step"]) if self.best else self.snapshots.newest()
        if snapshot is None:
            raise RunError(f"The checkpoint of the best evaluation (step {(self.best or {}).get('step')}) is damaged.")
        load_trainable_tensors(
            train_state.module.network, dict(snapshot.tensors["weights"]) | dict(snapshot.tensors.get("average", {}))
        )
