"""What a run reports to: journal, tracker, display and record on the first process, nothing on the others."""

from __future__ import annotations

import logging
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from hone.core.progress_bar import Display
from hone.core.task import Columns
from hone.reports.gallery import Gallery
from hone.runs.journal import Journal
from hone.runs.record import Record
from hone.tracking.tracker import Tracker

log = logging.getLogger(__name__)


class Listeners(ABC):
    """Gets every event of a run in the order in which it happens."""

    @abstractmethod
    def begin(self, steps: int, done: int, rows: int) -> None:
        """The training begins, or continues after `done` steps.

        Rows of later steps are dropped. If the run went back, at least `rows` rows remain."""

    @abstractmethod
    def logged(self) -> int:
        """Return the number of rows so far."""

    @abstractmethod
    def step(self, step: int) -> None:
        """A step is done."""

    @abstractmethod
    def log(self, row: Mapping[str, Any]) -> None:
        """A row of numbers."""

    @abstractmethod
    def counted(self, skipped: int, retries: int) -> None:
        """So far this many steps were left out, or so many times the run went back, as a number was not finite."""

    @abstractmethod
    def left_out(self, counts: Mapping[str, int]) -> None:
        """This many rows of each split could not be decoded and were left out so far."""

    @abstractmethod
    def examined(self, step: int, split: str, records: Columns) -> None:
        """The records of a split, before their scores."""

    @abstractmethod
    def evaluated(self, step: int, scores: Mapping[str, float], monitor: str, best: Mapping[str, Any] | None) -> None:
        """The scores of an evaluation; `best` is given if it is the best so far."""

    @abstractmethod
    def shown(self, step: int, lines: Sequence[str]) -> None:
        """What the model predicts for a few validation rows, in words."""

    @abstractmethod
    def concluded(self, scores: Mapping[str, float], baseline: Mapping[str, float]) -> None:
        """The final scores, and those of the baseline."""

    @abstractmethod
    def close(self) -> None:
        """The training is over, however it ended."""


@final
class NoListeners(Listeners):
    """The listeners of all processes but the first."""

    def begin(self, steps: int, done: int, rows: int) -> None: ...

    def logged(self) -> int:
        return 0

    def step(self, step: int) -> None: ...

    def log(self, row: Mapping[str, Any]) -> None: ...

    def counted(self, skipped: int, retries: int) -> None: ...

    def left_out(self, counts: Mapping[str, int]) -> None: ...

    def examined(self, step: int, split: str, records: Columns) -> None: ...

    def evaluated(
        self, step: int, scores: Mapping[str, float], monitor: str, best: Mapping[str, Any] | None
    ) -> None: ...

    def shown(self, step: int, lines: Sequence[str]) -> None: ...

    def concluded(self, scores: Mapping[str, float], baseline: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


@final
@dataclass(frozen=True)
class RunListeners(Listeners):
    """Reports to the journal first: what it has is not lost, whatever happens to the others."""

    journal: Journal
    tracker: Tracker
    gallery: Gallery
    display: Display
    record: Record

    def begin(self, steps: int, done: int, rows: int) -> None:
        kept = self.journal.rewind(done, rows)
        self.tracker.catch_up(kept)
        if not done and not kept:
            self.gallery.overview()
        self.record.update(steps=steps)
        log.info("training from step %d to %d", done, steps)
        self.display.start(steps, done)

    def step(self, step: int) -> None:
        self.display.step(step)

    def log(self, row: Mapping[str, Any]) -> None:
        self.tracker.log(self.journal.log(row), row)
        if "train/loss" in row:
            self.display.logged(int(row["step"]), row)

    def logged(self) -> int:
        return self.journal.count

    def counted(self, skipped: int, retries: int) -> None:
        self.record.update(skipped_steps=skipped, retries=retries)

    def left_out(self, counts: Mapping[str, int]) -> None:
        if counts != self.record["left_out_rows"]:
            self.record.update(left_out_rows=dict(counts))

    def examined(self, step: int, split: str, records: Columns) -> None:
        self.gallery.examined(step, split, records)

    def evaluated(self, step: int, scores: Mapping[str, float], monitor: str, best: Mapping[str, Any] | None) -> None:
        if best is not None:
            self.record.update(best=dict(best))
        self.display.evaluated(step, scores, monitor, best is not None)
        log.info("step %d, validation%s: %s", step, " (best so far)" if best else "", _format_scores(scores))

    def shown(self, step: int, lines: Sequence[str]) -> None:
        self.gallery.shown(step, lines)
        row = {"step": step, "time": round(time.time(), 3), "validation/shown": list(lines)}
        self.tracker.log(self.journal.log(row), row)
        for line in lines:
            log.info("step %d, validation: %s", step, line.replace("\n", "\\n"))

    def concluded(self, scores: Mapping[str, float], baseline: Mapping[str, float]) -> None:
        self.record.update(scores=dict(scores), baseline=dict(baseline))
        log.info("the best weights: %s", _format_scores(scores))

    def close(self) -> None:
        self.display.close()
        self.journal.close()


def _format_scores(scores: Mapping[str, float]) -> str:
    return "  ".join(f"{name} {value:.4f}" for name, value in scores.items())
