"""The comparison on a terminal: a row a configuration, then what it comes to."""

from __future__ import annotations

from collections import Counter

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hone.comparison.collection import Comparison
from hone.comparison.formats import compact
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
    """Words may be folded, numbers not."""
    head, body = compact(told)
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for place, name in enumerate(head):
        words = place < len(told.apart)
        short = name.removeprefix("validation/") if name == told.metric.name else name
        heading = name if words else short.replace(" ", "\n").replace("/", "/\n")
        table.add_column(Text(heading), justify="left" if words else "right", overflow="fold", no_wrap=not words)
    for cells in body:
        table.add_row(*map(Text, cells))
    return table


def _along(told: Comparison) -> list[str]:
    return [f"{', '.join(others)} changes along with {key}" for key, others in told.keys.items() if others]
