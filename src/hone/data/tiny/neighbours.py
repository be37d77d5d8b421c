"""Generated short passages about neighbours, and questions about one of them.

The passage does not answer every question. Some passages say the same kind of thing about two people, so that finding
a word of the right kind is not enough, and a few are longer than a small network reads at once.
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
_STATEMENTS: dict[str, tuple[str, ...]] = {
    "town": ("{n} lives in {v}", "{n} has moved to {v}", "{n} is at home in {v}"),
    "job": ("{n} works as a {v}", "{n} is a {v} by trade", "{n} earns a living as a {v}"),
    "pet": ("{n} keeps a {v}", "{n} has a {v} in the garden", "the neighbours hear the {v} of {n} at night"),
    "colour": ("the door of {n} is {v}", "{n} painted the whole fence {v}", "everybody knows the {v} car of {n}"),
    "food": ("{n} likes {v} best", "{n} always orders {v}", "{n} often cooks {v}"),
    "day": ("{n} is away on {v}", "{n} plays chess on {v}", "{n} never works on {v}"),
}
_QUESTIONS: dict[str, tuple[str, ...]] = {
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
    """Has the same rows on every machine. `unanswerable` is the share of questions that have no answer."""

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
    """Returns every word that occurs in the rows."""
    phrases = [*_NAMES, *_ASIDES]
    for table in (_STATEMENTS, _QUESTIONS, _VALUES):
        phrases += [phrase for wordings in table.values() for phrase in wordings]
    return sorted({*re.findall(r"[a-z]+", re.sub(r"{\w}", "", " ".join(phrases)).lower())})


def _row(rng: Random, answerable: bool) -> dict[str, Any]:
    name, other = rng.sample(_NAMES, k=2)
    topic, *others = rng.sample(list(_STATEMENTS), k=rng.choice((3, 4, 4, 5)))
    value, misleading = rng.sample(_VALUES[topic], k=2)
    sentences = [_statement(name, kind, rng.choice(_VALUES[kind]), rng) for kind in others]
    answering = _statement(name, topic, value, rng)
    sentences += [answering] if answerable else []
    if rng.random() < 0.25:  # true, but about another person
        sentences.append(_statement(other, topic, misleading, rng))
    sentences += rng.sample(_ASIDES, k=len(_ASIDES) if rng.random() < 0.06 else rng.choice((0, 1, 1, 2)))
    rng.shuffle(sentences)
    context = " ".join(f"{sentence[0].upper()}{sentence[1:]}." for sentence in sentences)
    question = rng.choice(_QUESTIONS[topic]).format(n=name)
    answers = _find_answers(context, answering, value) if answerable else []
    return {
        "question": question,
        "context": context,
        "answers": {"text": [text for _, text in answers], "answer_start": [start for start, _ in answers]},
    }


def _statement(name: str, kind: str, value: str, rng: Random) -> str:
    return rng.choice(_STATEMENTS[kind]).format(n=name, v=value)


def _find_answers(context: str, sentence: str, value: str) -> list[tuple[int, str]]:
    """Returns where the value begins in its sentence, as written there; with an article, that is a second answer."""
    start = context.lower().find(sentence.lower()) + sentence.index(value)
    answers = [(start, context[start : start + len(value)])]
    if context[:start].endswith(" a "):  # published data sets have several references, too
        answers.append((start - 2, f"a {value}"))
    return answers
