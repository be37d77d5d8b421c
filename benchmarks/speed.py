"""Training: hone against a plain loop, `transformers.Trainer` and `lightning.Trainer`; speed and peak memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import limit
from report import Figure
from rows import count_rows
from turns import Entry, Result, Scene, Setup, compare, play

FP32 = "precision=32-true"
POOLED = ("batch=buckets", "batch.pool=50")
HONE = Entry("hone", "contenders.hone")
BUCKETS = Entry("hone, buckets", "contenders.hone", POOLED)
BUCKETS_FP32 = Entry("hone, buckets fp32", "contenders.hone", (*POOLED, FP32))
LOOP = Entry("hone, loop alone", "contenders.hone", ("batch.pack=false", "batch.split=false", FP32))
PLAIN = Entry("plain loop", "contenders.plain")
TRAINER = Entry("Trainer", "contenders.trainer")
GROUPED = Entry("Trainer, by length", "contenders.trainer", options={"train_sampling_strategy": "group_by_length"})
LIGHTNING = Entry("lightning.Trainer", "contenders.lightning")

MEMORY_BAR = 0.9
GUARD_TURNS = 15
GUARD_SHARE = 0.65
"""The share of the padding that must be saved in fp32; 0.70 to 0.78 were measured."""


def short(setup: Setup) -> list[Figure]:
    """Guard against regressions. Many short turns, as the medians of three vary by a third on a busy machine.

    The bar of 1.5 is for processors that compute in bf16. Others can gain no more than the padding that is left out."""
    entries = (HONE, LOOP, PLAIN, TRAINER)
    share = GUARD_SHARE * limit.padding(setup.checkpoint, setup.data["tweets"], 16)
    bar = 1.5 if limit.own_precision() == "bf16" else share
    scene = Scene(
        "tweets, batch 16", "tweets", 16, 5, entries, ((HONE, TRAINER, bar), (LOOP, PLAIN, 0.85))
    )  # fmt: skip
    return compare(scene, play(scene, replace(setup, turns=max(setup.turns, GUARD_TURNS))))


def batch_16(setup: Setup) -> list[Figure]:
    return _tweets(setup, batch_size=16, steps=12, bucketed=48, bars=(2.4, 3.3, 2.4, 1.6))


def batch_64(setup: Setup) -> list[Figure]:
    return _tweets(setup, batch_size=64, steps=5, bucketed=24, bars=(3.8, 5.0, 3.0, 2.5))


def long_tailed(setup: Setup) -> list[Figure]:
    scene = Scene("10 to 400 tokens, batch 16", "long", 16, 5, (HONE, PLAIN, TRAINER), ((HONE, TRAINER, 3.5),))
    results = play(scene, setup)
    kinds = [(HONE, limit.own_precision()), (PLAIN, "fp32"), (TRAINER, "fp32")]
    return compare(scene, results) + _shares(scene, results, setup, kinds)


def _tweets(
    setup: Setup, batch_size: int, steps: int, bucketed: int, bars: tuple[float, float, float, float]
) -> list[Figure]:
    """Compare all contenders. Bucketed batches get turns of many steps, as their speed depends on their lengths."""
    # Grouped by length, the Trainer goes from the longest rows to the shortest, over and over: a turn is one cycle.
    cycle = max(1, min(count_rows(setup.data["tweets"]) // (4 * batch_size), 50))
    buckets, fp32 = replace(BUCKETS, steps=bucketed), replace(BUCKETS_FP32, steps=bucketed)
    grouped = replace(GROUPED, steps=cycle)
    scene = Scene(
        f"tweets, batch {batch_size}", "tweets", batch_size, steps,
        (HONE, buckets, fp32, LOOP, PLAIN, TRAINER, grouped, LIGHTNING),
        (
            (HONE, TRAINER, bars[0]), (buckets, TRAINER, bars[1]), (fp32, TRAINER, bars[2]),
            (buckets, grouped, bars[3]), (LOOP, PLAIN, 0.98),
        ),
    )  # fmt: skip
    results = play(scene, setup)
    own = limit.own_precision()
    kinds = [(HONE, own), (BUCKETS, own), (BUCKETS_FP32, "fp32"), (PLAIN, "fp32"), (TRAINER, "fp32")]
    return [*compare(scene, results), _memory(scene, results), *_shares(scene, results, setup, kinds)]


def _memory(scene: Scene, results: dict[str, Result]) -> Figure:
    """Compare one number per process: its peak memory."""
    name = f"{scene.name}, peak memory, lower is better: hone / Trainer"
    return Figure.compare(name, [results[HONE.name].peak], [results[TRAINER.name].peak], MEMORY_BAR, lower=True)


def _shares(scene: Scene, results: dict[str, Result], setup: Setup, kinds: Sequence[tuple[Entry, str]]) -> list[Figure]:
    work = limit.operations(setup.checkpoint, setup.data[scene.data])
    return [
        limit.share(f"{scene.name}, share of the machine's {kind} limit: {entry.name}", results[entry.name], work, kind)
        for entry, kind in kinds
    ]
