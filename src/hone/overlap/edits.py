"""Edit distances between lists of words, and which word goes with which."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final


@final
class Distance:
    """How many insertions, deletions and replacements lead from a list of words to this one.

    A whole row of the table is computed at once: the differences between neighbours are the bits of two integers.
    """

    def __init__(self, words: Sequence[str]) -> None:
        self.size = len(words)
        self.places: dict[str, int] = {}
        for place, word in enumerate(words):
            self.places[word] = self.places.get(word, 0) | 1 << place

    def __call__(self, words: Sequence[str]) -> int:
        if not self.size:
            return len(words)
        every, last, find = (1 << self.size) - 1, self.size - 1, self.places.get
        up, down, distance = every, 0, self.size
        for word in words:
            equal = find(word, 0)
            across = (((equal & up) + up) ^ up) | equal
            right, left = down | (every & ~(across | up)), up & across
            distance += (right >> last & 1) - (left >> last & 1)
            right, left, equal = right << 1 | 1, left << 1, equal | down
            up, down = (left | ~(equal | right)) & every, right & equal & every
        return distance


@final
@dataclass(frozen=True)
class Alignment:
    """For each of their words the place of ours that it goes with, and which words of either are wrong."""

    place: list[int]
    ours_wrong: list[bool]
    theirs_wrong: list[bool]


def align(ours: Sequence[str], theirs: Sequence[str]) -> Alignment:
    """The cheapest alignment; of several, the one with words in pairs before words left alone, seen from the end."""
    table = _table(ours, theirs)
    at, there = len(ours), len(theirs)
    place, ours_wrong, theirs_wrong = [0] * there, [True] * at, [True] * there
    while at > 0 or there > 0:
        here, same = table[at][there], at > 0 and there > 0 and ours[at - 1] == theirs[there - 1]
        if at > 0 and there > 0 and table[at - 1][there - 1] + (not same) == here:
            at, there = at - 1, there - 1
            place[there], ours_wrong[at], theirs_wrong[there] = at, not same, not same
        elif at > 0 and table[at - 1][there] + 1 == here:
            at -= 1
        else:
            there -= 1
            place[there] = at - 1
    return Alignment(place, ours_wrong, theirs_wrong)


def _table(ours: Sequence[str], theirs: Sequence[str]) -> list[list[int]]:
    """The distances between all beginnings of both."""
    rows = [list(range(len(theirs) + 1))]
    for word in ours:
        above = rows[-1]
        left = above[0] + 1
        row = [left]
        for there, other in enumerate(theirs):
            left = above[there] if word == other else 1 + min(above[there], above[there + 1], left)
            row.append(left)
        rows.append(row)
    return rows
