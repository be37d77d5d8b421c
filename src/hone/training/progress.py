"""How far a run is, which evaluation was the best, and how both are saved and restored."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final

from lightning.fabric import Fabric

from hone.core.errors import Pruned, RowError, RunError, UserError
from hone.core.task import Columns
from hone.data.left_out import REMEDY, LeftOut
from hone.runs.snapshots import Snapshot, Snapshots
from hone.training.course import Course, Monitor
from hone.training.listeners import Listeners
from hone.training.pruning import Referee
from hone.training.saving import BestModels
from hone.training.state import TrainState, load_trainable_tensors


@final
class RunProgress:
    """The progress of a run, the same on every process. Only the first one has listeners and writes checkpoints."""

    def __init__(
        self,
        listeners: Listeners,
        snapshots: Snapshots,
        course: Course,
        monitor: Monitor,
        patience: int | None,
        referee: Referee,
        best_models: BestModels | None,
        revived: bool = False,
    ) -> None:
        self.listeners, self.snapshots, self.course = listeners, snapshots, course
        self.monitor, self.patience, self.referee = monitor, patience, referee
        self.best_models, self.revived = best_models, revived
        self.step = 0
        self.best: dict[str, Any] | None = None
        self.best_records: dict[str, Columns] = {}
        self.stale = 0
        self.stopped = False
        self.counts = (0, 0)
        self.begun, self.earlier = time.monotonic(), 0.0

    @property
    def is_over(self) -> bool:
        """Whether no step follows the present one: the course ends here, or patience does."""
        out_of_patience = self.patience is not None and self.stale >= self.patience
        return out_of_patience or self.step >= self.course.steps

    @property
    def seconds(self) -> float:
        """Seconds of training so far, earlier sessions included."""
        return round(self.earlier + time.monotonic() - self.begun, 3)

    def log(self, values: Mapping[str, float]) -> None:
        """Log a row at the present step."""
        course, now = self.course, round(time.time(), 3)
        place = {"step": self.step, "epoch": course.epoch(self.step), "examples": course.examples(self.step)}
        self.listeners.log({**place, "seconds": self.seconds, "time": now, **values})

    def advance(self, step: int) -> None:
        self.step = step
        self.listeners.step(step)

    def begin(self, state: TrainState) -> None:
        """Report that the training begins, or continues from the present step."""
        self.counts = state.skipped.total, state.retries.total
        self.listeners.counted(*self.counts)
        self.listeners.begin(self.course.steps, self.step, state.retries.rows)

    def count_skipped(self, state: TrainState) -> None:
        """Report how many steps and rows were left out so far, if that has changed."""
        counts = state.skipped.total, state.retries.total
        if counts != self.counts:
            self.counts = counts
            self.listeners.counted(*counts)
        self.count_left_out(state.left_out)

    def count_left_out(self, left_out: LeftOut) -> None:
        """Report how many rows could not be decoded and were left out so far, if there were any."""
        if left_out.counts:
            self.listeners.left_out(left_out.counts)

    @contextmanager
    def explaining_bad_rows(self) -> Iterator[None]:
        """Add a remedy to the error of a row that cannot be decoded. After the first step it no longer is a mistake
        found in time: the run fails, and its last checkpoint is kept."""
        try:
            yield
        except RowError as error:
            kind = RunError if self.step else UserError
            raise kind(f"{error} {REMEDY}") from error

    def examined(self, split: str, records: Columns) -> None:
        """Report the records of a split, before their scores."""
        self.listeners.examined(self.step, split, records)

    def evaluated(self, records: Columns, scores: Mapping[str, float], state: TrainState) -> None:
        """Take in an evaluation. If it is the best so far, remember its records and offer the network.

        A score that is not a number is never the best."""
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
                self.best_models.offer(self.step, state)
        self.stopped = self.referee.stops(self.step, math.nan if value is None else value)

    def shown(self, lines: Sequence[str]) -> None:
        """Report what the model predicts for a few validation rows."""
        if lines:
            self.listeners.shown(self.step, lines)

    def concluded(self, scores: Mapping[str, float], baseline: Mapping[str, float]) -> None:
        """Report the final scores. Those of splits that no evaluation has seen are also logged."""
        unseen = {name: value for name, value in scores.items() if not name.startswith("validation/")}
        if unseen:
            self.log(unseen)
        self.listeners.concluded(scores, baseline)

    def require_not_pruned(self) -> None:
        """Raise Pruned if the referee stopped the run. Its checkpoint is saved by then: the run may continue later."""
        if self.stopped:
            raise Pruned(f"stopped at step {self.step} of {self.course.steps} by the pruner of the sweep")

    def save(self, fabric: Fabric, state: TrainState) -> None:
        """Save a checkpoint of the present step."""
        if fabric.is_global_zero:
            tensors, numbers = state.state_dict(fabric)
            decided = {"best": self.best, "stale": self.stale, "stopped": self.stopped}
            self.snapshots.save(Snapshot(self.step, tensors, {**numbers, **decided, "seconds": self.seconds}))
        fabric.barrier()

    def resume(self, fabric: Fabric, state: TrainState) -> None:
        """Restore the newest intact checkpoint, if one exists, with everything that was decided by then.

        A run whose referee had stopped it stops again, unless its sweep has revived it."""
        snapshot, revived = self.snapshots.newest(), fabric.broadcast(self.revived)
        if snapshot is not None:
            state.load_state_dict(fabric, snapshot.tensors, snapshot.state)
            self.step, self.best, self.stale = snapshot.step, snapshot.state["best"], snapshot.state["stale"]
            self.stopped = snapshot.state.get("stopped", False) and not revived
            self.begun, self.earlier = time.monotonic(), snapshot.state["seconds"]
            self.best_records = {}

    def choose_best(self, state: TrainState) -> None:
        """Load the weights of the best evaluation, averaged ones if it used those, into the network."""
        snapshot = self.snapshots.load(self.best["step"]) if self.best else self.snapshots.newest()
        if snapshot is None:
            raise RunError(f"The checkpoint of the best evaluation (step {(self.best or {}).get('step')}) is damaged.")
        load_trainable_tensors(
            state.module.network, dict(snapshot.tensors["weights"]) | dict(snapshot.tensors.get("average", {}))
        )
