"""Contenders in turns on one machine: each is a process that goes a few steps when it is its turn, and then waits."""

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
class Stage:
    """What all scenes share: rows, a checkpoint, a place for files, and how many turns count."""

    root: Path
    data: Mapping[str, Path]
    checkpoint: Path
    turns: int

    def told(self, data: str, batch_size: int) -> dict[str, Any]:
        """What every contender is told."""
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
    """One contender: the function that it runs, with its options, and the steps of its turn, if not the scene's."""

    name: str
    does: str
    words: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    steps: int | None = None


@final
@dataclass(frozen=True)
class Scene:
    """Contenders on the same rows, and the ratios that are of interest; a step handles `rows` (or a batch) of them."""

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
    """What a contender reached: samples a second of each turn, seconds to its first step, megabytes at most."""

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
    """A process that waits for its turn."""

    def __init__(self, entry: Entry, told: Mapping[str, Any]) -> None:
        settings = json.dumps({**told, "words": entry.words, "options": entry.options})
        self.entry = entry
        self.noise = tempfile.TemporaryFile("w+")  # noqa: SIM115 (a pipe that nobody reads would fill up)
        begun = time.perf_counter()
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "gate.py"), entry.does, settings],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.noise, text=True,
        )  # fmt: skip
        self.peak = float(self._answer()["peak_mb"])
        self.startup = time.perf_counter() - begun

    def go(self, steps: int) -> float:
        """Steps a second."""
        self._say(f"go {steps}")
        told = self._answer()
        self.peak = told["peak_mb"]
        return float(told["steps"] / told["seconds"])

    def end(self) -> None:
        self._say("end")
        self.process.communicate()
        self.noise.close()

    def _say(self, word: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{word}\n")
        self.process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            self.noise.seek(0)
            sys.exit(f"{self.entry.name} ended:\n{self.noise.read()[-3000:]}")
        answer: dict[str, Any] = json.loads(line)
        return answer


def play(scene: Scene, stage: Stage) -> dict[str, Result]:
    """Everybody starts up one after the other; half a turn warms up and does not count."""
    contenders = [Contender(entry, stage.told(scene.data, scene.batch_size)) for entry in scene.entries]
    speeds: dict[str, list[float]] = {entry.name: [] for entry in scene.entries}
    for turn in range(stage.turns + 1):
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


def compared(scene: Scene, results: Mapping[str, Result]) -> list[Figure]:
    """The scene's ratios."""
    return [
        Figure.compare(
            f"{scene.name}: {ours.name} / {theirs.name}", results[ours.name].speeds, results[theirs.name].speeds, bar
        )
        for ours, theirs, bar in scene.figures
    ]
