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
    cut = _CUTS[tokens]
    ours, theirs = [cut(text.rstrip()) for text in written], [cut(text.rstrip()) for text in wanted]
    right, total = [0] * _ORDERS, [0] * _ORDERS
    for hypothesis, reference in zip(ours, theirs, strict=True):
        for order in range(_ORDERS):
            found = ngrams(hypothesis, order + 1)
            right[order] += shared(found, ngrams(reference, order + 1))
            total[order] += sum(found.values())
    return 100 * _brevity(sum(map(len, ours)), sum(map(len, theirs))) * _precision(right, total)


def _precision(right: Sequence[int], total: Sequence[int]) -> float:
    """The geometric mean over the orders."""
    if not any(right) or not all(total):
        return 0.0
    halved, logarithms = 1.0, 0.0
    for hits, runs in zip(right, total, strict=True):
        if hits == 0:
            halved /= 2
        logarithms += math.log((hits or halved) / runs)
    return math.exp(logarithms / _ORDERS)


def _brevity(ours: int, theirs: int) -> float:
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
