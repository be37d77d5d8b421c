"""Tests of two configurations over the same examples: would other examples have led to another result?

The confidence interval comes from a paired bootstrap: the examples are drawn again, with replacement. The p-value comes
from approximate randomisation: each example swaps the results of the two configurations with probability one half. All
seeds of both configurations see the same draw.

Examples that have the same results in every seed of both configurations are of one kind. Only the number of examples of
each kind is drawn, so ten thousand examples take little longer than a few.
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
"""With fewer swaps than this that are as large as the difference, their share is too coarse for a p-value."""
_NUMBERS_IN_MEMORY = 4_000_000
"""The limit for the draws that are computed together."""


@final
@dataclass(frozen=True)
class ExampleTest:
    """The difference of the mean scores, its 95 % interval, and the probability of one as large by chance alone."""

    examples: int
    difference: float
    low: float
    high: float
    p: float
    leads: float
    """The share of the bootstrap draws in which the first configuration is better."""


@final
class Pairing:
    """The kinds of examples: the number of examples of each, and what each adds to the sums of every seed, for both
    configurations."""

    def __init__(self, ours: Sequence[Measure], theirs: Sequence[Measure]) -> None:
        pairs = list(zip(ours, theirs, strict=True))
        codes = np.stack([measure.codes for pair in pairs for measure in pair], axis=1)
        # An example's kind is the row of its codes in all seeds of both sides.
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
        """Return the difference of the mean scores over the seeds, for each draw.

        A draw is the number of examples of each kind: `ours` of them keep their results, `theirs` swap them.
        """
        if theirs is None:
            return self._mean(ours @ self.ours) - self._mean(ours @ self.theirs)
        return self._mean(ours @ self.ours + theirs @ self.theirs) - self._mean(theirs @ self.ours + ours @ self.theirs)

    def _mean(self, sums: Array) -> Any:
        return np.asarray(self.score(sums)).mean(axis=0)


def compare_examples(
    ours: Sequence[Measure], theirs: Sequence[Measure], higher_is_better: bool, seed: int = 0, draws: int = DRAWS
) -> ExampleTest:
    """Test the difference of two configurations. Each has one measure per seed, and the measures at the same place make
    a pair. All of them are of the same examples in the same order."""
    pairing = Pairing(ours, theirs)
    rng = np.random.default_rng(seed)
    difference = float(pairing.difference(pairing.counts[None].astype(np.float64))[0])
    resampled = np.concatenate([pairing.difference(counts) for counts in _draw_bootstrap(pairing, draws, rng)])
    swapped = np.concatenate([pairing.difference(kept, gone) for kept, gone in _draw_swaps(pairing, draws, rng)])
    low, high = np.quantile(resampled, [0.025, 0.975])
    leads = (resampled > 0).mean() if higher_is_better else (resampled < 0).mean()
    p = _p_value(difference, swapped)
    return ExampleTest(pairing.examples, difference, float(low), float(high), p, float(leads))


def _p_value(difference: float, swapped: Array) -> float:
    """Return the share of swaps with a difference as large. If there are hardly any, return the share under the normal
    curve that fits the swaps."""
    count = int((np.abs(swapped) >= abs(difference) - 1e-12).sum())
    if count >= _FEW:
        return (1 + count) / (1 + len(swapped))
    spread = float(np.sqrt(np.mean(swapped**2)))
    return min(math.erfc(abs(difference) / spread / math.sqrt(2)), (1 + _FEW) / (1 + len(swapped)))


def _draw_bootstrap(pairing: Pairing, draws: int, rng: np.random.Generator) -> Iterator[Array]:
    """Draw the number of examples of each kind, all of the draws in portions."""
    for size in _portion_sizes(pairing, draws):
        if 3 * len(pairing.counts) < pairing.examples:
            yield rng.multinomial(pairing.examples, pairing.counts / pairing.examples, size=size).astype(np.float64)
        else:
            yield _count_draws(pairing, rng, size)


def _count_draws(pairing: Pairing, rng: np.random.Generator, size: int) -> Array:
    """Draw single examples and count them by kind: the same distribution, quicker if few examples are of one kind."""
    kinds = len(pairing.counts)
    kind_of = np.repeat(np.arange(kinds), pairing.counts)
    drawn = kind_of[rng.integers(len(kind_of), size=(size, len(kind_of)))]
    drawn += kinds * np.arange(size)[:, None]  # every draw counts in a range of its own, so that one bincount will do
    return np.bincount(drawn.ravel(), minlength=size * kinds).reshape(size, kinds).astype(np.float64)


def _draw_swaps(pairing: Pairing, draws: int, rng: np.random.Generator) -> Iterator[tuple[Array, Array]]:
    """Draw how many examples of each kind keep their results and how many swap them."""
    for size in _portion_sizes(pairing, draws):
        kept = rng.binomial(pairing.counts, 0.5, size=(size, len(pairing.counts))).astype(np.float64)
        yield kept, pairing.counts - kept


def _portion_sizes(pairing: Pairing, draws: int) -> Iterator[int]:
    limit = max(1, _NUMBERS_IN_MEMORY // pairing.examples)
    for start in range(0, draws, limit):
        yield min(limit, draws - start)
