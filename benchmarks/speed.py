"""How fast hone trains beside a plain loop, `transformers.Trainer` and `lightning.Trainer`, in turns on one machine.

    python benchmarks/speed.py [--data FOLDER] [--short] [--output benchmarks/latest.json]

Every contender is a process of its own that trains a few steps when it is its turn; the table has ratios of medians.
FOLDER holds train.jsonl and validation.jsonl with `text` and `label`; without it the built-in texts are used.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import rows

HERE = Path(__file__).parent


@final
@dataclass(frozen=True)
class Entry:
    """One contender with its options."""

    name: str
    kind: str
    words: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


HONE = Entry("hone", "hone")
BUCKETS = Entry("hone, buckets", "hone", ("batch=buckets", "batch.pool=50"))
SAME = Entry("hone, padded", "hone", ("batch.pack=false",))
PLAIN = Entry("plain loop", "plain")
TRAINER = Entry("Trainer", "trainer")
GROUPED = Entry("Trainer, by length", "trainer", options={"train_sampling_strategy": "group_by_length"})
LIGHTNING = Entry("lightning.Trainer", "lightning")


@final
@dataclass(frozen=True)
class Scene:
    """Contenders on the same rows, and the ratios that are of interest."""

    name: str
    data: str
    batch_size: int
    chunk: int
    entries: tuple[Entry, ...]
    figures: tuple[tuple[Entry, Entry, float | None], ...]


EVERYBODY = (HONE, BUCKETS, SAME, PLAIN, TRAINER, GROUPED, LIGHTNING)
SCENES = (
    Scene(
        "tweets, batch 16", "tweets", 16, 8, EVERYBODY,
        ((HONE, TRAINER, 2.4), (BUCKETS, TRAINER, 3.3), (BUCKETS, GROUPED, 1.6), (SAME, PLAIN, 0.98)),
    ),
    Scene(
        "tweets, batch 64", "tweets", 64, 3, EVERYBODY,
        ((HONE, TRAINER, 3.8), (BUCKETS, TRAINER, 5.0), (BUCKETS, GROUPED, 2.5), (SAME, PLAIN, 0.98)),
    ),
    Scene("10 to 400 tokens, batch 16", "long", 16, 3, (HONE, PLAIN, TRAINER), ((HONE, TRAINER, 3.5),)),
)  # fmt: skip
SHORT = (
    Scene(
        "tweets, batch 16", "tweets", 16, 6, (HONE, SAME, PLAIN, TRAINER), ((HONE, TRAINER, 1.3), (SAME, PLAIN, 0.85))
    ),
)
"""A guard against regressions, with bars far enough below what is usual that a noisy machine does not trip it."""


@final
class Contender:
    """A process that waits for its turn."""

    def __init__(self, entry: Entry, told: dict[str, Any]) -> None:
        words = [sys.executable, str(HERE / "contenders.py"), entry.kind]
        settings = json.dumps({**told, "words": entry.words, "options": entry.options})
        self.noise = tempfile.TemporaryFile("w+")  # noqa: SIM115 (a pipe that nobody reads would fill up)
        self.process = subprocess.Popen(
            [*words, settings], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.noise, text=True
        )
        self.entry = entry
        begun = time.perf_counter()
        self.peak = self._answer()["peak_mb"]
        self.startup = time.perf_counter() - begun
        self.speeds: list[float] = []

    def go(self, batch_size: int) -> None:
        self._say("go")
        told = self._answer()
        self.speeds.append(batch_size * told["steps"] / told["seconds"])
        self.peak = told["peak_mb"]

    def end(self) -> None:
        self._say("end")
        self.process.communicate()

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
        return json.loads(line)


def play(scene: Scene, told: dict[str, Any], turns: int) -> list[dict[str, Any]]:
    """Everybody starts up one after the other; the first turn warms up and does not count."""
    contenders = {entry.name: Contender(entry, told) for entry in scene.entries}
    for _ in range(turns + 1):
        for contender in contenders.values():
            contender.go(scene.batch_size)
    print(f"\n{scene.name}\n{'':20} samples/s   spread   first step   peak MB")
    for name, each in contenders.items():
        each.speeds.pop(0)
        middle = statistics.median(each.speeds)
        spread = (max(each.speeds) - min(each.speeds)) / middle
        print(f"{name:20} {middle:9.1f} {spread:8.0%} {each.startup:10.1f} s {each.peak:9.0f}", flush=True)
        each.end()
    return [_figure(scene, contenders[ours.name], contenders[theirs.name], bar) for ours, theirs, bar in scene.figures]


def _figure(scene: Scene, ours: Contender, theirs: Contender, bar: float | None) -> dict[str, Any]:
    ratio = statistics.median(ours.speeds) / statistics.median(theirs.speeds)
    turns = [mine / other for mine, other in zip(ours.speeds, theirs.speeds, strict=True)]
    name = f"{scene.name}: {ours.entry.name} / {theirs.entry.name}"
    return {
        "figure": name,
        "ratio": round(ratio, 3),
        "spread": [round(min(turns), 3), round(max(turns), 3)],
        "bar": bar,
    }


def main() -> None:
    told = arguments()
    with tempfile.TemporaryDirectory() as scratch:
        root = Path(scratch)
        tweets = Path(told.data).resolve() if told.data else rows.write_tweets(root / "tweets", 3000)
        data = {"tweets": tweets, "long": rows.write_long(root / "long", 1000)}
        checkpoint = (None if told.short else rows.minilm()) or rows.shaped_like_minilm(root / "checkpoint")
        print(f"checkpoint {checkpoint.parent.name}/{checkpoint.name}, {told.turns} turns")
        figures = []
        for scene in SHORT if told.short else SCENES:
            common = {"data": str(data[scene.data]), "checkpoint": str(checkpoint), "cache": str(root / "cache")}
            scale = {"batch_size": scene.batch_size, "chunk": scene.chunk, "scratch": str(root / "scratch")}
            figures += play(scene, common | scale, told.turns)
    print()
    for each in figures:
        print(f"{each['figure']:60} {each['ratio']:6.2f}   bar {each['bar']}")
    if told.output:
        Path(told.output).write_text(json.dumps(figures, indent=2) + "\n")
    sys.exit(told.short and any(each["ratio"] < each["bar"] for each in figures))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="a folder with train.jsonl and validation.jsonl")
    parser.add_argument("--short", action="store_true", help="one scene with guards, without the real checkpoint")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--output", help="a JSON file for the figures")
    return parser.parse_args()


if __name__ == "__main__":
    main()
