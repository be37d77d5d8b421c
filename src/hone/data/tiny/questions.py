"""Generated pictures of one to four things with questions about them, each answered by ten people who sometimes err."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from random import Random
from typing import Any, final

from datasets import Dataset, Features, List, Value

from hone.core.value_types import Count
from hone.data.source import Source
from hone.data.tiny.scenes import COLOURS, SHAPES_OF_THINGS, SIDE, Thing, draw_ground
from hone.data.tiny.shapes import to_png

_PLACES = [(x, y) for x in (8, SIDE - 8) for y in (8, SIDE - 8)]
_PEOPLE = 10
_ERRORS = 0.1
"""How often somebody gives another answer of the same kind."""
_KINDS = (tuple(COLOURS), SHAPES_OF_THINGS, ("0", "1", "2", "3", "4"), ("yes", "no"))
_WORDS = "a are colour how is many shape the there thing things what ?"
"""The words of questions, but for colours and shapes."""


@final
@dataclass(frozen=True)
class TinyQuestions(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 3000
    validation: Count = 300
    test: Count = 300

    @property
    def name(self) -> str:
        return "tiny_questions"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        features = Features({"image": Value("binary"), "question": Value("string"), "answers": List(Value("string"))})
        return {
            split: Dataset.from_dict(_columns(size, Random(f"tiny_questions/{split}")), features=features)  # noqa: S311
            for split, size in sizes.items()
        }


def question_examples(count: int) -> dict[str, list[Any]]:
    """Return a few pictures, each with a question and its ten answers."""
    return _columns(count, Random("tiny_questions/examples"))  # noqa: S311


def question_words() -> list[str]:
    """Return every word of the questions."""
    return [*_WORDS.split(), *COLOURS, *SHAPES_OF_THINGS]


def _columns(count: int, rng: Random) -> dict[str, list[Any]]:
    columns: dict[str, list[Any]] = {"image": [], "question": [], "answers": []}
    for _ in range(count):
        places = rng.sample(_PLACES, rng.randrange(1, len(_PLACES) + 1))
        things = [Thing(rng.choice([*COLOURS]), rng.choice(SHAPES_OF_THINGS), _move(place, rng)) for place in places]
        picture = draw_ground(rng)
        for thing in things:
            thing.draw(picture, rng)
        question, answer = _ask(things, rng)
        columns["image"].append(to_png(picture))
        columns["question"].append(question)
        columns["answers"].append([_err(answer, rng) for _ in range(_PEOPLE)])
    return columns


def _move(place: tuple[int, int], rng: Random) -> tuple[float, float]:
    return place[0] + rng.uniform(-1, 1), place[1] + rng.uniform(-1, 1)


def _ask(things: list[Thing], rng: Random) -> tuple[str, str]:
    """Return a question that the picture answers. Those about one thing need a shape or a colour that occurs once."""
    shapes, colours = Counter(thing.shape for thing in things), Counter(thing.colour for thing in things)
    colour = rng.choice([*COLOURS])
    questions = [
        ("how many things are there?", str(len(things))),
        (f"how many {colour} things are there?", str(colours[colour])),
        (f"is there a {colour} thing?", "yes" if colours[colour] else "no"),
    ]
    questions += [(f"what colour is the {thing.shape}?", thing.colour) for thing in things if shapes[thing.shape] == 1]
    questions += [
        (f"what shape is the {thing.colour} thing?", thing.shape) for thing in things if colours[thing.colour] == 1
    ]
    return rng.choice(questions)


def _err(answer: str, rng: Random) -> str:
    kind = next(kind for kind in _KINDS if answer in kind)
    return rng.choice([other for other in kind if other != answer]) if rng.random() < _ERRORS else answer
