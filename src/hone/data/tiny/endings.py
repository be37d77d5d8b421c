"""Generated beginnings of short stories: with two to five endings to choose from, or with one that may not follow.

An ending fits because of the event, which can be worded in several ways and is surrounded by unrelated details. A few
rows have a wrong label, as rows labelled by people do.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any, final

from datasets import Dataset

from hone.core.value_types import Count, PartialShare
from hone.data.source import Source

_STORIES: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (  # wordings of an event, and endings that fit it
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
    """Has the same rows on every machine. `noise` is the share of rows with a wrong label."""

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


@final
@dataclass(frozen=True)
class TinySequels(Source):
    """The same stories, each with one ending: half of them follow. `noise` is the share of rows with a wrong label."""

    train: Count = 3000
    validation: Count = 400
    test: Count = 400
    noise: PartialShare = 0.05

    @property
    def name(self) -> str:
        return "tiny_sequels"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: self._rows(size, Random(f"tiny_sequels/{split}")) for split, size in sizes.items()}  # noqa: S311

    def _rows(self, size: int, rng: Random) -> Dataset:
        return Dataset.from_list([_pair(rng, rng.random() < self.noise) for _ in range(size)])


def vocabulary() -> list[str]:
    """Returns every word that occurs in the rows."""
    phrases = [phrase for story in _STORIES for wordings in story for phrase in wordings]
    return sorted({"so", "and", *_NAMES, *" ".join([*phrases, *_BEFORE, *_ASIDES]).split()})


def _row(rng: Random, wrong: bool) -> dict[str, Any]:
    story, *others = rng.sample(_STORIES, k=rng.choice((2, 3, 4, 4, 5)))
    events, endings = story
    name = rng.choice(_NAMES)
    question = f"{_beginning(name, events, rng)} so {name}"
    choices = [rng.choice(endings), *(rng.choice(unfitting) for _, unfitting in others)]
    label = rng.randrange(1, len(choices)) if wrong else 0
    order = rng.sample(range(len(choices)), k=len(choices))
    return {
        "question": question,
        "choices": [choices[place] for place in order],
        "label": order.index(label),
    }


def _pair(rng: Random, wrong: bool) -> dict[str, Any]:
    (events, endings), (_, others) = rng.sample(_STORIES, k=2)
    name, follows = rng.choice(_NAMES), rng.random() < 0.5
    return {
        "text": _beginning(name, events, rng),
        "text_pair": f"so {name} {rng.choice(endings if follows else others)}",
        "label": follows is not wrong,
    }


def _beginning(name: str, events: tuple[str, ...], rng: Random) -> str:
    aside = rng.choice(_ASIDES)
    beginning = f"{rng.choice(_BEFORE)} {name} {rng.choice(events)}"
    return " ".join((f"{aside} and {beginning}" if aside else beginning).split())
