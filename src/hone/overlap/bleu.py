"""BLEU of a whole split, from 0 to 100, as sacreBLEU computes it: four orders, a zero count halved again and again."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from hone.overlap.ngrams import ngrams, shared
from hone.types import BleuTokens

_ORDERS = 4
_ENTITIES = {"&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}
_APART = (
    (re.compile(r"([!-&(-+/:-@\[-`{-~])"), r" \1 "),  # ASCII marks but the apostrophe, comma, dash and full stop
    (re.compile(r"([^0-9])([.,])"), r"\1 \2 "),
    (re.compile(r"([.,])([^0-9])"), r" \1 \2"),
    (re.compile(r"([0-9])(-)"), r"\1 \2 "),
)


def bleu(written: Sequence[str], wanted: Sequence[str], tokens: BleuTokens = "13a") -> float:
    """The score of texts against a reference each."""
    counts = [pair_counts(ours, theirs, tokens) for ours, theirs in zip(written, wanted, strict=True)]
    return of_counts([sum(column) for column in zip(*counts, strict=True)] or [0] * (2 * _ORDERS + 2))


def pair_counts(written: str, wanted: str, tokens: BleuTokens) -> list[int]:
    """What one text adds: its runs that are right, all its runs, by their length; its tokens and the reference's."""
    ours, theirs = (_CUTS[tokens](text.rstrip()) for text in (written, wanted))
    right, total = [0] * _ORDERS, [0] * _ORDERS
    for order in range(_ORDERS):
        found = ngrams(ours, order + 1)
        right[order] = shared(found, ngrams(theirs, order + 1))
        total[order] = sum(found.values())
    return [*right, *total, len(ours), len(theirs)]


def of_counts(counts: Sequence[float]) -> float:
    """The score of what texts add up to."""
    right, total, (ours, theirs) = counts[:_ORDERS], counts[_ORDERS:-2], counts[-2:]
    return 100 * _brevity(ours, theirs) * _precision(right, total)


def _precision(right: Sequence[float], total: Sequence[float]) -> float:
    """The geometric mean over the orders."""
    if not any(right) or not all(total):
        return 0.0
    halved, logarithms = 1.0, 0.0
    for hits, runs in zip(right, total, strict=True):
        if hits == 0:
            halved /= 2
        logarithms += math.log((hits or halved) / runs)
    return math.exp(logarithms / _ORDERS)


def _brevity(ours: float, theirs: float) -> float:
    """What is said too briefly costs."""
    if ours >= theirs:
        return 1.0
    return math.exp(1 - theirs / ours) if ours else 0.0


def _as_mteval(text: str) -> list[str]:
    """The words and marks of mteval-v13a, which WMT uses."""
    text = text.replace("<skipped>", "").replace("-\n", "").replace("\n", " ")
    for entity, character in _ENTITIES.items():
        text = text.replace(entity, character)
    text = f" {text} "
    for pattern, parts in _APART:
        text = pattern.sub(parts, text)
    return text.split()


def _as_characters(text: str) -> list[str]:
    return list("".join(text.split()))


_CUTS: dict[BleuTokens, Callable[[str], list[str]]] = {"13a": _as_mteval, "char": _as_characters, "none": str.split}
