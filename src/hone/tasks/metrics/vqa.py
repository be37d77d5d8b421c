"""Answers to questions about pictures, scored as the VQA challenge does: by how many of ten people gave the same.

An answer that three people gave is right, and one that two gave is right by two thirds. Each person is left out once,
and the score is the mean: 1 for an answer of four people or more, 0.9 of three, 0.6 of two and 0.3 of one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

from hone.core.metric import Columns, SumMetric

_ENOUGH = 3
"""How many people make an answer right."""
_NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DIGITS = {word: str(number) for number, word in enumerate(_NUMBERS)} | {"none": "0"}
_ARTICLES = {"a", "an", "the"}
_IN_NUMBERS = re.compile(r"(?<=\d),(?=\d)|\.(?!\d)")
"""The comma in 1,000 and full stops, unless a digit follows."""
_MARKS = re.compile(r"[;/\[\]\"{}()=+\\_\-><@`,?!]")


@lru_cache(maxsize=100_000)
def normalise_answer(text: str) -> str:
    """Return an answer in lower case, with numbers up to ten as digits, without articles and punctuation."""
    words = _MARKS.sub(" ", _IN_NUMBERS.sub("", text.lower())).split()
    return " ".join(_DIGITS.get(word, word) for word in words if word not in _ARTICLES)


def score_answers(answers: Sequence[str]) -> dict[str, float]:
    """Return the score of each different answer that people gave. Of up to three, it is their share."""
    total = len(answers)
    return {answer: _score(count, total) for answer, count in Counter(answers).items()}


def vqa_accuracy() -> SumMetric:
    """Return the metric for the mean score of records with a `prediction` and what people gave as `answers`."""
    return SumMetric(_scores)


def _score(count: int, total: int) -> float:
    """Return the mean score over the subsets that leave out one of all people."""
    if total <= _ENOUGH:
        return count / total
    with_all, with_one_less = (min(number / _ENOUGH, 1.0) for number in (count, count - 1))
    return ((total - count) * with_all + count * with_one_less) / total


def _scores(records: Columns) -> list[float]:
    pairs = zip(records["prediction"], records["answers"], strict=True)
    return [score_answers(answers).get(prediction, 0.0) for prediction, answers in pairs]
