"""Two configurations over the same examples: would other examples have told another story?

The examples are drawn anew (paired bootstrap), or each exchanges what the two made of it at the toss of a coin
(approximate randomisation). All seeds of both see the same draw. Examples that every seed of both treated alike are
counted together, and what is drawn is how many of each kind there are: ten thousand cost little more than a few.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from hone.core.contributions import Measure
from hone.core.metric import Array

DRAWS = 2000
_FEW = 10
_AT_ONCE = 4_000_000
"""Numbers that a draw may hold in memory."""


@final
@dataclass(frozen=True)
class ExampleTest:
    """The difference, where 95 of 100 bootstrap draws have it, and how often chance alone makes one as large."""

    examples: int
    difference: float
    low: float
    high: float
    p: float
    leads: float
    """The share of the bootstrap draws in which ours is better."""


@final
class Pairing:
    """Kinds of examples, how many there are of each, and what each adds to every seed's sums on both sides."""

    def __init__(self, ours: Sequence[Measure], theirs: Sequence[Measure]) -> None:
        pairs = list(zip(ours, theirs, strict=True))
        codes = np.stack([measure.codes for pair in pairs for measure in pair], axis=1)
        kinds, self.counts = np.unique(codes.reshape(len(codes), -1), axis=0, return_counts=True)
        kinds = kinds.reshape(len(kinds), len(pairs), 2, codes.shape[-1])
        self.score = pairs[0][0].score
        expand = pairs[0][0].expand
        width = expand(kinds[:1, 0, 0]).shape[-1]
        self.ours, self.theirs = (
            np.stack([expand(kinds[:, pair, side]) for pair in range(len(pairs))]).reshape(len(pairs), -1, width)
            for side in (0, 1)
        )

    @property
    def examples(self) -> int:
        return int(self.counts.sum())

    def difference(self, ours: Array, theirs: Array | None = None) -> Any:
        """Of the mean scores over the seeds, for each draw; `theirs` of the weights go to the other side's results."""
        if theirs is None:
            return self._mean(ours @ self.ours) - self._mean(ours @ self.theirs)
        return self._mean(ours @ self.ours + theirs @ self.theirs) - self._mean(theirs @ self.ours + ours @ self.theirs)

    def _mean(self, sums: Array) -> Any:
        return np.asarray(self.score(sums)).mean(axis=0)


def compare_examples(
    ours: Sequence[Measure], theirs: Sequence[Measure], higher_is_better: bool, seed: int = 0, draws: int = DRAWS
) -> ExampleTest:
    """The measures are one a seed, paired by place; their records are the same examples in the same order."""
    pairing = Pairing(ours, theirs)
    rng = np.random.default_rng(seed)
    difference = float(pairing.difference(pairing.counts[None].astype(np.float64))[0])
    again = np.concatenate([pairing.difference(weights) for weights in _draw_bootstrap(pairing, draws, rng)])
    swapped = np.concatenate([pairing.difference(kept, gone) for kept, gone in _draw_exchanges(pairing, draws, rng)])
    low, high = np.quantile(again, [0.025, 0.975])
    leads = (again > 0).mean() if higher_is_better else (again < 0).mean()
    p = _chance(difference, swapped)
    return ExampleTest(pairing.examples, difference, float(low), float(high), p, float(leads))


def _chance(difference: float, swapped: Array) -> float:
    """The share of exchanges as large; where hardly any is, that of the normal curve on which they lie."""
    count = int((np.abs(swapped) >= abs(difference) - 1e-12).sum())
    if count >= _FEW:
        return (1 + count) / (1 + len(swapped))
    spread = float(np.sqrt(np.mean(swapped**2)))
    return min(math.erfc(abs(difference) / spread / math.sqrt(2)), (1 + _FEW) / (1 + len(swapped)))


def _draw_bootstrap(pairing: Pairing, draws: int, rng: np.random.Generator) -> Iterator[Array]:
    for size in _portion_sizes(pairing, draws):
        if 3 * len(pairing.counts) < pairing.examples:
            yield rng.multinomial(pairing.examples, pairing.counts / pairing.examples, size=size).astype(np.float64)
        else:
            yield _count_draws(pairing, rng, size)


def _count_draws(pairing: Pairing, rng: np.random.Generator, size: int) -> Array:
    """The same distribution, quicker where few examples are alike."""
    kinds = len(pairing.counts)
    owner = np.repeat(np.arange(kinds), pairing.counts)
    drawn = owner[rng.integers(len(owner), size=(size, len(owner)))] + kinds * np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * kinds).reshape(size, kinds).astype(np.float64)


def _draw_exchanges(pairing: Pairing, draws: int, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    for size in _portion_sizes(pairing, draws):
        kept = rng.binomial(pairing.counts, 0.5, size=(size, len(pairing.counts))).astype(np.float64)
        yield kept, pairing.counts - kept


def _portion_sizes(pairing: Pairing, draws: int) -> Iterator[int]:
    most = max(1, _AT_ONCE // pairing.examples)
    for start in range(0, draws, most):
        yield min(most, draws - start)
