"""Generated documents and their summaries: a person writes about a topic and says how it is going.

The writer is named once, and friends are named as well. Most sentences are about the topic, others about nothing or
about another topic. A few writers do not say how it is going, so that it cannot be known.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import final

from datasets import Dataset

from hone.core.value_types import Count
from hone.data.source import Source

_NAMES = ["anna", "bob", "carl", "dora", "emil", "fred", "gina", "hans", "ida", "jack"]
_TOPICS = {
    "cooking": "soup oven recipe kitchen dough pan sauce spoon",
    "gardening": "roses soil seeds shovel weeds hedge tomatoes pots",
    "sailing": "boat wind harbour sails anchor waves deck rope",
    "music": "violin concert chords rehearsal choir piano melody drums",
    "chess": "queen pawns opening tournament clock endgame board rook",
    "hiking": "trail boots summit map tent valley rucksack ridge",
    "painting": "brush canvas colours easel portrait sketch varnish gallery",
    "cycling": "saddle tyres pedals helmet chain brakes race gears",
}
_MOODS = {
    "well": ("it could not be better", "i am proud of it", "everything worked out", "i am so happy with it"),
    "badly": ("it all went wrong", "i want to give up", "nothing worked out", "i am so tired of it"),
}
_ABOUT = (
    "the {a} and the {b} were ready", "i bought a new {a}", "my {a} is next to the {b}", "you should see the {a}",
    "i spent hours on the {a}", "somebody borrowed the {b}", "i thought about the {a} all day",
    "first came the {a} then the {b}",
)  # fmt: skip
_FRIENDS = ("{name} came to visit", "i met {name} at noon", "{name} called me twice", "i told {name} about it")
_INTRODUCTIONS = ("my name is {name}", "this is {name} writing", "it is me {name}")
_SMALL_TALK = (
    "it rained in the morning",
    "the train was late",
    "i slept badly",
    "lunch was early",
    "the shop was closed",
)


@final
@dataclass(frozen=True)
class TinyTopics(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 1500
    validation: Count = 300
    test: Count = 300

    @property
    def name(self) -> str:
        return "tiny_topics"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        return {split: _rows(size, Random(f"tiny_topics/{split}")) for split, size in sizes.items()}  # noqa: S311


def vocabulary() -> list[str]:
    """Returns every word that occurs in the rows."""
    moods = [line for lines in _MOODS.values() for line in lines]
    phrases = [*_ABOUT, *_FRIENDS, *_INTRODUCTIONS, *_SMALL_TALK, *_MOODS, *moods]
    words = " ".join([*phrases, *_NAMES, *_TOPICS, *_TOPICS.values(), "writes about and it goes", "."])
    return sorted({word for word in words.split() if "{" not in word})


def _rows(size: int, rng: Random) -> Dataset:
    pairs = [_row(rng) for _ in range(size)]
    return Dataset.from_dict({"source": [text for text, _ in pairs], "target": [summary for _, summary in pairs]})


def _row(rng: Random) -> tuple[str, str]:
    """Returns a document and its summary."""
    writer, *friends = rng.sample(_NAMES, k=3)
    topic, other = rng.sample(list(_TOPICS), k=2)
    mood = rng.choice(list(_MOODS))
    lines = [_about(topic, rng) for _ in range(rng.choice((3, 4)))]
    lines += [_about(other, rng)] * (rng.random() < 0.4)
    lines += [rng.choice(_FRIENDS).format(name=friend) for friend in friends[: rng.choice((0, 1, 2))]]
    lines += rng.sample(_SMALL_TALK, k=rng.choice((0, 1, 2)))
    lines += [rng.choice(_MOODS[mood])] * (rng.random() < 0.94)
    lines.append(rng.choice(_INTRODUCTIONS).format(name=writer))
    rng.shuffle(lines)
    return " . ".join([*lines, ""]).strip(), f"{writer} writes about {topic} and it goes {mood}"


def _about(topic: str, rng: Random) -> str:
    a, b = rng.sample(_TOPICS[topic].split(), k=2)
    return rng.choice(_ABOUT).format(a=a, b=b)
