"""Generated English sentences and their translations into a made-up language with its own grammar.

That language puts the verb last and adjectives after their noun. Articles and adjectives agree with the noun's gender
and number, and verbs with the subject's number. A negated verb precedes its particle. Every sentence has exactly one
translation.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from random import Random
from typing import final

from datasets import Dataset

from hone.core.value_types import Count
from hone.data.source import Source

_NOUNS = {  # English noun: stem, whose last letter is the gender
    "dog": "karo", "cat": "miru", "bird": "pelo", "kid": "tinu", "king": "veno", "farmer": "sadu", "horse": "lomo",
    "goat": "grano", "house": "balu", "tree": "fodo",
}  # fmt: skip
_ADJECTIVES = {"big": "dom", "small": "pik", "old": "vet", "red": "rus", "happy": "gal", "slow": "len"}
_VERBS = {
    "see": "vid", "hear": "kut", "follow": "sek", "like": "lub", "find": "tor", "want": "zel",
}  # fmt: skip
_ADVERBS = {"today": "nune", "often": "mulfe", "never": "nokre"}


@final
@dataclass(frozen=True)
class TinyTranslation(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 6000
    validation: Count = 300
    test: Count = 300

    @property
    def name(self) -> str:
        return "tiny_translation"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: _rows(size, Random(f"tiny_translation/{split}")) for split, size in sizes.items()}  # noqa: S311


def vocabulary() -> list[str]:
    """Returns every word of both languages."""
    genders, numbers = "ou", (False, True)
    english = [*_NOUNS, *(f"{noun}s" for noun in _NOUNS), *_ADJECTIVES, *_VERBS, *(f"{verb}s" for verb in _VERBS)]
    english += [*_ADVERBS, "the", "a", "some", "do", "does", "not"]
    stems = (*_ADJECTIVES.values(), "l", "n")
    agreeing = [_inflect(stem, *form) for stem in stems for form in product(genders, numbers)]
    inflected = [stem + "s" * many for stem in _NOUNS.values() for many in numbers]
    inflected += [_verb(stem, many) for stem in _VERBS.values() for many in numbers]
    return sorted({*english, *agreeing, *inflected, *_ADVERBS.values(), "ne"})


def _rows(size: int, rng: Random) -> Dataset:
    pairs = [_sentence(rng) for _ in range(size)]
    return Dataset.from_dict({"source": [english for english, _ in pairs], "target": [other for _, other in pairs]})


def _sentence(rng: Random) -> tuple[str, str]:
    many = rng.random() < 0.5
    subject, other_subject = _noun_phrase(many, rng)
    thing, other_thing = _noun_phrase(rng.random() < 0.5, rng)
    verb, stem = rng.choice(list(_VERBS.items()))
    negated, adverb = rng.random() < 0.3, rng.choice([*_ADVERBS, "", ""])
    predicate = f"{'do' if many else 'does'} not {verb}" if negated else verb + "s" * (not many)
    english = f"{subject} {predicate} {thing} {adverb}"
    particle = "ne" if negated else ""
    other = f"{_ADVERBS.get(adverb, '')} {other_subject} {other_thing} {_verb(stem, many)} {particle}"
    return " ".join(english.split()), " ".join(other.split())


def _noun_phrase(many: bool, rng: Random) -> tuple[str, str]:
    """Returns an article, perhaps an adjective, and a noun in both languages."""
    noun, stem = rng.choice(list(_NOUNS.items()))
    adjectives = rng.sample(list(_ADJECTIVES), k=rng.choice((0, 0, 1)))
    definite, gender = rng.random() < 0.5, stem[-1]
    indefinite = "some" if many else "a"
    english = ["the" if definite else indefinite, *adjectives, noun + "s" * many]
    article = _inflect("l" if definite else "n", gender, many)
    other_adjectives = [_inflect(_ADJECTIVES[word], gender, many) for word in reversed(adjectives)]
    return " ".join(english), " ".join([article, stem + "s" * many, *other_adjectives])


def _inflect(stem: str, gender: str, many: bool) -> str:
    return stem + ("a" if gender == "u" else "o") + ("i" if many else "")


def _verb(stem: str, many: bool) -> str:
    return stem + ("en" if many else "et")
