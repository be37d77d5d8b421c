"""Generated pictures of short forms with their words and boxes, and questions about what is where on the page.

Each form has two amounts and two names, so that it is not enough to find a word of the right kind: the place on the
page decides. The words come line by line, but the lines come in any order, so that only boxes and picture show places.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any, final

from datasets import Dataset, Features, List, Value
from PIL import Image, ImageDraw, ImageFont

from hone.core.value_types import Count
from hone.data.source import Source
from hone.data.tiny.shapes import to_png

_WIDTH, _HEIGHT = 160, 120
_LINE = 19
"""The height of a line."""
_SIZE = 11
"""The size of letters, in pixels."""
_NAMES = "Anna Bruno Clara David Elena Frank Greta Hugo".split()  # noqa: SIM905
_LAST_NAMES = "Baker Field Hill Stone".split()  # noqa: SIM905
_TOWNS = "Oslo Lima Cairo Perth Vienna Prague".split()  # noqa: SIM905
_LARGEST = 99
_LABELS = ("Seller", "Buyer", "Town", "Tax", "Total")
_QUESTIONS = {
    "Total": ("What is the total?", "How much is the total?"),
    "Tax": ("What is the tax?", "How much tax is paid?"),
    "Seller": ("Who is the seller?", "What is the name of the seller?"),
    "Buyer": ("Who is the buyer?", "What is the name of the buyer?"),
    "Town": ("In which town?", "What is the town?"),
}


@final
@dataclass(frozen=True)
class TinyForms(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 2000
    validation: Count = 200
    test: Count = 200

    columns = MappingProxyType({"image": "image"})  # a role that other data sets may lack

    @property
    def name(self) -> str:
        return "tiny_forms"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        features = Features(
            {
                "image": Value("binary"),
                "question": Value("string"),
                "words": List(Value("string")),
                "boxes": List(List(Value("int64"))),
                "answers": List(Value("string")),
            }
        )
        return {
            split: Dataset.from_dict(_columns(size, Random(f"tiny_forms/{split}")), features=features)  # noqa: S311
            for split, size in sizes.items()
        }


def form_examples(count: int) -> dict[str, list[Any]]:
    """Return a few forms, each with a question and its answer."""
    return _columns(count, Random("tiny_forms/examples"))  # noqa: S311


def form_words() -> list[str]:
    """Return every word that occurs in the rows, as it is written there."""
    questions = [question for each in _QUESTIONS.values() for question in each]
    values = [*_NAMES, *_LAST_NAMES, *_TOWNS, *map(str, range(1, _LARGEST + 1))]
    return sorted({*" ".join(questions).split(), *(f"{label}:" for label in _LABELS), *values})


def _columns(count: int, rng: Random) -> dict[str, list[Any]]:
    rows = [_row(rng) for _ in range(count)]
    return {name: [row[name] for row in rows] for name in rows[0]}


def _row(rng: Random) -> dict[str, Any]:
    values = _draw_values(rng)
    picture, lines = _render([(f"{label}:", *values[label].split()) for label in _LABELS], rng)
    rng.shuffle(lines)
    label = rng.choice(_LABELS)
    return {
        "image": to_png(picture),
        "question": rng.choice(_QUESTIONS[label]),
        "words": [word for line in lines for word, _ in line],
        "boxes": [box for line in lines for _, box in line],
        "answers": [values[label]],
    }


def _draw_values(rng: Random) -> dict[str, str]:
    amounts = [str(number) for number in rng.sample(range(1, _LARGEST + 1), k=2)]
    firsts = rng.sample(_NAMES, k=2)
    names = [f"{first} {rng.choice(_LAST_NAMES)}" if rng.random() < 0.5 else first for first in firsts]
    return dict(zip(_LABELS, (*names, rng.choice(_TOWNS), *amounts), strict=True))


def _render(lines: list[tuple[str, ...]], rng: Random) -> tuple[Image.Image, list[list[tuple[str, list[int]]]]]:
    """Return a picture of lines, and the words of each with their boxes in thousandths of its width and height."""
    picture = Image.new("L", (_WIDTH, _HEIGHT), rng.randrange(225, 256))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(size=_SIZE)
    top = rng.randrange(8, 16)
    rendered: list[list[tuple[str, list[int]]]] = []
    for number, line in enumerate(lines):
        left, y, ink = rng.randrange(4, 12), top + number * _LINE, rng.randrange(60)
        rendered.append([])
        for place, word in enumerate(line):
            draw.text((left, y), word, fill=ink, font=font)
            sides = draw.textbbox((left, y), word, font=font)
            pairs = zip(sides, (_WIDTH, _HEIGHT) * 2, strict=True)
            rendered[-1].append((word, [min(1000, max(0, round(1000 * side / size))) for side, size in pairs]))
            left = rng.randrange(60, 70) if place == 0 else round(sides[2]) + 5
    return picture, rendered
