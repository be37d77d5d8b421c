"""The comparison on a terminal: a row a configuration, then what it comes to."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from hone.comparison.collection import Comparison
from hone.comparison.formats import listed_rows
from hone.comparison.verdict import verdict


def show(told: Comparison) -> None:
    """The table, the same in everything, the sentences."""
    console = Console(highlight=False)
    better = "higher" if told.metric.higher_is_better else "lower"
    states = Counter(entry.state for entry in told.entries)
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    console.print(Text(f"{told.about.title}: {len(told.entries)} runs ({counted})"), style="bold", soft_wrap=True)
    console.print(Text(f"by {told.metric.name}, {better} is better"), style="dim", soft_wrap=True)
    console.print(_table(told))
    for line in (*_along(told), *told.notes):
        console.print(Text(line), style="dim", soft_wrap=True)
    for line in verdict(told):
        console.print(Text(line), soft_wrap=True)


def _table(told: Comparison) -> Table:
    head, *body = listed_rows(told)
    table = Table()
    for place, name in enumerate(head):
        words = place < len(told.apart)
        table.add_column(Text(name), justify="left" if words else "right", overflow="fold" if words else "ellipsis")
    for cells in body:
        table.add_row(*map(Text, cells))
    return table


def _along(told: Comparison) -> list[str]:
    return [f"{', '.join(others)} changes along with {key}" for key, others in told.keys.items() if others]
