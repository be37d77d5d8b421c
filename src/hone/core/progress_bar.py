"""What the terminal shows during a run: a live progress bar, or plain lines if the output is not a terminal."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import final

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hone.core.screen import make_console
from hone.core.streams import err, write_line

console = make_console(stderr=True)


class Display(ABC):
    """The interface of a display. The training loop calls it as it proceeds."""

    @abstractmethod
    def start(self, steps: int, done: int) -> None: ...

    @abstractmethod
    def step(self, step: int) -> None: ...

    @abstractmethod
    def logged(self, step: int, row: Mapping[str, float]) -> None: ...

    @abstractmethod
    def evaluated(self, step: int, scores: Mapping[str, float], monitor: str, best: bool) -> None: ...

    @abstractmethod
    def close(self) -> None: ...


@final
class ProgressBar(Display):
    """Shows a bar with the loss, the learning rate, the speed and the time left."""

    def __init__(self) -> None:
        self.progress = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}", markup=False),
            TimeRemainingColumn(compact=True),
            console=console,
            transient=True,
        )

    def start(self, steps: int, done: int) -> None:
        for earlier in self.progress.task_ids:  # of a run that went back
            self.progress.remove_task(earlier)
        self.task = self.progress.add_task("training", total=steps, completed=done, numbers="")
        self.progress.start()

    def step(self, step: int) -> None:
        self.progress.update(self.task, completed=step)

    def logged(self, step: int, row: Mapping[str, float]) -> None:
        self.progress.update(self.task, numbers=_numbers(row))

    def evaluated(self, step: int, scores: Mapping[str, float], monitor: str, best: bool) -> None:
        console.print(_evaluation(step, scores, monitor, best))

    def close(self) -> None:
        self.progress.stop()


@final
class PlainLines(Display):
    """Prints one line per evaluation, and one in between every few seconds."""

    interval = 15.0
    """Seconds between two lines."""

    def __init__(self) -> None:
        self.last = time.monotonic()

    def start(self, steps: int, done: int) -> None:
        self.steps = steps

    def step(self, step: int) -> None: ...

    def logged(self, step: int, row: Mapping[str, float]) -> None:
        if time.monotonic() - self.last > self.interval:
            self.last = time.monotonic()
            write_line(f"step {step}/{self.steps}  {_numbers(row)}", err)

    def evaluated(self, step: int, scores: Mapping[str, float], monitor: str, best: bool) -> None:
        write_line(_evaluation(step, scores, monitor, best), err)

    def close(self) -> None: ...


def make_display() -> Display:
    """Return the display that suits the output."""
    return ProgressBar() if console.is_terminal else PlainLines()


def _numbers(row: Mapping[str, float]) -> str:
    return f"loss {row['train/loss']:.4f}  lr {row['train/lr']:.2e}  {row['train/samples_per_second']:.0f} samples/s"


def _evaluation(step: int, scores: Mapping[str, float], monitor: str, best: bool) -> str:
    chosen = dict.fromkeys(["loss", monitor])
    values = "  ".join(f"{name} {scores[name]:.4f}" for name in chosen if name in scores)
    return f"step {step}: validation {values}{'  (best so far)' if best else ''}"
