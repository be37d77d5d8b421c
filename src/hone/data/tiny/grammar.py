"""Sentences of a small grammar, made in code: verbs agree with subjects across other nouns, and like what they go with.

A model that has learned it still hesitates where the grammar does: among nouns, adjectives and places, which nothing
tells. How long a text goes on nothing tells either.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import final

from datasets import Dataset

from hone.core.value_types import Count
from hone.data.source import Source

_EATS = {
    "dog": "a bone",
    "cat": "some fish",
    "horse": "fresh hay",
    "bird": "a worm",
    "child": "warm bread",
    "bear": "honey",
}
_PLURAL = {"child": "children"}
_ADJECTIVES = ("small", "large", "old", "young", "hungry", "clever", "lazy", "brave")
_PLACES = ("near the river", "behind the barn", "in the garden", "on the hill", "under the bridge")
_ALONE = ("sleeps", "runs away", "waits", "looks around")
_TOWARDS = ("sees", "follows", "knows", "fears")
_TIMES = ("today", "every morning", "at night")
_NOISE = 0.03
"""The share of sentences whose verb agrees with nothing."""


@final
@dataclass(frozen=True)
class TinyGrammar(Source):
    """The same rows on every machine; the splits come from random streams of their own."""

    train: Count = 3000
    validation: Count = 300
    test: Count = 300

    @property
    def name(self) -> str:
        return "tiny_grammar"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: _rows(size, Random(f"tiny_grammar/{split}")) for split, size in sizes.items()}  # noqa: S311


def vocabulary() -> list[str]:
    """Every word the rows are made of."""
    verbs = " ".join([*_ALONE, *_TOWARDS, "eats"]).split()
    nouns = [*_EATS, *map(_many, _EATS)]
    phrases = " ".join([*_EATS.values(), *_PLACES, *_TIMES, *_ADJECTIVES, "a the and then ."]).split()
    return sorted({*verbs, *(_plainly(verb) for verb in verbs), *nouns, *phrases})


def _rows(size: int, rng: Random) -> Dataset:
    return Dataset.from_dict({"text": [_text(rng) for _ in range(size)]})


def _text(rng: Random) -> str:
    return " ".join(_sentence(rng) for _ in range(rng.choice((1, 1, 2, 2, 3, 4))))


def _sentence(rng: Random) -> str:
    noun, many = rng.choice(list(_EATS)), rng.random() < 0.5
    parts = [_subject(noun, many, rng)]
    if rng.random() < 0.5:
        parts.append(rng.choice(_PLACES))
    singular = many if rng.random() < _NOISE else not many
    verb, behind = _deed(noun, rng)
    parts += [verb if singular else " ".join([_plainly(verb.split()[0]), *verb.split()[1:]]), *behind]
    if rng.random() < 0.3:
        parts.append(rng.choice(_TIMES))
    return " ".join([*parts, "."])


def _subject(noun: str, many: bool, rng: Random) -> str:
    adjectives = rng.sample(_ADJECTIVES, rng.choice((0, 1, 1, 2)))
    return " ".join(["the", *adjectives, _many(noun) if many else noun])


def _deed(noun: str, rng: Random) -> tuple[str, list[str]]:
    kind = rng.random()
    if kind < 0.4:
        return "eats", [_EATS[noun]]
    if kind < 0.7:
        return rng.choice(_ALONE), []
    return rng.choice(_TOWARDS), [_subject(rng.choice(list(_EATS)), rng.random() < 0.5, rng)]


def _many(noun: str) -> str:
    return _PLURAL.get(noun, f"{noun}s")


def _plainly(verb: str) -> str:
    """The verb as many do it."""
    return verb.removesuffix("s")
