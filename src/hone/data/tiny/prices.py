"""Generated tables of goods with their prices and stocks, and questions about one good, the largest number, or all.

The columns stand in any order. Some questions ask for a sum, an average or a number of goods: their answer is a column,
and what is to be done with it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from types import MappingProxyType
from typing import Any, final

from datasets import Dataset, Features, List, Value

from hone.core.value_types import Count
from hone.data.source import Source

_GOODS = "apple bread cheese fish honey milk salt tea".split()  # noqa: SIM905
_COLUMNS = ("good", "price", "stock")
_LARGEST = 40
"""The largest number in a table."""
_OF_ONE = {
    "good": ("where is the {n} ?", "show me the {n} ."),
    "price": ("what is the price of the {n} ?", "what does the {n} cost ?"),
    "stock": ("what is the stock of the {n} ?", "how much {n} is left ?"),
}
_OF_RANK = {
    ("price", max): ("what is the highest price ?", "how much is the most expensive good ?"),
    ("price", min): ("what is the lowest price ?", "how much is the cheapest good ?"),
    ("stock", max): ("what is the largest stock ?",),
    ("stock", min): ("what is the smallest stock ?",),
}
_OF_ALL = {
    ("SUM", "price"): ("what is the sum of all prices ?", "what do all goods cost together ?"),
    ("SUM", "stock"): ("what is the total stock ?", "how much is left of all goods together ?"),
    ("AVERAGE", "price"): ("what is the average price ?", "what does a good cost on average ?"),
    ("COUNT", "good"): ("how many goods are there ?", "what is the number of goods ?"),
}


@final
@dataclass(frozen=True)
class TinyPrices(Source):
    """Has the same rows on every machine. Each split has a random stream of its own."""

    train: Count = 3000
    validation: Count = 200
    test: Count = 200

    columns = MappingProxyType({"aggregation": "aggregation"})  # a role that other data sets may lack

    @property
    def name(self) -> str:
        return "tiny_prices"

    def load(self) -> dict[str, Dataset]:
        sizes = {"train": self.train, "validation": self.validation, "test": self.test}
        features = Features(
            {
                "table": List(List(Value("string"))),
                "question": Value("string"),
                "coordinates": List(List(Value("int64"))),
                "aggregation": Value("string"),
            }
        )
        return {
            split: Dataset.from_list([_row(rng) for _ in range(size)], features=features)
            for split, size in sizes.items()
            for rng in [Random(f"tiny_prices/{split}")]  # noqa: S311
        }


def table_words() -> list[str]:
    """Return every word and number that occurs in the rows."""
    questions = [question for each in (*_OF_ONE.values(), *_OF_RANK.values(), *_OF_ALL.values()) for question in each]
    words = re.findall(r"[a-z]+", re.sub(r"{\w}", "", " ".join(questions)))
    return sorted({*words, *_GOODS, *_COLUMNS, *map(str, range(1, _LARGEST + 1))})


def _row(rng: Random) -> dict[str, Any]:
    goods = rng.sample(_GOODS, k=rng.choice((2, 3, 4)))
    columns = {"good": goods, **{name: _numbers(len(goods), rng) for name in _COLUMNS[1:]}}
    header = rng.sample(_COLUMNS, k=len(_COLUMNS))
    question, operation, name, chosen = _ask(columns, rng)
    return {
        "table": [header, *([columns[name][row] for name in header] for row in range(len(goods)))],
        "question": question,
        "coordinates": [[row, header.index(name)] for row in chosen],
        "aggregation": operation,
    }


def _ask(columns: dict[str, list[str]], rng: Random) -> tuple[str, str, str, Iterable[int]]:
    """Return a question, and the operation, the column and the rows that answer it."""
    goods = columns["good"]
    row = rng.randrange(len(goods))
    kind = rng.choices(("one", "rank", "all"), weights=(4, 3, 3))[0]
    if kind == "one":
        name = rng.choice([*_OF_ONE])
        return rng.choice(_OF_ONE[name]).format(n=goods[row]), "NONE", name, [row]
    if kind == "rank":
        name, best = rng.choice([*_OF_RANK])
        row = best(range(len(goods)), key=lambda row: int(columns[name][row]))
        return rng.choice(_OF_RANK[name, best]), "NONE", name, [row]
    operation, name = rng.choice([*_OF_ALL])
    return rng.choice(_OF_ALL[operation, name]), operation, name, range(len(goods))


def _numbers(count: int, rng: Random) -> list[str]:
    return [str(number) for number in rng.sample(range(1, _LARGEST + 1), k=count)]
