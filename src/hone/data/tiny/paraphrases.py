"""Generated pairs of sentences that say the same in different words.

A sentence says who did what, to which thing, and when. Each part can be worded in several ways, and the two sentences
of a pair choose independently, so that shared words say little. Some second sentences are vague, so that they could
belong to several first ones.
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
    """Has the same rows on every machine. Each split has a random stream of its own."""

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
    """Returns every word that occurs in the rows."""
    words = " ".join([*_WHO, *_DID, *_WHAT, *_WHEN, *_ORDERS, *_ASIDES]).replace("|", " ").split()
    return sorted({"somebody", "something", *(word for word in words if not word.startswith("{"))})


def _rows(size: int, rng: Random) -> Dataset:
    meanings = [[rng.choice(part) for part in (_WHO, _DID, _WHAT, _WHEN)] for _ in range(size)]
    pairs = [(_sentence(meaning, rng), _sentence(meaning, rng, vague=0.15)) for meaning in meanings]
    return Dataset.from_dict({"text": [text for text, _ in pairs], "text_pair": [pair for _, pair in pairs]})


def _sentence(meaning: list[str], rng: Random, vague: float = 0.0) -> str:
    """Returns a wording of a meaning; `vague` is the probability that it does not say who or what."""
    who, did, what, when = (rng.choice(wordings.split("|")) for wordings in meaning)
    if rng.random() < vague:
        who, what = rng.choice((("somebody", what), (who, "something")))
    return rng.choice(_ASIDES) + rng.choice(_ORDERS).format(who=who, did=did, what=what, when=when)
