"""Generated sentences of a small grammar: verbs agree with their subjects, and each animal eats its own food.

Nouns may stand between a subject and its verb. Some choices are random even to a model that has learned the grammar:
nouns, adjectives, places, and how many sentences a text has.
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
_IRREGULAR = {"child": "children"}
_ADJECTIVES = ("small", "large", "old", "young", "hungry", "clever", "lazy", "brave")
_PLACES = ("near the river", "behind the barn", "in the garden", "on the hill", "under the bridge")
_INTRANSITIVE = ("sleeps", "runs away", "waits", "looks around")
_TRANSITIVE = ("sees", "follows", "knows", "fears")
_TIMES = ("today", "every morning", "at night")
_NOISE = 0.03
"""The share of sentences whose verb does not agree with its subject."""


@final
@dataclass(frozen=True)
class TinyGrammar(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

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
    """Returns every word that occurs in the rows."""
    verbs = " ".join([*_INTRANSITIVE, *_TRANSITIVE, "eats"]).split()
    nouns = [*_EATS, *map(_plural, _EATS)]
    phrases = " ".join([*_EATS.values(), *_PLACES, *_TIMES, *_ADJECTIVES, "a the and then ."]).split()
    return sorted({*verbs, *(_plural_verb(verb) for verb in verbs), *nouns, *phrases})


def _rows(size: int, rng: Random) -> Dataset:
    return Dataset.from_dict({"text": [_text(rng) for _ in range(size)]})


def _text(rng: Random) -> str:
    return " ".join(_sentence(rng) for _ in range(rng.choice((1, 1, 2, 2, 3, 4))))


def _sentence(rng: Random) -> str:
    noun, many = rng.choice(list(_EATS)), rng.random() < 0.5
    parts = [_noun_phrase(noun, many, rng)]
    if rng.random() < 0.5:
        parts.append(rng.choice(_PLACES))
    singular = many if rng.random() < _NOISE else not many
    verb, complement = _predicate(noun, rng)
    if not singular:
        first, *rest = verb.split()
        verb = " ".join([_plural_verb(first), *rest])
    parts += [verb, *complement]
    if rng.random() < 0.3:
        parts.append(rng.choice(_TIMES))
    return " ".join([*parts, "."])


def _noun_phrase(noun: str, many: bool, rng: Random) -> str:
    adjectives = rng.sample(_ADJECTIVES, rng.choice((0, 1, 1, 2)))
    return " ".join(["the", *adjectives, _plural(noun) if many else noun])


def _predicate(noun: str, rng: Random) -> tuple[str, list[str]]:
    """Returns a verb in the singular and its object, if it has one."""
    kind = rng.random()
    if kind < 0.4:
        return "eats", [_EATS[noun]]
    if kind < 0.7:
        return rng.choice(_INTRANSITIVE), []
    return rng.choice(_TRANSITIVE), [_noun_phrase(rng.choice(list(_EATS)), rng.random() < 0.5, rng)]


def _plural(noun: str) -> str:
    return _IRREGULAR.get(noun, f"{noun}s")


def _plural_verb(verb: str) -> str:
    """Returns the plural of a verb."""
    return verb.removesuffix("s")
