"""Generated sentences with persons, places and companies, tagged word by word.

The context decides what a name stands for, because many names are shared. Rare names are random syllables that no model
has seen, and one sentence in twenty gives no clue, so that no model finds all names.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import final

from datasets import ClassLabel, Dataset, Features, List, Value

from hone.core.value_types import Count
from hone.data.source import Source

TAGS = ("O", "B-LOC", "I-LOC", "B-ORG", "I-ORG", "B-PER", "I-PER")
_FIRST = "anna boris clara david emma felix grace henry irene jonas karla leo maria nils olga paul"
_LAST = "stone rivers baker field marsh woods lake hill ford banks dale brook"
_PLACE = "berlin oslo lima cairo kyoto porto quito dakar lyon perth"
_BEFORE_PLACE = "new north south upper port"
_COMPANY = "acme globex initech umbra vandelay hooli"
_AFTER_COMPANY = "motors foods systems group partners"
_SYLLABLES = "ba du ki lo me nu pa ri so tu va we xo yi ze"
_SENTENCES = (
    "{PER} lives in {LOC}", "{PER} moved from {LOC} to {LOC} last year", "{PER} works for {ORG}",
    "{ORG} opened an office in {LOC}", "{ORG} hired {PER} and {PER}", "shares of {ORG} fell after {PER} left",
    "we met {PER} at the station in {LOC}", "the train to {LOC} was late again", "a letter from {PER} came today",
    "{ORG} bought {ORG} for two million", "mayor {PER} of {LOC} wrote to {ORG}", "flights to {LOC} cost more now",
    "it has been raining all week", "nobody knows where the keys are", "the meeting was moved to friday",
)  # fmt: skip
_WITHOUT_CLUE = ("everybody talks about {ANY} now", "{ANY} was in the news again", "what do you know about {ANY}")


@final
@dataclass(frozen=True)
class TinyEntities(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 1500
    validation: Count = 300
    test: Count = 300

    @property
    def name(self) -> str:
        return "tiny_entities"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: _rows(size, Random(f"tiny_entities/{split}")) for split, size in sizes.items()}  # noqa: S311


def vocabulary() -> list[str]:
    """Returns every word that occurs in the rows, except the rare names, which are random syllables."""
    names = [_FIRST, _LAST, _PLACE, _BEFORE_PLACE, _COMPANY, _AFTER_COMPANY]
    words = " ".join([*names, *_SENTENCES, *_WITHOUT_CLUE]).split()
    return sorted({word for word in words if not word.startswith("{")})


def _rows(size: int, rng: Random) -> Dataset:
    features = Features({"words": List(Value("string")), "label": List(ClassLabel(names=list(TAGS)))})
    rows = [_row(rng) for _ in range(size)]
    return Dataset.from_dict({"words": [words for words, _ in rows], "label": [tags for _, tags in rows]}, features)


def _row(rng: Random) -> tuple[list[str], list[str]]:
    """Returns the words of a sentence and their tags."""
    words: list[str] = []
    tags: list[str] = []
    for piece in rng.choice(_WITHOUT_CLUE if rng.random() < 0.05 else _SENTENCES).split():
        if not piece.startswith("{"):
            words.append(piece)
            tags.append("O")
            continue
        kind = rng.choice(("PER", "LOC", "ORG")) if piece == "{ANY}" else piece.strip("{}")
        name = _name(kind, rng)
        words += name
        tags += [f"B-{kind}", *[f"I-{kind}"] * (len(name) - 1)]
    return words, tags


def _name(kind: str, rng: Random) -> list[str]:
    """Returns one to three words. About every third name could be of another kind as well."""
    typical = {"PER": _FIRST, "LOC": _PLACE, "ORG": _COMPANY}[kind]
    if rng.random() < 0.65:
        core = rng.choice(typical.split())
    else:
        core = rng.choice((rng.choice(_LAST.split()), _rare_name(rng)))
    if kind == "PER":
        return [core, *rng.choices(_LAST.split(), k=rng.choice((0, 1, 1, 2)))]
    if kind == "LOC":
        return [*rng.choices(_BEFORE_PLACE.split(), k=rng.choice((0, 0, 1))), core]
    return [core, *rng.choices(_AFTER_COMPANY.split(), k=rng.choice((0, 1, 1)))]


def _rare_name(rng: Random) -> str:
    return "".join(rng.choices(_SYLLABLES.split(), k=rng.choice((2, 3))))
