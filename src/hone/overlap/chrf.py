"""chrF2 of a whole split, from 0 to 100: runs of one to six characters, recall counting twice as much as precision."""

from __future__ import annotations

from collections.abc import Sequence

from hone.overlap.ngrams import ngrams, shared

_ORDERS = 6
_BETA = 2


def chrf(written: Sequence[str], wanted: Sequence[str]) -> float:
    """The score of texts against a reference each; spaces do not count."""
    counts = [pair_counts(ours, theirs) for ours, theirs in zip(written, wanted, strict=True)]
    return of_counts([sum(column) for column in zip(*counts, strict=True)] or [0] * (3 * _ORDERS))


def pair_counts(written: str, wanted: str) -> list[int]:
    """What one text adds, by the length of the runs: those that are right, its own, the reference's."""
    hypothesis, reference = _solid(written), _solid(wanted)
    right, ours, theirs = [0] * _ORDERS, [0] * _ORDERS, [0] * _ORDERS
    for order in range(min(_ORDERS, len(reference))):
        runs = ngrams(hypothesis, order + 1)
        right[order] = shared(runs, ngrams(reference, order + 1))
        ours[order] = max(len(hypothesis) - order, 0)
        theirs[order] = len(reference) - order
    return [*right, *ours, *theirs]


def of_counts(counts: Sequence[float]) -> float:
    """The score of what texts add up to."""
    right, ours, theirs = (counts[start : start + _ORDERS] for start in range(0, 3 * _ORDERS, _ORDERS))
    orders = [order for order in range(_ORDERS) if ours[order] and theirs[order]]
    if not any(right):
        return 0.0
    precision = sum(right[order] / ours[order] for order in orders) / len(orders)
    recall = sum(right[order] / theirs[order] for order in orders) / len(orders)
    return 100 * (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall)


def _solid(text: str) -> str:
    return "".join(text.split())
