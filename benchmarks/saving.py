"""Checkpoints: how much longer a step takes when every tenth step saves weights, optimizer and all."""

from __future__ import annotations

from report import Figure
from speed import HONE, TRAINER
from turns import Entry, Result, Scene, Setup, play

EVERY = 10
HONE_SAVING = Entry("hone, saving", "contenders.hone", (f"save_every={EVERY}",))
TRAINER_SAVING = Entry(
    "Trainer, saving", "contenders.trainer",
    options={"save_strategy": "steps", "save_steps": EVERY, "save_total_limit": 2},  # two, as hone keeps
)  # fmt: skip


def measure(setup: Setup) -> list[Figure]:
    """Compare with and without saving. A turn of 20 steps has two checkpoints, wherever it begins."""
    pairs = ((HONE, HONE_SAVING), (TRAINER, TRAINER_SAVING))
    entries = tuple(entry for pair in pairs for entry in pair)
    results = play(Scene("saving every 10 steps, tweets, batch 16", "tweets", 16, 2 * EVERY, entries, ()), setup)
    return [_cost(without.name, results[without.name], results[saving.name]) for without, saving in pairs]


def _cost(name: str, without: Result, saving: Result) -> Figure:
    """Return the ratio of the times of a step, which are the inverse of the speeds."""
    seconds = EVERY * 16 * (1 / saving.speed - 1 / without.speed)
    print(f"{name:24} {seconds:9.2f} s a checkpoint", flush=True)
    figure = f"saving every {EVERY} steps, batch 16, time of a step, lower is better: {name} with / without"
    return Figure.compare(figure, without.speeds, saving.speeds, lower=True)
