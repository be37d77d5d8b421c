"""The data of the page, as JSON can store it."""

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
from hone.comparison.pareto import pareto_front
from hone.comparison.reruns import commands
from hone.comparison.runs import SEED, Entry
from hone.comparison.verdict import verdict
from hone.core.paths import shown
from hone.runs.record import now

_POINTS = 8000
"""The limit for all curves of one number together."""


def story(comparison: Comparison) -> dict[str, Any]:
    """Collect the data. Missing numbers are None."""
    names = _curve_names(comparison)
    most = min(max(_POINTS // max(len(comparison.entries), 1), 16), 150)
    courses = [course(entry, names, most) for entry in comparison.entries]
    group_of = {id(entry): place for place, group in enumerate(comparison.groups) for entry in group.entries}
    data: dict[str, Any] = plain(
        {
            "title": comparison.about.title,
            "state": comparison.about.state,
            "sampler": comparison.about.sampler,
            "written": now(),
            "seconds": _wall_time(comparison),
            "metric": asdict(comparison.metric),
            "others": other_scores(comparison),
            "keys": comparison.apart,
            "has_seeds": SEED in comparison.keys,
            "states": Counter(entry.state for entry in comparison.entries),
            "verdict": verdict(comparison),
            "notes": list(comparison.notes),
            "curves": [name for name in names if any(name in journal.curves for journal in courses)],
            "runs": [
                _run(comparison, entry, journal, group_of[id(entry)])
                for entry, journal in zip(comparison.entries, courses, strict=True)
            ],
            "groups": _groups(comparison),
            "importance": [
                asdict(each) for each in importances(comparison.entries, list(comparison.keys), comparison.metric.name)
            ],
            "budget": best_so_far(comparison.entries, comparison.metric, comparison.about.started),
            "front": _front(comparison),
            "failures": [_failure(failure) for failure in failures(comparison.entries)],
            "commands": commands(comparison),
        }
    )
    return data


def _wall_time(comparison: Comparison) -> float | None:
    """The duration of the sweep. A sweep that was only continued knows the time of its last command, which is no such
    duration if a single run took longer."""
    seconds = comparison.about.seconds
    longest = max((entry.seconds or 0.0 for entry in comparison.entries), default=0.0)
    return seconds if seconds is not None and seconds >= longest else None


def _curve_names(comparison: Comparison) -> list[str]:
    split, _, name = comparison.metric.name.partition("/")
    wanted = comparison.metric.name if split == "train" else f"validation/{name}"
    return list(dict.fromkeys([wanted, "validation/loss", "train/loss"]))


def _run(comparison: Comparison, entry: Entry, journal: Course, group: int) -> dict[str, Any]:
    return {
        "name": entry.label,
        "number": entry.number,
        "group": group,
        "state": entry.state,
        "reason": entry.reason[:500],
        "seed": entry.seed,
        "values": values_of(entry, comparison.apart),
        "value": entry.value(comparison.metric.name),
        "others": [entry.value(name) for name in other_scores(comparison)],
        "seconds": entry.seconds,
        "folder": shown(entry.folder) if entry.folder else "",
        "command": entry.command,
        "curves": journal.curves,
        "parts": parts(entry, journal),
    }


def _groups(comparison: Comparison) -> list[dict[str, Any]]:
    by_group = {id(contrast.group): contrast for contrast in comparison.contrasts}
    return [_group(group) | _tests(by_group.get(id(group))) for group in comparison.groups]


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


def _front(comparison: Comparison) -> dict[str, Any] | None:
    """The objectives with the numbers of every finished run, and the places of the runs on the Pareto front."""
    front = pareto_front(comparison.entries)
    if front is None:
        return None
    numbers = [[entry.number_of(name) for name in front.objectives] for entry in comparison.entries]
    best = [place for place, entry in enumerate(comparison.entries) if any(entry is each for each in front.runs)]
    return {"objectives": list(front.objectives.items()), "numbers": numbers, "runs": best}


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


def plain(value: Any) -> Any:
    """Round numbers to what a page shows, and turn NaN, which JSON lacks, into None."""
    if isinstance(value, float):
        return rounded(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value
    return [plain(item) for item in value]
