"""All that the page shows, as plain data."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hone.comparison.budget import best_so_far
from hone.comparison.collection import Comparison
from hone.comparison.curves import Course, course, parts, rounded
from hone.comparison.failures import failures
from hone.comparison.formats import other_scores
from hone.comparison.groups import Group
from hone.comparison.importance import importances
from hone.comparison.keys import values_of
from hone.comparison.reruns import commands
from hone.comparison.runs import SEED, Entry
from hone.comparison.verdict import verdict
from hone.paths import shown
from hone.runs.record import now

_POINTS = 8000
"""Of all curves together, for each kind of them."""


def story(told: Comparison) -> dict[str, Any]:
    """Numbers as numbers, what is not known as None."""
    names = _curve_names(told)
    most = min(max(_POINTS // max(len(told.entries), 1), 16), 150)
    courses = [course(entry, names, most) for entry in told.entries]
    group_of = {id(entry): place for place, group in enumerate(told.groups) for entry in group.entries}
    plain: dict[str, Any] = known(
        {
            "title": told.about.title,
            "state": told.about.state,
            "sampler": told.about.sampler,
            "written": now(),
            "seconds": told.about.seconds,
            "metric": asdict(told.metric),
            "others": other_scores(told),
            "keys": told.apart,
            "has_seeds": SEED in told.keys,
            "states": Counter(entry.state for entry in told.entries),
            "verdict": verdict(told),
            "notes": list(told.notes),
            "curves": [name for name in names if any(name in journal.curves for journal in courses)],
            "runs": [
                _run(told, entry, journal, group_of[id(entry)])
                for entry, journal in zip(told.entries, courses, strict=True)
            ],
            "groups": _groups(told),
            "importance": [asdict(each) for each in importances(told.entries, list(told.keys), told.metric.name)],
            "budget": best_so_far(told.entries, told.metric, told.about.started),
            "failures": [_failure(failure) for failure in failures(told.entries)],
            "commands": commands(told),
        }
    )
    return plain


def _curve_names(told: Comparison) -> list[str]:
    split, _, name = told.metric.name.partition("/")
    wanted = told.metric.name if split == "train" else f"validation/{name}"
    return list(dict.fromkeys([wanted, "validation/loss", "train/loss"]))


def _run(told: Comparison, entry: Entry, journal: Course, group: int) -> dict[str, Any]:
    return {
        "name": entry.label,
        "number": entry.number,
        "group": group,
        "state": entry.state,
        "reason": entry.reason[:500],
        "seed": entry.seed,
        "values": values_of(entry, told.apart),
        "value": entry.value(told.metric.name),
        "others": [entry.value(name) for name in other_scores(told)],
        "seconds": entry.seconds,
        "folder": shown(entry.folder) if entry.folder else "",
        "command": entry.command,
        "curves": journal.curves,
        "parts": parts(entry, journal),
    }


def _groups(told: Comparison) -> list[dict[str, Any]]:
    by_group = {id(contrast.group): contrast for contrast in told.contrasts}
    return [_group(group) | _tests(by_group.get(id(group))) for group in told.groups]


def _group(group: Group) -> dict[str, Any]:
    summary = group.summary
    return {
        "label": group.label,
        "values": group.values,
        "runs": len(group.entries),
        "count": summary.count,
        "mean": summary.mean,
        "std": summary.deviation,
        "margin": summary.margin,
        "best": summary.best,
        "worst": summary.worst,
    }


def _tests(contrast: Any) -> dict[str, Any]:
    if contrast is None:
        return {"p_seeds": None, "p_examples": None}
    return {"p_seeds": contrast.p_seeds, "p_examples": contrast.p_examples}


def _failure(failure: Any) -> dict[str, Any]:
    return {
        "state": failure.state,
        "cause": failure.cause[:500],
        "runs": [_title(entry) for entry in failure.entries],
        "tail": failure.tail,
        "command": failure.entries[-1].command,
    }


def _title(entry: Entry) -> str:
    number = "" if entry.number is None else f"#{entry.number} "
    return f"{number}{entry.label}"


def known(value: Any) -> Any:
    """JSON has no words for what is not a number, and a page needs no sixteen digits."""
    if isinstance(value, float):
        return rounded(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): known(item) for key, item in value.items()}
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value
    return [known(item) for item in value]
