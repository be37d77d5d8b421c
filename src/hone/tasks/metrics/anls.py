"""Answers read from pages, scored by the rules of DocVQA: letters that were read wrongly cost little.

The average normalised Levenshtein similarity (ANLS) of an answer is 1 minus the number of edits by the length of the
longer text, and 0 where that is below a half. The best of several true answers counts. Case and the width of spaces do
not count. Metrics read the columns `prediction` and `answers`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from hone.core.metric import Array, Columns, SumMetric

_LEAST = 0.5
"""The similarity below which an answer is wrong, not misread."""


def page_answer_metrics() -> dict[str, SumMetric]:
    return {"anls": SumMetric(partial(_score, rate=anls)), "exact_match": SumMetric(partial(_score, rate=is_exact))}


def anls(prediction: str, references: Sequence[str]) -> float:
    """Return how similar a text is to the most similar true answer, 0 where it is none of them."""
    best = max((_similarity(_plain(prediction), _plain(reference)) for reference in references), default=0.0)
    return best if best >= _LEAST else 0.0


def is_exact(prediction: str, references: Sequence[str]) -> float:
    """Return 1 if a text is one of the true answers, else 0."""
    return float(_plain(prediction) in map(_plain, references))


def _score(records: Columns, rate: Callable[[str, Sequence[str]], float]) -> Array:
    pairs = zip(records["prediction"], records["answers"], strict=True)
    return np.array([rate(*pair) for pair in pairs], dtype=np.float64)


def _similarity(one: str, other: str) -> float:
    longer = max(len(one), len(other))
    return 1 - _count_edits(one, other) / longer if longer else 1.0


def _count_edits(one: str, other: str) -> int:
    """Return the fewest letters to insert, leave out or replace."""
    costs = list(range(len(other) + 1))
    for row, letter in enumerate(one, start=1):
        diagonal, costs[0] = costs[0], row
        for column, wanted in enumerate(other, start=1):
            replaced = diagonal + (letter != wanted)
            diagonal = costs[column]
            costs[column] = min(replaced, diagonal + 1, costs[column - 1] + 1)
    return costs[-1]


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
