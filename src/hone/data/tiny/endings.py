"""Beginnings of little stories with two to five endings to choose from, made in code.

An ending fits because of what happened, said in one of several ways, whatever else the beginning tells; a few rows
have their label wrong, as rows that people labelled do.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, final

from datasets import Dataset

from hone.core.value_types import Count, PartialShare
from hone.data.source import Source

_STORIES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("was terribly thirsty", "had eaten far too much salt"), ("drank a jug of water", "filled a glass at the tap")),
    (("could hardly stay awake", "yawned again and again"), ("went straight to bed", "lay down for a nap")),
    (("heard thunder outside", "saw dark clouds coming"), ("took an umbrella along", "brought the washing inside")),
    (("had lost the keys", "found the door locked"), ("called a locksmith", "climbed through a window")),
    (("won the first prize", "passed the exam"), ("threw a party", "told everybody the news")),
    (("saw smoke in the kitchen", "noticed a burning curtain"), ("called the fire brigade", "emptied a bucket on it")),
)
_NAMES = "anna bruno clara david elena frank greta hugo irene jonas karla louis".split()  # noqa: SIM905
_BEFORE = ("", "", "this morning", "last night", "on the way to work", "after the concert", "while the others slept")
_ASIDES = (
    "", "", "the radio was on", "the neighbours had visitors", "it was a public holiday", "the cat slept on the sofa",
    "there was nobody else around", "the clock in the hall had stopped",
)  # fmt: skip


@final
@dataclass(frozen=True)
class TinyEndings(Source):
    """The same rows on every machine; `noise` is the share of rows whose label is wrong."""

    train: Count = 3000
    validation: Count = 400
    test: Count = 400
    noise: PartialShare = 0.05

    @property
    def name(self) -> str:
        return "tiny_endings"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: self._rows(size, Random(f"tiny_endings/{split}")) for split, size in sizes.items()}  # noqa: S311

    def _rows(self, size: int, rng: Random) -> Dataset:
        return Dataset.from_list([_row(rng, rng.random() < self.noise) for _ in range(size)])


def vocabulary() -> list[str]:
    """Every word the rows are made of."""
    told = [phrase for story in _STORIES for phrases in story for phrase in phrases]
    return sorted({"so", "and", *_NAMES, *" ".join([*told, *_BEFORE, *_ASIDES]).split()})


def _row(rng: Random, wrong: bool) -> dict[str, Any]:
    story, *others = rng.sample(_STORIES, k=rng.choice((2, 3, 4, 4, 5)))
    happened, endings = story
    who, aside = rng.choice(_NAMES), rng.choice(_ASIDES)
    begins = f"{rng.choice(_BEFORE)} {who} {rng.choice(happened)}"
    question = f"{aside} and {begins} so {who}" if aside else f"{begins} so {who}"
    choices = [rng.choice(endings), *(rng.choice(theirs) for _, theirs in others)]
    right = rng.randrange(1, len(choices)) if wrong else 0
    order = rng.sample(range(len(choices)), k=len(choices))
    return {
        "question": " ".join(question.split()),
        "choices": [choices[place] for place in order],
        "label": order.index(right),
    }
