"""Short passages about neighbours and questions about one of them, made in code.

Some questions the passage does not answer; some passages tell the same of two people, so that finding a word of the
right kind is not enough; and a few passages are longer than a small network reads at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from random import Random
from typing import Any, final

from datasets import Dataset

from hone.core.value_types import Count, Share
from hone.data.source import Source

_NAMES = "Anna Bruno Clara David Elena Frank Greta Hugo Irene Jonas Karla Louis Maria Nils Olga Peter".split()  # noqa: SIM905
_TOLD: dict[str, tuple[str, ...]] = {
    "town": ("{n} lives in {v}", "{n} has moved to {v}", "{n} is at home in {v}"),
    "job": ("{n} works as a {v}", "{n} is a {v} by trade", "{n} earns a living as a {v}"),
    "pet": ("{n} keeps a {v}", "{n} has a {v} in the garden", "the neighbours hear the {v} of {n} at night"),
    "colour": ("the door of {n} is {v}", "{n} painted the whole fence {v}", "everybody knows the {v} car of {n}"),
    "food": ("{n} likes {v} best", "{n} always orders {v}", "{n} often cooks {v}"),
    "day": ("{n} is away on {v}", "{n} plays chess on {v}", "{n} never works on {v}"),
}
_ASKED: dict[str, tuple[str, ...]] = {
    "town": ("Where does {n} live?", "In which town is {n} at home?"),
    "job": ("What does {n} do for a living?", "What is the job of {n}?"),
    "pet": ("Which animal does {n} keep?", "What animal belongs to {n}?"),
    "colour": ("What colour does {n} like?", "Which colour did {n} choose?"),
    "food": ("What does {n} like to eat?", "Which food does {n} prefer?"),
    "day": ("On which day is {n} busy?", "When has {n} no time?"),
}
_VALUES: dict[str, tuple[str, ...]] = {
    "town": ("Lisbon", "New Haven", "Oslo", "Port Royal", "Vienna", "Green River", "Prague", "Cape Town"),
    "job": ("baker", "school teacher", "nurse", "taxi driver", "painter", "sailor", "night guard", "doctor"),
    "pet": ("dog", "grey parrot", "goat", "white rabbit", "donkey", "cat", "pony", "mountain goose"),
    "colour": ("red", "dark green", "yellow", "light blue", "purple", "orange", "black", "silver"),
    "food": ("onion soup", "apple pie", "pizza", "fried rice", "noodles", "potato salad", "pancakes", "fish"),
    "day": ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday", "New Year's Eve"),
}
_ASIDES = (
    "it has been raining all week", "the street is quiet these days", "there is a market behind the church",
    "nobody has seen the postman", "the bus was late again", "some windows are still open", "the summer was short",
    "a new shop opened at the corner", "the lights went out for an hour", "children were playing until late",
)  # fmt: skip


@final
@dataclass(frozen=True)
class TinyNeighbours(Source):
    """The same rows on every machine; `unanswerable` is the share of questions that have no answer."""

    train: Count = 4000
    validation: Count = 400
    test: Count = 400
    unanswerable: Share = 0.2

    @property
    def name(self) -> str:
        return "tiny_neighbours"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: self._rows(size, Random(f"tiny_neighbours/{split}")) for split, size in sizes.items()}  # noqa: S311

    def _rows(self, size: int, rng: Random) -> Dataset:
        return Dataset.from_list([_row(rng, rng.random() >= self.unanswerable) for _ in range(size)])


def vocabulary() -> list[str]:
    """Every word the rows are made of."""
    phrases = [*_NAMES, *_ASIDES]
    for each in (_TOLD, _ASKED, _VALUES):
        phrases += [phrase for kind in each.values() for phrase in kind]
    return sorted({*re.findall(r"[a-z]+", re.sub(r"{\w}", "", " ".join(phrases)).lower())})


def _row(rng: Random, answerable: bool) -> dict[str, Any]:
    who, other = rng.sample(_NAMES, k=2)
    asked, *kinds = rng.sample(list(_TOLD), k=rng.choice((3, 4, 4, 5)))
    value, misleading = rng.sample(_VALUES[asked], k=2)
    told = [_told(who, kind, rng.choice(_VALUES[kind]), rng) for kind in kinds]
    sentence = _told(who, asked, value, rng)
    told += [sentence] if answerable else []
    if rng.random() < 0.25:  # true, but of somebody else
        told.append(_told(other, asked, misleading, rng))
    told += rng.sample(_ASIDES, k=len(_ASIDES) if rng.random() < 0.06 else rng.choice((0, 1, 1, 2)))
    rng.shuffle(told)
    context = " ".join(f"{each[0].upper()}{each[1:]}." for each in told)
    start = context.lower().find(sentence.lower()) + sentence.index(value) if answerable else -1
    found = [(start, context[start : start + len(value)])] if answerable else []
    if answerable and context[:start].endswith(" a "):  # the published data have several references, too
        found.append((start - 2, f"a {value}"))
    answers = {"text": [text for _, text in found], "answer_start": [place for place, _ in found]}
    return {"question": rng.choice(_ASKED[asked]).format(n=who), "context": context, "answers": answers}


def _told(who: str, kind: str, value: str, rng: Random) -> str:
    return rng.choice(_TOLD[kind]).format(n=who, v=value)
