"""What `hone plan` prints: the run in a few lines, and its memory as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.table import Table
from rich.text import Text

from hone.core.paths import relative_to_cwd
from hone.core.screen import make_console, print_line
from hone.core.wording import bytes_in_words, seconds_in_words

_MEMORY = {
    "process": "Python, libraries, rows",
    "kernels": "compiled kernels",
    "weights": "weights",
    "gradients": "gradients",
    "optimizer": "optimiser state",
    "average": "averaged weights",
    "activations": "activations and temporary tensors",
    "best": "best weights, loaded again",
}

_NOTABLE = 0.1
"""The share of a step from which on it is shown how long its batches take to make."""

Forecast = Mapping[str, Any]
"""What `plan.format=json` prints."""


def print_forecast(forecast: Forecast, advice: str) -> None:
    """Print to standard output."""
    console = make_console(soft_wrap=True)
    console.print(Text(f"{forecast['name']}  {forecast['identity']}", style="bold"))
    for name, line in _lines(forecast):
        print_line(name, line)
    console.print(_memory_table(forecast["memory"]))
    if advice:
        console.print(advice)


def _lines(forecast: Forecast) -> Iterator[tuple[str, str]]:
    data, task, monitor = forecast["data"], forecast["task"], forecast["monitor"]
    yield from _resumed_run(forecast["goes_on_with"])
    rows = ", ".join(f"{count:,} {split}" for split, count in data["rows"].items())
    yield "data", f"{data['name']} ({rows})"
    labels = f", {task['labels']} labels" if task["labels"] else ""
    yield "task", f"{task['name']} ({task['kind']}{labels})"
    yield from _checkpoint(forecast)
    yield "monitor", f"{monitor['name']}, {'higher' if monitor['higher_is_better'] else 'lower'} is better"
    processes = f", {forecast['devices']} processes" if forecast["devices"] > 1 else ""
    yield "precision", f"{forecast['precision']} on {forecast['device']}{processes}"
    yield "steps", _steps(forecast["course"])
    yield forecast["tokens"]["unit"], _tokens(forecast["tokens"])
    yield "time", _time(forecast["time"])
    yield "disk", _disk(forecast["disk"])


def _resumed_run(run: Forecast | None) -> Iterator[tuple[str, str]]:
    if run is not None:
        finished = run["state"] == "finished"
        action = "is finished and would only be shown" if finished else "would be resumed"
        yield "run", f"{relative_to_cwd(run['folder'])} {action}"


def _checkpoint(forecast: Forecast) -> Iterator[tuple[str, str]]:
    """One line on the checkpoint, then one each on weights that are newly initialised and on weights left unused."""
    checkpoint, parameters = forecast["checkpoint"], forecast["parameters"]
    missing = "" if checkpoint["at_hand"] else "; its weights are not on this machine yet"
    counts = f"{parameters['total']:,} parameters, {parameters['trainable']:,} trainable{missing}"
    yield "checkpoint", f"{checkpoint['name']} ({counts})"
    for line in checkpoint["loading"]:
        yield "", line


def _steps(course: Forecast) -> str:
    return (
        f"{course['steps']:,} in {course['epochs']:g} epochs of {course['steps_per_epoch']:,}; an epoch has "
        f"{course['examples']['train']:,} examples in {course['batches_per_epoch']:,} batches; "
        f"{_count(course['evaluations'], 'evaluation')}"
    )


def _tokens(tokens: Forecast) -> str:
    if not tokens["padding"]:
        return f"{tokens['epoch']:,} per epoch; batches need no padding"
    if tokens["packed"] is None:
        batches = "a run tries whether its layers need it"
    elif tokens["packed"]:
        batches = "the layers see none of it (packed)"
    else:
        batches = f"batches are padded: {tokens['padded_because']}"
    return f"{tokens['epoch']:,} per epoch; {tokens['padding']:.0%} of padded batches is padding; {batches}"


def _time(time: Forecast | None) -> str:
    if time is None:
        return "not tried"
    words = {name: seconds_in_words(seconds) for name, seconds in time.items()}
    making = f" (making its batches: {words['batches']})" if time["batches"] > _NOTABLE * time["step"] else ""
    return (
        f"about {words['total']} in total; {words['step']} per step{making}, {words['epoch']} per epoch, "
        f"{words['evaluation']} per evaluation"
    )


def _disk(disk: Forecast) -> str:
    free, needed = bytes_in_words(disk["free"]), bytes_in_words(disk["needed"])
    return f"up to {needed}, in checkpoints of {bytes_in_words(disk['checkpoint'])} each; {free} are free"


def _memory_table(memory: Forecast) -> Table:
    table = Table("memory", show_footer=False)
    table.add_column("estimated", justify="right")
    for name, words in _MEMORY.items():
        if memory[name]:
            table.add_row(words, bytes_in_words(memory[name]))
    table.add_section()
    table.add_row("total", bytes_in_words(memory["total"]), style="bold")
    if memory["measured"] is not None:
        table.add_row("measured", bytes_in_words(memory["measured"]), style="bold")
    table.add_row("available", bytes_in_words(memory["room"]))
    return table


def _count(number: int, word: str) -> str:
    return f"{number:,} {word}{'s' * (number != 1)}"
