"""What `hone plan -m` shows: the sweep in a few lines, then its runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hone.core.paths import relative_to_cwd
from hone.core.wording import bytes_in_words, seconds_in_words

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
    """Prints a line per run, then the reasons of those that are impossible or run again."""
    columns = _fitted(_columns(rows), console.width)
    wide = Console(highlight=False, width=max(console.width, _width(columns)))
    wide.print(_table(columns, [DOES[row["does"]][2] for row in rows]))
    for does, reason, words in _reasons(rows):
        first = f"in {len(words)} of {len(rows)} runs: {words[0]}" if len(words) > 1 else words[0]
        label, _, style = DOES[does]
        console.print(Text.assemble((f"{label:10}  ", style), f"{reason}\n{'':12}{first}"))


def _columns(rows: Sequence[Row]) -> dict[str, list[str]]:
    """The cells of each column by its head; numbers that all runs share are printed elsewhere."""
    values = [{_key(word): word.partition("=")[2] for word in row["words"]} for row in rows]
    columns = {"": [DOES[row["does"]][0] for row in rows]}
    for key in dict.fromkeys(key for of_row in values for key in of_row):
        columns[key] = [_short(of_row.get(key, "")) for of_row in values]
    for column in COLUMNS:
        cells = column.cells(rows)
        if len(set(cells)) > 1:
            columns[column.head] = cells
    if any(row["done"] for row in rows):
        columns["stored"] = [_number(row["done"]) if row["done"] else "" for row in rows]
    columns["run"] = [row["identity"] or "" for row in rows]
    return columns


def _fitted(columns: dict[str, list[str]], width: int) -> dict[str, list[str]]:
    """Leaves out the columns that matter least, until the rest fits."""
    fitted = dict(columns)
    for head in ("learn", "stored", "memory", "time"):
        if _width(fitted) > width:
            fitted.pop(head, None)
    return fitted


def _table(columns: Mapping[str, Sequence[str]], styles: Sequence[str]) -> Table:
    """`styles` colour the first cell of each row."""
    table = Table(box=SIMPLE_HEAD, padding=(0, _GAP, 0, 0), show_edge=False)
    numbers = {"stored", *(column.head for column in COLUMNS)}
    for head in columns:
        justify: Literal["left", "right"] = "right" if head in numbers else "left"
        table.add_column(Text(head.replace(".", ".\n")), justify=justify, no_wrap=True)
    for style, (first, *cells) in zip(styles, zip(*columns.values(), strict=True), strict=True):
        table.add_row(Text(first, style=style), *map(Text, cells))
    return table


def _width(columns: Mapping[str, Sequence[str]]) -> int:
    return sum(max(map(len, [*head.split("."), *cells])) + 2 + _GAP for head, cells in columns.items())


def _short(value: str) -> str:
    return value if len(value) <= _LONGEST else f"{value[: _LONGEST - 1]}…"


def _key(word: str) -> str:
    return word.partition("=")[0].lstrip("+~")


def _reasons(rows: Sequence[Row]) -> list[tuple[str, str, list[str]]]:
    """What is done, why, and with which runs."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row["does"] in ("impossible", "again") and row["reason"]:
            reasons.setdefault((row["does"], row["reason"]), []).append(" ".join(row["words"]))
    return [(does, reason, words) for (does, reason), words in reasons.items()]


Outlook = Mapping[str, Any]
Line = tuple[str, str]


def screen(outlook: Outlook) -> None:
    """On standard output."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(outlook["name"], style="bold"))
    for name, line in _lines(outlook):
        console.print(Text.assemble((f"{name:10}  ", "bold"), line))
    if outlook["runs"]:
        print_runs(outlook["runs"], console)


def _lines(outlook: Outlook) -> Iterator[Line]:
    yield "folder", relative_to_cwd(outlook["folder"])
    yield "runs", _runs(outlook)
    yield from _judged(outlook)
    yield from _spreads([*outlook["runs"], *outlook["examples"]])
    yield from _work(outlook)
    yield from (("note", line) for line in outlook["advice"])
    yield from _stale(outlook["runs"])


def _judged(outlook: Outlook) -> Iterator[Line]:
    if monitor := outlook["monitor"]:
        better = "higher" if monitor["higher_is_better"] else "lower"
        pruned = f"; {outlook['pruner']} may stop runs earlier" if outlook["pruner"] != "never" else ""
        yield "judged by", f"{monitor['name']}, {better} is better{pruned}"


def _spreads(rows: Sequence[Row]) -> Iterator[Line]:
    """From the least to the most of what runs differ in."""
    spreads = [column.spread(rows) for column in COLUMNS]
    if any(spreads):
        yield "each run", ", ".join(filter(None, spreads))


def _work(outlook: Outlook) -> Iterator[Line]:
    """What the sweep takes, if it starts anything."""
    if not outlook["starts"]["runs"]:
        return
    disk = outlook["disk"]
    yield "time", _time(outlook)
    yield "disk", f"up to {bytes_in_words(disk['needed'])}; {bytes_in_words(disk['free'])} are free"
    if outlook["memory"]:
        yield "memory", _memory(outlook["memory"])


def _stale(rows: Sequence[Row]) -> Iterator[Line]:
    stale = sorted({row["stale"] for row in rows if row["stale"] and row["does"] == "skip"})
    if stale:
        yield "stale", f"done, but would be others today: {'; '.join(stale)}; sweep.rerun=stale makes them again"


def _runs(outlook: Outlook) -> str:
    counts = [f"{outlook['counts'][does]} {words}" for does, (_, words, _) in DOES.items() if does in outlook["counts"]]
    drawn = [f"{outlook['to_draw']} to be drawn by {outlook['sampler']}"] if outlook["to_draw"] else []
    total = sum(outlook["counts"].values()) + outlook["to_draw"]
    return f"{total}: {', '.join([*counts, *drawn])}"


def _time(outlook: Outlook) -> str:
    starts, workers = outlook["starts"], outlook["workers"]
    what = f"{_count(starts['runs'], 'run')}, {_count(starts['steps'], 'step')}"
    if starts["budget"]:
        what += f", as sweep.budget={starts['budget']} allows"
    if workers["launcher"]:
        who = f"if run here, {workers['count']} at a time; hydra/launcher={workers['launcher']} has its own ways"
    else:
        who = f"{workers['count']} at a time" if workers["count"] > 1 else "one after the other"
    spent = "not tried" if starts["seconds"] is None else f"about {seconds_in_words(starts['seconds'])}"
    return f"{spent} ({what}, {who})"


def _memory(memory: Outlook) -> str:
    each, room = bytes_in_words(memory["run"]), bytes_in_words(memory["room"])
    together = memory["together"]
    all_of_them = f", {bytes_in_words(memory['at_once'])} for {together} at a time" if together > 1 else ""
    place = "" if memory["device"] == "cpu" else " on a GPU"
    fits = memory["at_once"] <= memory["room"]
    advice = "" if fits else ": too much. Say a smaller sweep.workers, or a smaller batch_size with a larger accumulate"
    return f"up to {each} a run{all_of_them}; {room} are available{place}{advice}"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"
