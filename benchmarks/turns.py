"""Runs contenders in turns on one machine: each is a process that takes a few steps in its turn and then waits."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from report import Figure

HERE = Path(__file__).parent


@final
@dataclass(frozen=True)
class Setup:
    """What all scenes share: rows, a checkpoint, a folder for files, and the number of turns that count."""

    root: Path
    data: Mapping[str, Path]
    checkpoint: Path
    turns: int

    def settings(self, data: str, batch_size: int) -> dict[str, Any]:
        """Return the settings that all contenders of a scene share."""
        return {
            "data": str(self.data[data]),
            "checkpoint": str(self.checkpoint),
            "cache": str(self.root / "cache"),
            "scratch": tempfile.mkdtemp(dir=self.root),
            "batch_size": batch_size,
        }


@final
@dataclass(frozen=True)
class Entry:
    """One contender: the function that it runs, its options, and the steps of its turn if not the scene's."""

    name: str
    does: str
    words: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    steps: int | None = None


@final
@dataclass(frozen=True)
class Scene:
    """Contenders on the same rows, and the ratios to report; a step handles `rows` of them, or else a batch."""

    name: str
    data: str
    batch_size: int
    steps: int
    entries: tuple[Entry, ...]
    figures: tuple[tuple[Entry, Entry, float | None], ...]
    rows: int | None = None


@final
@dataclass(frozen=True)
class Result:
    """What a contender reached: samples per second in each turn, seconds to its first step, megabytes at its peak."""

    speeds: list[float]
    startup: float
    peak: float

    @property
    def speed(self) -> float:
        return statistics.median(self.speeds)

    def line(self, name: str) -> str:
        spread = (max(self.speeds) - min(self.speeds)) / self.speed
        return f"{name:24} {self.speed:9.1f} {spread:8.0%} {self.startup:10.1f} s {self.peak:9.0f}"


@final
class Contender:
    """A process that waits between its turns."""

    def __init__(self, entry: Entry, settings: Mapping[str, Any]) -> None:
        message = json.dumps({**settings, "words": entry.words, "options": entry.options})
        self.entry = entry
        self.output = tempfile.TemporaryFile("w+")  # noqa: SIM115 (an unread pipe would fill up and block)
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "gate.py"), entry.does, message],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.output, text=True,
        )  # fmt: skip
        self.peak = float(self._receive()["peak_mb"])
        self.startup = time.perf_counter() - begun

    def go(self, steps: int) -> float:
        """Let the contender take its turn, and return its steps per second."""
        self._send(f"go {steps}")
        answer = self._receive()
        self.peak = answer["peak_mb"]
        return float(answer["steps"] / answer["seconds"])

    def end(self) -> None:
        self._send("end")
        self.process.communicate()
        self.output.close()

    def _send(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def _receive(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.output.seek(0)
            sys.exit(f"{self.entry.name} ended:\n{self.output.read()[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def play(scene: Scene, setup: Setup) -> dict[str, Result]:
    """Start the contenders one after the other and give each its turns; the first, half a turn, does not count."""
    contenders = [Contender(entry, setup.settings(scene.data, scene.batch_size)) for entry in scene.entries]
    speeds: dict[str, list[float]] = {entry.name: [] for entry in scene.entries}
    for turn in range(setup.turns + 1):
        for each in contenders:
            steps = each.entry.steps or scene.steps
            speed = each.go(steps if turn else (steps + 1) // 2) * (scene.rows or scene.batch_size)
            speeds[each.entry.name] += [speed] if turn else []
    results = {each.entry.name: Result(speeds[each.entry.name], each.startup, each.peak) for each in contenders}
    for each in contenders:
        each.end()
    print(f"\n{scene.name}\n{'':24} samples/s   spread   first step   peak MB")
    print("\n".join(result.line(name) for name, result in results.items()), flush=True)
    return results


def compare(scene: Scene, results: Mapping[str, Result]) -> list[Figure]:
    """Return the ratios of the scene."""
    return [
        Figure.compare(
            f"{scene.name}: {ours.name} / {theirs.name}", results[ours.name].speeds, results[theirs.name].speeds, bar
        )
        for ours, theirs, bar in scene.figures
    ]
