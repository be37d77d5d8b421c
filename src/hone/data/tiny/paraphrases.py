"""Pairs of sentences that say the same in other words, made in code.

Who did what with which thing, and when: each of the four can be said in several ways, and the two sentences of a pair
choose for themselves, so that words in common tell little. Some second sentences leave something out, so that nobody
could be sure of their partner.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import final

from datasets import Dataset

from hone.core.value_types import Count
from hone.data.source import Source

_WHO = (
    "the doctor|the physician|our medic", "the teacher|the tutor|our schoolmaster", "the child|the kid|our youngster",
    "the cook|the chef|our baker", "the thief|the robber|our burglar", "the farmer|the peasant|our grower",
    "the captain|the skipper|our commander", "the lawyer|the attorney|our advocate",
)  # fmt: skip
_DID = (
    "bought|purchased|acquired", "repaired|fixed|mended", "hid|concealed|buried", "lost|misplaced|forgot",
    "sold|traded|auctioned", "cleaned|washed|scrubbed", "broke|smashed|destroyed", "praised|admired|applauded",
)  # fmt: skip
_WHAT = (
    "a car|an automobile|some vehicle", "a house|a home|some dwelling", "a coat|a jacket|some garment",
    "a boat|a ship|some vessel", "a stone|a rock|some pebble", "a picture|a painting|some portrait",
    "a gift|a present|some donation", "a knife|a dagger|some blade",
)  # fmt: skip
_WHEN = (
    "this morning|at dawn|before breakfast", "last night|after dark|at midnight", "in winter|when it snowed|in january",
    "in summer|when it was hot|in july", "long ago|in the past|years back", "just now|a minute ago|this instant",
)  # fmt: skip
_ORDERS = ("{who} {did} {what} {when}", "{when} {who} {did} {what}", "it was {when} that {who} {did} {what}")
_ASIDES = ("", "", "", "they say that ", "i heard that ", "you know that ", "as it seems ")


@final
@dataclass(frozen=True)
class TinyParaphrases(Source):
    """The same rows on every machine; the splits come from random streams of their own."""

    train: Count = 2000
    validation: Count = 300
    test: Count = 300

    @property
    def name(self) -> str:
        return "tiny_paraphrases"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: _rows(size, Random(f"tiny_paraphrases/{split}")) for split, size in sizes.items()}  # noqa: S311


def vocabulary() -> list[str]:
    """Every word the rows are made of."""
    said = " ".join([*_WHO, *_DID, *_WHAT, *_WHEN, *_ORDERS, *_ASIDES]).replace("|", " ").split()
    return sorted({"somebody", "something", *(word for word in said if not word.startswith("{"))})


def _rows(size: int, rng: Random) -> Dataset:
    meanings = [[rng.choice(ways) for ways in (_WHO, _DID, _WHAT, _WHEN)] for _ in range(size)]
    pairs = [(_said(meaning, rng), _said(meaning, rng, 0.15)) for meaning in meanings]
    return Dataset.from_dict({"text": [text for text, _ in pairs], "text_pair": [pair for _, pair in pairs]})


def _said(meaning: list[str], rng: Random, vague: float = 0.0) -> str:
    who, did, what, when = (rng.choice(ways.split("|")) for ways in meaning)
    if rng.random() < vague:
        who, what = rng.choice((("somebody", what), (who, "something")))
    return rng.choice(_ASIDES) + rng.choice(_ORDERS).format(who=who, did=did, what=what, when=when)
