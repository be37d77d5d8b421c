"""The comparison for other programs: csv, markdown, LaTeX, JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from hone.comparison.collection import Comparison
from hone.comparison.contrast import Contrast
from hone.comparison.groups import Group, Metric
from hone.comparison.runs import Entry
from hone.comparison.verdict import number, verdict

Row = dict[str, Any]

_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)


def rows(told: Comparison) -> list[Row]:
    """A row a configuration, numbers at full length; None where there is nothing to say."""
    by_group = {id(contrast.group): contrast for contrast in told.contrasts}
    return [_row(told, group, by_group.get(id(group))) for group in told.groups]


def _row(told: Comparison, group: Group, contrast: Contrast | None) -> Row:
    summary = group.summary
    others = {name: group.of(Metric(name, True)).mean for name in other_scores(told)}
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
    found, text = rows(told), io.StringIO()
    writer = csv.DictWriter(text, list(found[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: "" if value is None else value for key, value in row.items()} for row in found)
    return text.getvalue()


def as_markdown(told: Comparison) -> str:
    head, body = compact(told)
    lines = [head, ["---"] * len(head), *body]
    return "".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |\n" for line in lines)


def as_latex(told: Comparison) -> str:
    """A `booktabs` table."""
    head, body = compact(told)
    lines = [" & ".join(_latex(cell) for cell in line) + r" \\" for line in (head, *body)]
    columns = "l" * len(told.apart) + "r" * (len(head) - len(told.apart))
    parts = [rf"\begin{{tabular}}{{{columns}}}", r"\toprule", lines[0], r"\midrule", *lines[1:], r"\bottomrule"]
    return "\n".join([*parts, r"\end{tabular}"]) + "\n"


def as_json(told: Comparison) -> str:
    story = {
        "metric": asdict(told.metric),
        "keys": told.keys,
        "notes": list(told.notes),
        "verdict": verdict(told),
        "configurations": rows(told),
        "contrasts": [_contrast(contrast) for contrast in told.contrasts],
        "runs": [_run(told, entry) for entry in told.entries],
    }
    return json.dumps(story, indent=2, ensure_ascii=False, default=str) + "\n"


def compact(told: Comparison) -> tuple[list[str], list[list[str]]]:
    """For people: a heading and cells; nothing is bold, for whether that is deserved is said in words."""
    others = other_scores(told)
    head = [*told.apart, "n", told.metric.name, "95 %", "best", "worst", "p seeds", "p examples", *others]
    body = []
    for row in rows(told):
        mean = f"{_told(row['mean'])} ± {_told(row['std'])}" if row["std"] is not None else _told(row["mean"])
        margin = "–" if row["high"] is None else f"± {_told(row['high'] - row['mean'])}"
        cells = [*(row[key] for key in told.apart), str(row["finished"]), mean, margin]
        cells += [_told(row[name]) for name in ("best", "worst")]
        cells += [_chance(row[name]) for name in ("p_seeds", "p_examples")]
        body.append([*cells, *(_told(row[name]) for name in others)])
    return head, body


def _chance(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}" if value >= 0.001 else "< 0.001"


def _told(value: float | None) -> str:
    return "–" if value is None else number(value)


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


def _run(told: Comparison, entry: Entry) -> Mapping[str, Any]:
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
