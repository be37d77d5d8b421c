"""What `hone plan -m` prints: the sweep in a few lines, then a table of its runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hone.core.paths import relative_to_cwd
from hone.core.screen import make_console, print_line
from hone.core.wording import bytes_in_words, seconds_in_words
from hone.runs.sweep_file import Cell
from hone.sweeps.possible import deciding_words

_ACTIONS = {
    "run": ("to run", "to run", "green"),
    "resume": ("to resume", "to resume", "cyan"),
    "again": ("again", "to run again", "yellow"),
    "skip": ("done", "done already", "dim"),
    "wait": ("running", "running under another command", "blue"),
    "impossible": ("impossible", "impossible", "bold red"),
}
"""What the sweep would do with a run: in the table, in the sum of all runs, and the colour."""
_LONGEST_VALUE = 24
_MOST_CELLS = 3
"""Cells that a reason is listed with."""
_GAP = 1

SweepForecast = Mapping[str, Any]
"""What `plan.format=json` prints."""
Row = Mapping[str, Any]
"""One of its runs or examples."""
Line = tuple[str, str]


@final
@dataclass(frozen=True)
class NumberColumn:
    """A number of each run; None where a run has none."""

    name: str
    head: str
    value: Callable[[Row], float | None]
    words: Callable[[float], str]

    def spread(self, rows: Sequence[Row]) -> str:
        """Return the least and the greatest value, with the name."""
        values = [value for row in rows if (value := self.value(row)) is not None]
        if not values:
            return ""
        least, most = self.words(min(values)), self.words(max(values))
        return f"{least if least == most else f'{least} to {most}'} {self.name}".rstrip()

    def cells(self, rows: Sequence[Row]) -> list[str]:
        return ["" if (value := self.value(row)) is None else self.words(value) for row in rows]


def _number(value: float) -> str:
    return f"{value:,.0f}"


_NUMBERS = (
    NumberColumn("steps", "steps", lambda row: row["steps"], _number),
    NumberColumn("trainable parameters", "trainable", lambda row: (row["parameters"] or {}).get("trainable"), _number),
    NumberColumn("of memory", "memory", lambda row: row["memory"], bytes_in_words),
    NumberColumn("", "time", lambda row: row["seconds"], seconds_in_words),
)


def print_sweep_forecast(forecast: SweepForecast) -> None:
    """Print to standard output."""
    console = make_console(soft_wrap=True)
    console.print(Text(forecast["name"], style="bold"))
    for name, line in _lines(forecast):
        print_line(name, line)
    if forecast["runs"]:
        _print_table(forecast["runs"], console)
        _print_reasons(forecast["runs"], [*forecast["runs"], *forecast["examples"]])


def _lines(forecast: SweepForecast) -> Iterator[Line]:
    yield "folder", relative_to_cwd(forecast["folder"])
    yield "runs", _runs(forecast)
    yield from _monitor(forecast)
    yield from _spreads([*forecast["runs"], *forecast["examples"]])
    yield from _work(forecast)
    yield from (("note", line) for line in forecast["advice"])
    yield from _stale(forecast["runs"])


def _runs(forecast: SweepForecast) -> str:
    counts = forecast["counts"]
    parts = [f"{counts[does]} {words}" for does, (_, words, _) in _ACTIONS.items() if does in counts]
    if forecast["to_draw"]:
        parts.append(f"{forecast['to_draw']} to be drawn by {forecast['sampler']}")
    return f"{sum(counts.values()) + forecast['to_draw']}: {', '.join(parts)}"


def _monitor(forecast: SweepForecast) -> Iterator[Line]:
    if monitor := forecast["monitor"]:
        better = "higher" if monitor["higher_is_better"] else "lower"
        pruned = f"; {forecast['pruner']} may stop runs earlier" if forecast["pruner"] != "never" else ""
        yield "monitor", f"{monitor['name']}, {better} is better{pruned}"


def _spreads(rows: Sequence[Row]) -> Iterator[Line]:
    """Yield the range of each number over the runs."""
    spreads = [column.spread(rows) for column in _NUMBERS]
    if any(spreads):
        yield "each run", ", ".join(filter(None, spreads))


def _work(forecast: SweepForecast) -> Iterator[Line]:
    """Yield what the sweep takes, if it starts anything."""
    if not forecast["starts"]["runs"]:
        return
    disk = forecast["disk"]
    yield "time", _time(forecast)
    yield "disk", f"up to {bytes_in_words(disk['needed'])}; {bytes_in_words(disk['free'])} are free"
    if forecast["memory"]:
        yield "memory", _memory(forecast["memory"])


def _time(forecast: SweepForecast) -> str:
    starts, workers = forecast["starts"], forecast["workers"]
    runs = f"{_count(starts['runs'], 'run')}, {_count(starts['steps'], 'step')}"
    if starts["budget"]:
        runs += f", as sweep.budget={starts['budget']} allows"
    together = f"{workers['count']} at a time" if workers["count"] > 1 else "one after the other"
    if workers["launcher"]:
        together = f"if run here, {workers['count']} at a time; hydra/launcher={workers['launcher']} decides for itself"
    seconds = "not tried" if starts["seconds"] is None else f"about {seconds_in_words(starts['seconds'])}"
    return f"{seconds} ({runs}, {together})"


def _memory(memory: Row) -> str:
    run, room, together = bytes_in_words(memory["run"]), bytes_in_words(memory["room"]), memory["together"]
    all_runs = f", {bytes_in_words(memory['at_once'])} for {together} at a time" if together > 1 else ""
    place = "" if memory["device"] == "cpu" else " on a GPU"
    fits = memory["at_once"] <= memory["room"]
    advice = "" if fits else ": too much. Try fewer sweep.workers, or a smaller batch_size with a larger accumulate"
    return f"up to {run} per run{all_runs}; {room} are available{place}{advice}"


def _stale(rows: Sequence[Row]) -> Iterator[Line]:
    stale = sorted({row["stale"] for row in rows if row["stale"] and row["does"] == "skip"})
    if stale:
        yield "stale", f"done, but would differ today: {'; '.join(stale)}; sweep.rerun=stale runs them again"


def _print_table(rows: Sequence[Row], console: Console) -> None:
    """Print one line per run. A table that is too wide even so is not cut."""
    columns = _fit(_columns(rows), console.width)
    wide = make_console(width=max(console.width, _width(columns)))
    wide.print(_table(columns, [_ACTIONS[row["does"]][2] for row in rows]))


def _columns(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Return the cells of each column by its head; numbers that all runs share are left to the lines above."""
    values = [{_key(word): word.partition("=")[2] for word in row["words"]} for row in rows]
    columns = {"": [_ACTIONS[row["does"]][0] for row in rows]}
    for key in dict.fromkeys(key for values_of_row in values for key in values_of_row):
        columns[key] = [_shorten(values_of_row.get(key, "")) for values_of_row in values]
    for column in _NUMBERS:
        cells = column.cells(rows)
        if len(set(cells)) > 1:
            columns[column.head] = cells
    if any(row["done"] for row in rows):
        columns["stored"] = [_number(row["done"]) if row["done"] else "" for row in rows]
    columns["run"] = [row["identity"] or "" for row in rows]
    return columns


def _fit(columns: dict[str, list[str]], width: int) -> dict[str, list[str]]:
    """Leave out the columns that matter least, until the others fit."""
    fitting = dict(columns)
    for head in ("trainable", "stored", "memory", "time"):
        if _width(fitting) > width:
            fitting.pop(head, None)
    return fitting


def _table(columns: Mapping[str, Sequence[str]], styles: Sequence[str]) -> Table:
    """`styles` colour the first cell of each row."""
    table = Table(box=SIMPLE_HEAD, padding=(0, _GAP, 0, 0), show_edge=False)
    numbers = {"stored", *(column.head for column in _NUMBERS)}
    for head in columns:
        justify: Literal["left", "right"] = "right" if head in numbers else "left"
        table.add_column(Text(head.replace(".", ".\n")), justify=justify, no_wrap=True)
    for style, (first, *cells) in zip(styles, zip(*columns.values(), strict=True), strict=True):
        table.add_row(Text(first, style=style), *map(Text, cells))
    return table


def _width(columns: Mapping[str, Sequence[str]]) -> int:
    return sum(max(map(len, [*head.split("."), *cells])) + 2 + _GAP for head, cells in columns.items())


def _shorten(value: str) -> str:
    return value if len(value) <= _LONGEST_VALUE else f"{value[: _LONGEST_VALUE - 1]}…"


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _print_reasons(runs: Sequence[Row], all_rows: Sequence[Row]) -> None:
    """Print why runs are impossible or run again, once per reason, with the words that make the difference."""
    cells = [_cell(row) for row in all_rows]
    reasons: dict[tuple[str, str], list[Cell]] = {}
    for row in runs:
        if row["does"] in ("impossible", "again") and row["reason"]:
            reasons.setdefault((row["does"], row["reason"]), []).append(_cell(row))
    for (does, reason), affected in reasons.items():
        label, _, style = _ACTIONS[does]
        print_line(label, f"{reason}\n{'':12}{_where(affected, cells)}", style)


def _cell(row: Row) -> Cell:
    return Cell(row["number"], tuple(row["words"]))


def _where(affected: Sequence[Cell], cells: Sequence[Cell]) -> str:
    if len(affected) == len(cells):
        return f"in all {len(cells)} runs"
    words = list(dict.fromkeys(" ".join(deciding_words(cell, affected, cells)) for cell in affected))
    more = f" and {len(words) - _MOST_CELLS} more" if len(words) > _MOST_CELLS else ""
    return f"in {len(affected)} of {len(cells)} runs: {'; '.join(words[:_MOST_CELLS])}{more}"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"
