"""The tables of a comparison: csv, Markdown, LaTeX and JSON for other programs, and a table for the terminal."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from hone.core.errors import join_names
from hone.core.foreign_text import csv_line, for_json, for_latex, for_markdown
from hone.core.screen import make_console
from hone.reports.comparison import Comparison, Contrast
from hone.reports.groups import RankingMetric, RunGroup
from hone.reports.runs import RunEntry
from hone.reports.verdict import format_number, verdict

TableRow = dict[str, Any]

_GAP = 2
"""The space between two columns on a terminal."""
_FOLD_AT = 16
"""A column of words can be folded down to this width."""


def configuration_rows(comparison: Comparison) -> list[TableRow]:
    """List one row per configuration, with numbers at full precision and None for missing ones."""
    by_group = {id(contrast.group): contrast for contrast in comparison.contrasts}
    return [_row(comparison, group, by_group.get(id(group))) for group in comparison.groups]


def _row(comparison: Comparison, group: RunGroup, contrast: Contrast | None) -> TableRow:
    summary = group.summary
    others = {name: group.summarize(RankingMetric(name, True)).mean for name in other_scores(comparison)}
    return {
        **group.values,
        "runs": len(group.entries),
        "finished": summary.count,
        "mean": _none_if_nan(summary.mean),
        "std": _none_if_nan(summary.deviation),
        "low": _none_if_nan(summary.mean - summary.margin),
        "high": _none_if_nan(summary.mean + summary.margin),
        "best": _none_if_nan(summary.best),
        "worst": _none_if_nan(summary.worst),
        "p_seeds": contrast.p_seeds if contrast else None,
        "p_examples": contrast.p_examples if contrast else None,
        **{name: _none_if_nan(mean) for name, mean in others.items()},
    }


def other_scores(comparison: Comparison) -> list[str]:
    """Name the same score of the other splits. The score that chose a model's weights is too optimistic about it."""
    split, _, name = comparison.metric.name.partition("/")
    available = {score for entry in comparison.entries for score in entry.scores}
    return [f"{other}/{name}" for other in ("validation", "test") if other != split and f"{other}/{name}" in available]


def as_csv(comparison: Comparison) -> str:
    rows = configuration_rows(comparison)
    return "".join(map(csv_line, (rows[0], *(row.values() for row in rows))))


def as_markdown(comparison: Comparison) -> str:
    head, body = display_rows(comparison)
    head, *body = ([for_markdown(cell) for cell in line] for line in (head, *body))
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def as_latex(comparison: Comparison) -> str:
    """Write a table for the LaTeX package booktabs."""
    head, body = display_rows(comparison)
    lines = [" & ".join(for_latex(cell) for cell in line) + r" \\" for line in (head, *body)]
    columns = "l" * len(comparison.configuration_keys) + "r" * (len(head) - len(comparison.configuration_keys))
    parts = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    return "\n".join([*parts, r"\end{tabular}"]) + "\n"


def as_json(comparison: Comparison) -> str:
    content = {
        "metric": asdict(comparison.metric),
        "keys": comparison.keys,
        "notes": list(comparison.notes),
        "verdict": verdict(comparison),
        "configurations": configuration_rows(comparison),
        "contrasts": [_contrast(contrast) for contrast in comparison.contrasts],
        "runs": [_run(comparison, entry) for entry in comparison.entries],
    }
    return for_json(content, indent=2) + "\n"


def display_rows(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Return a heading and rows of text for people. No score is bold: the verdict says in words whether the best one
    stands out."""
    others = other_scores(comparison)
    keys, metric = comparison.configuration_keys, comparison.metric.name
    head = [*keys, "n", metric, "95 %", "best", "worst", "p seeds", "p examples", *others]
    body = []
    for row in configuration_rows(comparison):
        mean = _format_optional(row["mean"])
        if row["std"] is not None:
            mean = f"{mean} ± {_format_optional(row['std'])}"
        margin = "–" if row["high"] is None else f"± {_format_optional(row['high'] - row['mean'])}"
        cells = [*(row[key] for key in keys), str(row["finished"]), mean, margin]
        cells += [_format_optional(row[name]) for name in ("best", "worst")]
        cells += [_format_p(row[name]) for name in ("p_seeds", "p_examples")]
        cells += [_format_optional(row[name]) for name in others]
        body.append(cells)
    return head, body


def _format_p(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _format_optional(value: float | None) -> str:
    return "–" if value is None else format_number(value)


def _none_if_nan(value: float) -> float | None:
    return None if math.isnan(value) else value


def _contrast(contrast: Contrast) -> Mapping[str, Any]:
    return {
        "configuration": contrast.group.values,
        "by_seeds": asdict(contrast.seeds) | {"needed": contrast.needed} | {"p_corrected": contrast.p_seeds},
        "by_examples": asdict(contrast.examples) | {"p_corrected": contrast.p_examples} if contrast.examples else None,
    }


def _run(comparison: Comparison, entry: RunEntry) -> Mapping[str, Any]:
    return {
        "folder": entry.folder,
        "state": entry.state,
        "reason": entry.reason or None,
        "settings": {key: entry.settings.get(key) for key in comparison.keys},
        "scores": entry.scores,
        "seconds": entry.seconds,
    }


FORMATS: Mapping[str, Callable[[Comparison], str]] = {
    "csv": as_csv, "markdown": as_markdown, "latex": as_latex, "json": as_json,
}  # fmt: skip


def print_comparison(comparison: Comparison) -> None:
    """Print the table, the notes and the verdict."""
    console = make_console()
    better = "higher" if comparison.metric.higher_is_better else "lower"
    states = Counter(entry.state for entry in comparison.entries)
    counts = ", ".join(f"{count} {state}" for state, count in states.most_common())
    title = f"{comparison.about.title}: {len(comparison.entries)} runs ({counts})"
    console.print(Text(title), style="bold", soft_wrap=True)
    console.print(Text(f"by {comparison.metric.name}, {better} is better"), style="dim", soft_wrap=True)
    console.print(_table(comparison, console.width))
    for line in (*_joint_changes(comparison), *comparison.notes):
        console.print(Text(line), style="dim", soft_wrap=True)
    for line in verdict(comparison):
        console.print(Text(line), soft_wrap=True)


def _table(comparison: Comparison, width: int) -> Table:
    """Build the table for a terminal. Words may be folded, numbers may not. Columns that a narrow terminal has no room
    for are left out, the least important first."""
    head, body = display_rows(comparison)
    columns = {name: [cells[place] for cells in body] for place, name in enumerate(head)}
    for name in [*reversed(other_scores(comparison)), "worst", "best", "95 %"]:
        if sum(_width(comparison, *column) for column in columns.items()) > width:
            del columns[name]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for name, cells in columns.items():
        heading = Text(_heading(comparison, name))
        if name in comparison.configuration_keys:
            table.add_column(heading, overflow="fold", min_width=_width(comparison, name, cells) - _GAP)
        else:
            table.add_column(heading, justify="right", overflow="fold", no_wrap=True)
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    return table


def _heading(comparison: Comparison, name: str) -> str:
    """Break a key after its dots, and the name of a number at its spaces and slashes."""
    if name in comparison.configuration_keys:
        return name.replace(".", ".\n")
    short = name.removeprefix("validation/") if name == comparison.metric.name else name
    return short if short == "95 %" else short.replace(" ", "\n").replace("/", "/\n")


def _width(comparison: Comparison, name: str, cells: Sequence[str]) -> int:
    """Return the width that a column needs. A column of words can be folded."""
    longest = max(map(len, [*_heading(comparison, name).split("\n"), *cells]))
    is_words = name in comparison.configuration_keys
    return _GAP + (min(longest, _FOLD_AT) if is_words else longest)


def _joint_changes(comparison: Comparison) -> list[str]:
    """Say which keys change along with which."""
    lines = []
    for key, others in comparison.keys.items():
        if others:
            verb = "changes" if len(others) == 1 else "change"
            lines.append(f"{join_names(others, 8)} {verb} along with {key}")
    return lines
