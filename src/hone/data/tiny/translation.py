"""A toy pair of languages: English sentences, and the same in a language that is made up and follows rules of its own.

It puts the verb last and adjectives behind their noun; articles and adjectives agree with the noun's gender and number,
verbs with the subject's number, and a negated verb stands before its particle. Every sentence has one translation.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from random import Random
from typing import final

from datasets import Dataset

from hone.core.value_types import Count
from hone.data.source import Source

_NOUNS = {  # English: stem, gender
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
    """The same rows on every machine; the splits come from random streams of their own."""

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
    """Every word of both languages."""
    genders, numbers = "ou", (False, True)
    english = [*_NOUNS, *(f"{noun}s" for noun in _NOUNS), *_ADJECTIVES, *_VERBS, *(f"{verb}s" for verb in _VERBS)]
    english += [*_ADVERBS, "the", "a", "some", "do", "does", "not"]
    stems = (*_ADJECTIVES.values(), "l", "n")
    agreeing = [_agreeing(stem, *form) for stem in stems for form in product(genders, numbers)]
    inflected = [stem + "s" * many for stem in _NOUNS.values() for many in numbers]
    inflected += [_verb(stem, many) for stem in _VERBS.values() for many in numbers]
    return sorted({*english, *agreeing, *inflected, *_ADVERBS.values(), "ne"})


def _rows(size: int, rng: Random) -> Dataset:
    pairs = [_sentence(rng) for _ in range(size)]
    return Dataset.from_dict({"source": [ours for ours, _ in pairs], "target": [theirs for _, theirs in pairs]})


def _sentence(rng: Random) -> tuple[str, str]:
    many = rng.random() < 0.5
    (subject, ours), (thing, theirs) = _phrase(many, rng), _phrase(rng.random() < 0.5, rng)
    verb, stem = rng.choice(list(_VERBS.items()))
    negated, adverb = rng.random() < 0.3, rng.choice([*_ADVERBS, "", ""])
    said = f"{'do' if many else 'does'} not {verb}" if negated else verb + "s" * (not many)
    english = f"{subject} {said} {thing} {adverb}"
    other = f"{_ADVERBS.get(adverb, '')} {ours} {theirs} {_verb(stem, many)} {'ne' if negated else ''}"
    return " ".join(english.split()), " ".join(other.split())


def _phrase(many: bool, rng: Random) -> tuple[str, str]:
    """An article, perhaps an adjective, and a noun; the last two change places."""
    noun, stem = rng.choice(list(_NOUNS.items()))
    adjectives = rng.sample(list(_ADJECTIVES), k=rng.choice((0, 0, 1)))
    known, gender = rng.random() < 0.5, stem[-1]
    article = "the" if known else "some" if many else "a"
    agreeing = [_agreeing(_ADJECTIVES[word], gender, many) for word in reversed(adjectives)]
    english = [article, *adjectives, noun + "s" * many]
    return " ".join(english), " ".join([_agreeing("l" if known else "n", gender, many), stem + "s" * many, *agreeing])


def _agreeing(stem: str, gender: str, many: bool) -> str:
    return stem + ("a" if gender == "u" else "o") + ("i" if many else "")


def _verb(stem: str, many: bool) -> str:
    return stem + ("en" if many else "et")
