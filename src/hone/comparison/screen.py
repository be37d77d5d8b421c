"""The comparison on a terminal: a row a configuration, then what it comes to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hone.comparison.collection import Comparison
from hone.comparison.formats import compact, other_scores
from hone.comparison.verdict import verdict
from hone.core.errors import listed

_GAP = 2
_WORD = 16


def show(told: Comparison) -> None:
    """The table, the same in everything, the sentences."""
    console = Console(highlight=False)
    better = "higher" if told.metric.higher_is_better else "lower"
    states = Counter(entry.state for entry in told.entries)
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    console.print(Text(f"{told.about.title}: {len(told.entries)} runs ({counted})"), style="bold", soft_wrap=True)
    console.print(Text(f"by {told.metric.name}, {better} is better"), style="dim", soft_wrap=True)
    console.print(_table(told, console.width))
    for line in (*_along(told), *told.notes):
        console.print(Text(line), style="dim", soft_wrap=True)
    for line in verdict(told):
        console.print(Text(line), soft_wrap=True)


def _table(told: Comparison, width: int) -> Table:
    """Words may be folded, numbers not; what a narrow terminal has no room for is left out, the dispensable first."""
    head, body = compact(told)
    columns = {name: [cells[place] for cells in body] for place, name in enumerate(head)}
    for name in [*reversed(other_scores(told)), "worst", "best", "95 %"]:
        if sum(_room(told, each, cells) for each, cells in columns.items()) > width:
            del columns[name]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for name, cells in columns.items():
        words = name in told.apart
        justify: Literal["left", "right"] = "left" if words else "right"
        least = _room(told, name, cells) - _GAP if words else None
        table.add_column(
            Text(_heading(told, name)), justify=justify, overflow="fold", no_wrap=not words, min_width=least
        )
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    return table


def _heading(told: Comparison, name: str) -> str:
    """A key as it is, the name of a number in short lines."""
    if name in told.apart:
        return name.replace(".", ".\n")
    short = name.removeprefix("validation/") if name == told.metric.name else name
    return short if short == "95 %" else short.replace(" ", "\n").replace("/", "/\n")


def _room(told: Comparison, name: str, cells: Sequence[str]) -> int:
    """What a column needs; one of words can do with less than it would like."""
    longest = max(map(len, [*_heading(told, name).split("\n"), *cells]))
    return _GAP + (min(longest, _WORD) if name in told.apart else longest)


def _along(told: Comparison) -> list[str]:
    return [f"{listed(others, 8)} changes along with {key}" for key, others in told.keys.items() if others]
