"""The runs of a planned sweep, a line each; then why some of them cannot work or are to be made again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hone.planning.units import bytes_in_words, seconds_in_words

DOES = {
    "run": ("to run", "to run", "green"),
    "resume": ("to go on", "to go on where they stopped", "cyan"),
    "again": ("again", "to run again", "yellow"),
    "skip": ("done", "done already", "dim"),
    "wait": ("at work", "at work under another command", "blue"),
    "impossible": ("impossible", "impossible", "bold red"),
}
"""For a row, for a sum, and the colour."""
_LONGEST = 24
"""Letters of a value in a line."""
_GAP = 1

Row = Mapping[str, Any]


@final
@dataclass(frozen=True)
class Column:
    """A number of each run; None where it has none."""

    name: str
    head: str
    value: Callable[[Row], float | None]
    words: Callable[[float], str]

    def spread(self, rows: Sequence[Row]) -> str:
        """From the least to the most, with the name."""
        values = [value for row in rows if (value := self.value(row)) is not None]
        if not values:
            return ""
        least, most = self.words(min(values)), self.words(max(values))
        return f"{least if least == most else f'{least} to {most}'} {self.name}".rstrip()

    def cells(self, rows: Sequence[Row]) -> list[str]:
        return ["" if (value := self.value(row)) is None else self.words(value) for row in rows]


def _number(value: float) -> str:
    return f"{value:,.0f}"


COLUMNS = (
    Column("steps", "steps", lambda row: row["steps"], _number),
    Column("parameters that learn", "learn", lambda row: (row["parameters"] or {}).get("trainable"), _number),
    Column("of memory", "memory", lambda row: row["memory"], bytes_in_words),
    Column("", "time", lambda row: row["seconds"], seconds_in_words),
)


def print_runs(rows: Sequence[Row], console: Console) -> None:
    """What is the same in all of them is said elsewhere, and what there is no room for is left out."""
    keys = dict.fromkeys(_key(word) for row in rows for word in row["words"])
    of_rows = [{_key(word): word.partition("=")[2] for word in row["words"]} for row in rows]
    columns = {"": [DOES[row["does"]][0] for row in rows]}
    columns |= {key: [_short(values.get(key, "")) for values in of_rows] for key in keys}
    columns |= {each.head: cells for each in COLUMNS if len(set(cells := each.cells(rows))) > 1}
    if any(row["done"] for row in rows):
        columns["stored"] = [_number(row["done"]) if row["done"] else "" for row in rows]
    columns["run"] = [row["identity"] or "" for row in rows]
    for head in ("learn", "stored", "memory", "time"):
        if _width(columns) > console.width:
            columns.pop(head, None)
    table = Table(box=SIMPLE_HEAD, padding=(0, _GAP, 0, 0), show_edge=False)
    for head in columns:
        right = head in ("stored", *(each.head for each in COLUMNS))
        table.add_column(Text(head.replace(".", ".\n")), justify="right" if right else "left", no_wrap=True)
    for place, row in enumerate(rows):
        style = DOES[row["does"]][2]
        table.add_row(*(Text(cells[place], style="" if head else style) for head, cells in columns.items()))
    Console(highlight=False, width=max(console.width, _width(columns))).print(table)
    for does, reason, words in _reasons(rows):
        first = f"in {len(words)} of {len(rows)} runs: {words[0]}" if len(words) > 1 else words[0]
        console.print(Text.assemble((f"{DOES[does][0]:10}  ", DOES[does][2]), f"{reason}\n{'':12}{first}"))


def _width(columns: Mapping[str, Sequence[str]]) -> int:
    return sum(max(map(len, [*head.split("."), *cells])) + 2 + _GAP for head, cells in columns.items())


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _reasons(rows: Sequence[Row]) -> list[tuple[str, str, list[str]]]:
    """What is done, why, and with which runs."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["does"] in ("impossible", "again") and row["reason"]:
            found.setdefault((row["does"], row["reason"]), []).append(" ".join(row["words"]))
    return [(does, reason, words) for (does, reason), words in found.items()]
