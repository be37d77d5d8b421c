"""What `hone plan` shows: the run in a few lines, and its memory as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from hone.core.paths import relative_to_cwd
from hone.core.wording import bytes_in_words, seconds_in_words

_PARTS = {
    "process": "Python, libraries, rows",
    "kernels": "compiled kernels",
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "the optimiser's memory",
    "average": "averaged weights",
    "activations": "activations and scratch",
    "best": "the best weights, read back",
}

Found = Mapping[str, Any]


def screen(found: Found, advice: str) -> None:
    """On standard output."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{found['name']}  {found['identity']}[/bold]")
    for name, line in _lines(found):
        console.print(f"[bold]{name:10}[/bold]  ", end="")
        console.print(line, markup=False)
    console.print(_memory(found["memory"]))
    if advice:
        console.print(advice, markup=False)


def _lines(found: Found) -> Iterator[tuple[str, str]]:
    size, course, tokens = found["parameters"], found["course"], found["tokens"]
    data, checkpoint, monitor, task = found["data"], found["checkpoint"], found["monitor"], found["task"]
    yield from _going_on(found["goes_on_with"])
    rows = ", ".join(f"{count:,} {split}" for split, count in data["rows"].items())
    yield "data", f"{data['name']} ({rows})"
    labels = f", {task['labels']} labels" if task["labels"] else ""
    yield "task", f"{task['name']} ({task['kind']}{labels})"
    absent = "" if checkpoint["at_hand"] else "; its weights are not on this machine yet"
    yield "checkpoint", f"{checkpoint['name']} ({size['total']:,} parameters, {size['trainable']:,} learn{absent})"
    yield "monitor", f"{monitor['name']}, {'higher' if monitor['higher_is_better'] else 'lower'} is better"
    each = f", {found['devices']} processes" if found["devices"] > 1 else ""
    yield "precision", f"{found['precision']} on {found['device']}{each}"
    yield (
        "steps",
        (
            f"{course['steps']:,} in {course['epochs']:g} epochs of {course['steps_per_epoch']:,}; an epoch has "
            f"{course['examples']['train']:,} examples in {course['batches_per_epoch']:,} batches; "
            f"{_count(course['evaluations'], 'evaluation')}"
        ),
    )
    yield (
        "tokens",
        f"{tokens['epoch']:,} an epoch; of padded batches {tokens['padding']:.0%} is padding; {_way(tokens)}",
    )
    yield "time", _time(found["time"])
    yield "disk", _disk(found["disk"])


def _going_on(run: Found | None) -> Iterator[tuple[str, str]]:
    if run is not None:
        does = "is finished and would only be shown" if run["state"] == "finished" else "would be gone on with"
        yield "run", f"{relative_to_cwd(run['folder'])} {does}"


def _way(tokens: Found) -> str:
    if tokens["packed"]:
        return "the layers see none of it (packed)"
    return f"batches are padded: {tokens['padded_because']}"


def _time(time: Found | None) -> str:
    if time is None:
        return "not tried"
    words = {name: seconds_in_words(seconds) for name, seconds in time.items()}
    return (
        f"about {words['total']} in all; {words['step']} a step, {words['epoch']} an epoch, "
        f"{words['evaluation']} an evaluation"
    )


def _disk(disk: Found) -> str:
    free, needed = bytes_in_words(disk["free"]), bytes_in_words(disk["needed"])
    return f"up to {needed}, checkpoints of {bytes_in_words(disk['checkpoint'])} each; {free} are free"


def _memory(memory: Found) -> Table:
    table = Table("memory", show_footer=False)
    table.add_column("estimated", justify="right")
    for name, words in _PARTS.items():
        if memory[name]:
            table.add_row(words, bytes_in_words(memory[name]))
    table.add_section()
    table.add_row("in all", bytes_in_words(memory["total"]), style="bold")
    if memory["measured"] is not None:
        table.add_row("measured", bytes_in_words(memory["measured"]), style="bold")
    table.add_row("available", bytes_in_words(memory["room"]))
    return table


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"
