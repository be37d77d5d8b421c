"""What `hone plan -m` shows: the sweep in a few lines, then its runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from hone.paths import shown
from hone.planning.sweeps.table import COLUMNS, DOES, print_runs
from hone.planning.units import bytes_in_words, seconds_in_words

Found = Mapping[str, Any]


def screen(found: Found) -> None:
    """On standard output."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text(found["name"], style="bold"))
    for name, line in _lines(found):
        console.print(Text.assemble((f"{name:10}  ", "bold"), line))
    if found["runs"]:
        print_runs(found["runs"], console)


def _lines(found: Found) -> Iterator[tuple[str, str]]:
    yield "folder", shown(found["folder"])
    yield "runs", _runs(found)
    if found["monitor"]:
        better = "higher" if found["monitor"]["higher_is_better"] else "lower"
        pruned = f"; {found['pruner']} may stop runs earlier" if found["pruner"] != "never" else ""
        yield "judged by", f"{found['monitor']['name']}, {better} is better{pruned}"
    starts, disk = found["starts"], found["disk"]
    each = [spread for column in COLUMNS if (spread := column.spread([*found["runs"], *found["examples"]]))]
    if each:
        yield "each run", ", ".join(each)
    if starts["runs"]:
        yield "time", _time(found)
        yield "disk", f"up to {bytes_in_words(disk['needed'])}; {bytes_in_words(disk['free'])} are free"
    if found["memory"] and starts["runs"]:
        yield "memory", _memory(found["memory"])
    for line in found["advice"]:
        yield "note", line
    stale = sorted({row["stale"] for row in found["runs"] if row["stale"] and row["does"] == "skip"})
    if stale:
        yield "stale", f"done, but would be others today: {'; '.join(stale)}; sweep.rerun=stale makes them again"


def _runs(found: Found) -> str:
    counts = [f"{found['counts'][does]} {words}" for does, (_, words, _) in DOES.items() if does in found["counts"]]
    drawn = [f"{found['to_draw']} to be drawn by {found['sampler']}"] if found["to_draw"] else []
    total = sum(found["counts"].values()) + found["to_draw"]
    return f"{total}: {', '.join([*counts, *drawn])}"


def _time(found: Found) -> str:
    starts, workers = found["starts"], found["workers"]
    what = f"{_count(starts['runs'], 'run')}, {_count(starts['steps'], 'step')}"
    if starts["budget"]:
        what += f", as sweep.budget={starts['budget']} allows"
    if workers["launcher"]:
        who = f"if run here, {workers['count']} at a time; hydra/launcher={workers['launcher']} has its own ways"
    else:
        who = f"{workers['count']} at a time" if workers["count"] > 1 else "one after the other"
    spent = "not tried" if starts["seconds"] is None else f"about {seconds_in_words(starts['seconds'])}"
    return f"{spent} ({what}, {who})"


def _memory(memory: Found) -> str:
    each, room = bytes_in_words(memory["run"]), bytes_in_words(memory["room"])
    together = memory["together"]
    all_of_them = f", {bytes_in_words(memory['at_once'])} for {together} at a time" if together > 1 else ""
    place = "" if memory["device"] == "cpu" else " on a GPU"
    fits = memory["at_once"] <= memory["room"]
    advice = "" if fits else ": too much. Say a smaller sweep.workers, or a smaller batch_size with a larger accumulate"
    return f"up to {each} a run{all_of_them}; there is room for {room}{place}{advice}"


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"
