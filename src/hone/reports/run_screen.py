"""The last screen of a run: its scores beside the baseline, its folder, and the next commands."""

from __future__ import annotations

import math
import shlex
from collections.abc import Iterator, Mapping

from rich.table import Table
from rich.text import Text

from hone.core.paths import relative_to_cwd
from hone.core.screen import make_console, print_line
from hone.runs.record import Record, scores_of_split

_FEW = 4
"""The scores of up to this many classes are all shown."""
_LOWEST = 3


def print_run_summary(record: Record, advice: str | None) -> None:
    """Print a table of scores and a few facts."""
    console = make_console(soft_wrap=True)
    scores, baseline = record["scores"], record["baseline"]
    columns: dict[str, Mapping[str, float]] = {}
    for split in ("validation", "test"):
        if scores_of_split(scores, split):
            columns |= {split: scores_of_split(scores, split), f"{split} baseline": scores_of_split(baseline, split)}
    best = (record["best"] or {}).get("metric", "").removeprefix("validation/")
    console.print(Text(f"{record['group']}  {record['id']}", style="bold"))
    console.print(score_table(columns, best))
    for name, line in _facts(record, advice):
        print_line(name, line)


def score_table(columns: Mapping[str, Mapping[str, float]], best: str = "") -> Table:
    """Show scores side by side. Of the scores of many classes only the lowest are shown, and the score that chose the
    weights (`best`); the run's files have all of them."""
    names, note = _choose_scores(columns, best)
    table = Table(caption=note, caption_justify="left")
    table.add_column("metric")
    for name in columns:
        table.add_column(name, justify="right", style="dim" if "baseline" in name else None)
    for name in names:
        cells = [f"{scores[name]:.4f}" if name in scores else "–" for scores in columns.values()]
        table.add_row(f"{name} *" if name == best else name, *cells)
    return table


def _choose_scores(columns: Mapping[str, Mapping[str, float]], best: str) -> tuple[list[str], str | None]:
    """Return the names to show, and a note about the hidden ones."""
    names = list(dict.fromkeys(name for scores in columns.values() for name in scores))
    first = next(iter(columns.values()), {})
    hidden, notes = set[str](), []
    for metric in dict.fromkeys(name.partition("/")[0] for name in names if "/" in name):
        parts = [name for name in names if name.startswith(f"{metric}/")]
        if len(parts) > _FEW:
            lowest = sorted(parts, key=lambda name: first.get(name, math.inf))[:_LOWEST]
            hidden |= set(parts) - {*lowest, best}
            notes.append(f"{metric}/…: the {_LOWEST} lowest of {len(parts)}")
    return [name for name in names if name not in hidden], "; ".join(notes) or None


def _facts(record: Record, advice: str | None) -> Iterator[tuple[str, str]]:
    best, data, parameters = record["best"] or {}, record["data"], record["parameters"]
    rows = ", ".join(f"{count:,} {split}" for split, count in data["rows"].items())
    folder = relative_to_cwd(record["folder"])
    yield "data", f"{data['name']} ({rows})"
    size = f"{parameters['total']:,} parameters, {parameters['trainable']:,} trainable"
    yield "checkpoint", f"{record['checkpoint']['name']} ({size})"
    yield "precision", record["precision"]
    yield "best *", f"step {best.get('step')} of {record['steps']}, chosen by {best.get('metric')}"
    if record["skipped_steps"]:
        yield "skipped", f"{record['skipped_steps']:,} steps whose loss or gradient was NaN or infinite"
    if record["retries"]:
        yield (
            "retried",
            f"{record['retries']} times with half the learning rate, after a NaN or infinite number",
        )
    if record["left_out_rows"]:
        counts = ", ".join(f"{count:,} × {split}" for split, count in record["left_out_rows"].items())
        yield "left out", f"rows that could not be decoded: {counts}"
    yield "took", f"{record['seconds']:.0f} s"
    yield "folder", folder
    yield "model", f"{folder}/model"
    yield (
        "next",
        f"hone evaluate {shlex.quote(f'run={folder}')}" + ("" if "test" in data["rows"] else " split=validation"),
    )
    yield "", f"hone export {shlex.quote(f'run={folder}')}"
    for place, line in enumerate((advice or "").splitlines()):
        yield "" if place else "tracked", line
