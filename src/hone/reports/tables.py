"""The comparison for other programs: csv, markdown, LaTeX, JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Literal

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from hone.core.errors import join_names
from hone.reports.comparison import Comparison, Contrast
from hone.reports.groups import Group, RankingMetric
from hone.reports.runs import RunEntry
from hone.reports.verdict import format_number, verdict

TableRow = dict[str, Any]

_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)


def configuration_rows(told: Comparison) -> list[TableRow]:
    """A row a configuration, numbers at full length; None where there is nothing to say."""
    by_group = {id(contrast.group): contrast for contrast in told.contrasts}
    return [_row(told, group, by_group.get(id(group))) for group in told.groups]


def _row(told: Comparison, group: Group, contrast: Contrast | None) -> TableRow:
    summary = group.summary
    others = {name: group.summarize(RankingMetric(name, True)).mean for name in other_scores(told)}
    return {
        **group.values,
        "runs": len(group.entries),
        "finished": summary.count,
        "mean": _known(summary.mean),
        "std": _known(summary.deviation),
        "low": _known(summary.mean - summary.margin),
        "high": _known(summary.mean + summary.margin),
        "best": _known(summary.best),
        "worst": _known(summary.worst),
        "p_seeds": contrast.p_seeds if contrast else None,
        "p_examples": contrast.p_examples if contrast else None,
        **{name: _known(mean) for name, mean in others.items()},
    }


def other_scores(told: Comparison) -> list[str]:
    """The same score of the other splits: what chose a model flatters it."""
    split, _, name = told.metric.name.partition("/")
    there = {score for entry in told.entries for score in entry.scores}
    return [f"{other}/{name}" for other in ("validation", "test") if other != split and f"{other}/{name}" in there]


def as_csv(told: Comparison) -> str:
    found, text = configuration_rows(told), io.StringIO()
    writer = csv.DictWriter(text, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in found)
    return text.getvalue()


def as_markdown(told: Comparison) -> str:
    head, body = display_rows(told)
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def as_latex(told: Comparison) -> str:
    """A `booktabs` table."""
    head, body = display_rows(told)
    lines = [" & ".join(_latex(cell) for cell in line) + r" \\" for line in (head, *body)]
    columns = "l" * len(told.configuration_keys) + "r" * (len(head) - len(told.configuration_keys))
    parts = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    return "\n".join([*parts, r"\end{tabular}"]) + "\n"


def as_json(told: Comparison) -> str:
    story = {
        "metric": asdict(told.metric),
        "keys": told.keys,
        "notes": list(told.notes),
        "verdict": verdict(told),
        "configurations": configuration_rows(told),
        "contrasts": [_contrast(contrast) for contrast in told.contrasts],
        "runs": [_run(told, entry) for entry in told.entries],
    }
    return json.dumps(story, indent=2, ensure_ascii=False, default=str) + "\n"


def display_rows(told: Comparison) -> tuple[list[str], list[list[str]]]:
    """For people: a heading and cells; nothing is bold, for whether that is deserved is said in words."""
    others = other_scores(told)
    head = [*told.configuration_keys, "n", told.metric.name, "95 %", "best", "worst", "p seeds", "p examples", *others]
    body = []
    for row in configuration_rows(told):
        mean = f"{_told(row['mean'])} ± {_told(row['std'])}" if row["std"] is not None else _told(row["mean"])
        margin = "–" if row["high"] is None else f"± {_told(row['high'] - row['mean'])}"
        cells = [*(row[key] for key in told.configuration_keys), str(row["finished"]), mean, margin]
        cells += [_told(row[name]) for name in ("best", "worst")]
        cells += [_chance(row[name]) for name in ("p_seeds", "p_examples")]
        body.append([*cells, *(_told(row[name]) for name in others)])
    return head, body


def _chance(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _told(value: float | None) -> str:
    return "–" if value is None else format_number(value)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value


def _latex(cell: str) -> str:
    return cell.translate(_LATEX).replace("±", r"$\pm$").replace("–", "--").replace("< ", "$<$ ")


def _contrast(contrast: Contrast) -> Mapping[str, Any]:
    return {
        "configuration": contrast.group.values,
        "by_seeds": asdict(contrast.seeds) | {"needed": contrast.needed} | {"p_corrected": contrast.p_seeds},
        "by_examples": asdict(contrast.examples) | {"p_corrected": contrast.p_examples} if contrast.examples else None,
    }


def _run(told: Comparison, entry: RunEntry) -> Mapping[str, Any]:
    return {
        "folder": entry.folder,
        "state": entry.state,
        "reason": entry.reason or None,
        "settings": {key: entry.settings.get(key) for key in told.keys},
        "scores": entry.scores,
        "seconds": entry.seconds,
    }


FORMATS: Mapping[str, Callable[[Comparison], str]] = {
    "csv": as_csv, "markdown": as_markdown, "latex": as_latex, "json": as_json,
}  # fmt: skip


_GAP = 2
_WORD = 16


def show(told: Comparison) -> None:
    """The table, the same in everything, the sentences."""
    console = Console(highlight=False)
    better = "higher" if told.metric.higher_is_better else "lower"
    states = Counter(entry.state for entry in told.entries)
    counted = ", ".join(f"{count} {state}" for state, count in states.most_common())
    console.print(Text(f"{told.about.title}: {len(told.entries)} runs ({counted})"), style="bold", soft_wrap=True)
    console.print(Text(f"by {told.metric.name}, {better} is better"), style="dim", soft_wrap=True)
    console.print(_table(told, console.width))
    for line in (*_along(told), *told.notes):
        console.print(Text(line), style="dim", soft_wrap=True)
    for line in verdict(told):
        console.print(Text(line), soft_wrap=True)


def _table(told: Comparison, width: int) -> Table:
    """Words may be folded, numbers not; what a narrow terminal has no room for is left out, the dispensable first."""
    head, body = display_rows(told)
    columns = {name: [cells[place] for cells in body] for place, name in enumerate(head)}
    for name in [*reversed(other_scores(told)), "worst", "best", "95 %"]:
        if sum(_room(told, each, cells) for each, cells in columns.items()) > width:
            del columns[name]
    table = Table(box=SIMPLE_HEAD, padding=(0, 1, 0, 0), show_edge=False)
    for name, cells in columns.items():
        words = name in told.configuration_keys
        justify: Literal["left", "right"] = "left" if words else "right"
        least = _room(told, name, cells) - _GAP if words else None
        table.add_column(
            Text(_heading(told, name)), justify=justify, overflow="fold", no_wrap=not words, min_width=least
        )
    for row in zip(*columns.values(), strict=True):
        table.add_row(*map(Text, row))
    return table


def _heading(told: Comparison, name: str) -> str:
    """A key as it is, the name of a number in short lines."""
    if name in told.configuration_keys:
        return name.replace(".", ".\n")
    short = name.removeprefix("validation/") if name == told.metric.name else name
    return short if short == "95 %" else short.replace(" ", "\n").replace("/", "/\n")


def _room(told: Comparison, name: str, cells: Sequence[str]) -> int:
    """What a column needs; one of words can do with less than it would like."""
    longest = max(map(len, [*_heading(told, name).split("\n"), *cells]))
    return _GAP + (min(longest, _WORD) if name in told.configuration_keys else longest)


def _along(told: Comparison) -> list[str]:
    return [f"{join_names(others, 8)} changes along with {key}" for key, others in told.keys.items() if others]
