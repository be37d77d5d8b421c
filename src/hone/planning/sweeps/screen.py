"""What `hone plan -m` shows: the sweep in a few lines, then its runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.text import Text

from hone.core.paths import shown
from hone.core.wording import bytes_in_words, seconds_in_words
from hone.planning.sweeps.table import COLUMNS, DOES, Row, print_runs

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
    yield "folder", shown(outlook["folder"])
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
