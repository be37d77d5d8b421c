"""ROUGE: the F1 of words (1), pairs of words (2), or the longest common subsequence (L, Lsum), as a mean over texts.

As the package `rouge_score` computes it without stemming: lower case, letters a to z and digits alone.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

from hone.core.metric import Columns, SumMetric

Words = list[str]
Rouge = Callable[[str, str], float]
_WORD = re.compile(r"[a-z0-9]+")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+")


def mean(rouge: Rouge) -> SumMetric:
    """The mean of one of the scores below, over texts with a reference each."""

    def scores(records: Columns) -> list[float]:
        return [rouge(ours, theirs) for ours, theirs in zip(records["prediction"], records["target"], strict=True)]

    return SumMetric(scores)


def rouge_1(written: str, wanted: str) -> float:
    return _of_runs(written, wanted, 1)


def rouge_2(written: str, wanted: str) -> float:
    return _of_runs(written, wanted, 2)


def rouge_l(written: str, wanted: str) -> float:
    """Of the text as one sequence."""
    ours, theirs = _words(written), _words(wanted)
    return _f1(_zeros(_rows(theirs, ours)[-1], len(ours)), len(ours), len(theirs))


def rouge_lsum(written: str, wanted: str) -> float:
    """Of each sentence with all those of the other text; a word counts no more often than it is there."""
    ours, theirs = ([_words(sentence) for sentence in sentences(text)] for text in (written, wanted))
    left, right = (Counter(word for sentence in text for word in sentence) for text in (ours, theirs))
    sizes, hits = (left.total(), right.total()), 0
    for sentence in theirs:
        for place in sorted({place for other in ours for place in _common(sentence, other)}):
            word = sentence[place]
            if left[word] > 0 and right[word] > 0:
                hits, left[word], right[word] = hits + 1, left[word] - 1, right[word] - 1
    return _f1(hits, *sizes)


def sentences(text: str) -> list[str]:
    """The lines of a text, or where it is but one, what full stops and the like end."""
    return [part for part in (text.split("\n") if "\n" in text else _SENTENCE_END.split(text)) if part]


def _words(text: str) -> Words:
    return _WORD.findall(text.lower())


def _of_runs(written: str, wanted: str, size: int) -> float:
    ours, theirs = (_runs(_words(text), size) for text in (written, wanted))
    return _f1((ours & theirs).total(), ours.total(), theirs.total())


def _runs(words: Words, size: int) -> Counter[tuple[str, ...]]:
    return Counter(zip(*(words[start:] for start in range(size)), strict=False))


def _f1(hits: int, ours: int, theirs: int) -> float:
    return 2 * hits / (ours + theirs) if hits else 0.0


def _rows(theirs: Words, ours: Words) -> list[int]:
    """For each beginning of `theirs` a row of bits: zero where the common subsequence grows with a word of `ours`."""
    places: dict[str, int] = {}
    for place, word in enumerate(ours):
        places[word] = places.get(word, 0) | 1 << place
    every = (1 << len(ours)) - 1
    rows = [every]
    for word in theirs:
        met = rows[-1] & places.get(word, 0)
        rows.append((rows[-1] + met | rows[-1] - met) & every)
    return rows


def _zeros(row: int, length: int) -> int:
    return (~row & (1 << length) - 1).bit_count()


def _common(theirs: Words, ours: Words) -> list[int]:
    """The places in `theirs` of a longest common subsequence; of several, the one a walk back finds first."""
    rows, at, there, places = _rows(theirs, ours), len(ours), len(theirs), []
    while at > 0 and there > 0:
        if ours[at - 1] == theirs[there - 1]:
            at, there = at - 1, there - 1
            places.append(there)
        elif _zeros(rows[there], at - 1) > _zeros(rows[there - 1], at):
            at -= 1
        else:
            there -= 1
    return places
