"""chrF2 of a whole split, from 0 to 100: runs of one to six characters, recall counting twice as much as precision."""

from __future__ import annotations

from collections.abc import Sequence

from hone.overlap.ngrams import ngrams, shared

_ORDERS = 6
_BETA = 2


def chrf(written: Sequence[str], wanted: Sequence[str]) -> float:
    """The score of texts against a reference each; spaces do not count."""
    right, ours, theirs = [0] * _ORDERS, [0] * _ORDERS, [0] * _ORDERS
    for hypothesis, reference in zip(map(_solid, written), map(_solid, wanted), strict=True):
        for order in range(min(_ORDERS, len(reference))):
            runs = ngrams(hypothesis, order + 1)
            right[order] += shared(runs, ngrams(reference, order + 1))
            ours[order] += max(len(hypothesis) - order, 0)
            theirs[order] += len(reference) - order
    orders = [order for order in range(_ORDERS) if ours[order] and theirs[order]]
    if not any(right):
        return 0.0
    precision = sum(right[order] / ours[order] for order in orders) / len(orders)
    recall = sum(right[order] / theirs[order] for order in orders) / len(orders)
    return 100 * (1 + _BETA**2) * precision * recall / (_BETA**2 * precision + recall)


def _solid(text: str) -> str:
    return "".join(text.split())
