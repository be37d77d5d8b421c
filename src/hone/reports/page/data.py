"""The data of the page, as JSON can store it."""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from hone.core.paths import relative_to_cwd
from hone.core.redact import BLANK
from hone.reports.comparison import Comparison
from hone.reports.curves import LearningCurves, best_so_far, read_curves, round_for_page, time_parts
from hone.reports.failures import failures
from hone.reports.groups import Group
from hone.reports.importance import importances
from hone.reports.keys import values_of
from hone.reports.pareto import pareto_front
from hone.reports.runs import SEED, RunEntry
from hone.reports.tables import other_scores
from hone.reports.verdict import verdict
from hone.runs.record import now

_MORE, _MOST = 2, 10
_SEEDS = re.compile(r"(?<!\S)seed=(\d+(?:,\d+)*)(?!\S)")
_OF_ONE_RUN = {"resume", "name", SEED}
_PLAIN = re.compile(r"[\w./+-]+")
_REMEDY = f" (replace {BLANK} with the secret that was not stored)"


def next_commands(comparison: Comparison) -> list[dict[str, str]]:
    """What each command does, and the command."""
    about = comparison.about
    lines = [("Run the sweep again: it continues where it stopped and repeats failed runs", about.command)]
    ranked = [group for group in comparison.groups if group.counted]
    if ranked:
        more = _more_seeds(ranked[0], _wanted(comparison))
        # Any other sampler has a study of its own, which refuses a changed command.
        if about.sampler == "grid":
            lines += _wider(about.command, more)
        lines += _of_the_best(ranked[0], more)
    return [{"what": what + _REMEDY * (BLANK in line), "line": line} for what, line in lines if line]


def _wider(command: str, more: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The sweep's command with more seeds, if it names its seeds one by one."""
    if more and _SEEDS.search(command):
        wider = _SEEDS.sub(lambda seeds: f"{seeds[0]},{','.join(more)}", command)
        yield f"Run the sweep with {_seeds(more)} for every configuration", wider


def _of_the_best(best: Group, more: Sequence[str]) -> Iterator[tuple[str, str]]:
    ordered = sorted(best.counted, key=lambda entry: entry.value(best.metric.name))
    entry = ordered[-1 if best.metric.higher_is_better else 0]
    if entry.folder is not None and entry.overrides and more:
        yield f"Train {_seeds(more)} for the best configuration only", _with_seeds(entry, more)
    yield "Train the best run again", entry.command
    if entry.folder is not None:
        run = _word("run", relative_to_cwd(entry.folder))
        yield "Show what the best run gets wrong", f"hone evaluate {run}"
        yield "Export the best model as a folder with its model card", f"hone export {run}"


def _with_seeds(entry: RunEntry, seeds: Sequence[str]) -> str:
    """All overrides of the run, with these seeds and without those of its sweep. Several seeds make a sweep."""
    words = [word for word in entry.overrides if not _is_left_out(word)]
    several = ["-m"] if len(seeds) > 1 else []
    return shlex.join(["hone", "train", *several, *words, f"{SEED}={','.join(seeds)}"])


def _is_left_out(word: str) -> bool:
    key = word.lstrip("+~").partition("=")[0]
    return key in _OF_ONE_RUN or re.split(r"[./]", key)[0] == "sweep"


def _word(key: str, value: str) -> str:
    """An override for a shell. Hydra wants its own quotes around what is not a plain word."""
    if _PLAIN.fullmatch(value):
        return f"{key}={value}"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return shlex.quote(f"{key}='{escaped}'")


def _seeds(seeds: Sequence[str]) -> str:
    return f"{len(seeds)} more seed{'s' * (len(seeds) != 1)}"


def _more_seeds(best: Group, count: int) -> list[str]:
    """The next seeds that the configuration has not had."""
    used = [int(seed) for seed in best.seeds if seed.isdigit()]
    first = max(used, default=-1) + 1
    return [str(seed) for seed in range(first, first + count)]


def _wanted(comparison: Comparison) -> int:
    """As many seeds as would settle the nearest open question, within reason."""
    undecided = next((each for each in comparison.contrasts if not each.beaten), None)
    needed = undecided.needed if undecided else None
    return min(max(needed - undecided.seeds.count, 1), _MOST) if undecided and needed else _MORE


_POINTS = 8000
"""The limit for all curves of one number together."""


def page_data(comparison: Comparison) -> dict[str, Any]:
    """Collect the data. Missing numbers are None."""
    names = _curve_names(comparison)
    most = min(max(_POINTS // max(len(comparison.entries), 1), 16), 150)
    courses = [read_curves(entry, names, most) for entry in comparison.entries]
    group_of = {id(entry): place for place, group in enumerate(comparison.groups) for entry in group.entries}
    data: dict[str, Any] = to_plain(
        {
            "title": comparison.about.title,
            "state": comparison.about.state,
            "sampler": comparison.about.sampler,
            "written": now(),
            "seconds": _wall_time(comparison),
            "metric": asdict(comparison.metric),
            "others": other_scores(comparison),
            "keys": comparison.configuration_keys,
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
            "commands": next_commands(comparison),
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


def _run(comparison: Comparison, entry: RunEntry, journal: LearningCurves, group: int) -> dict[str, Any]:
    return {
        "name": entry.label,
        "number": entry.number,
        "group": group,
        "state": entry.state,
        "reason": entry.reason[:500],
        "seed": entry.seed,
        "values": values_of(entry, comparison.configuration_keys),
        "value": entry.value(comparison.metric.name),
        "others": [entry.value(name) for name in other_scores(comparison)],
        "seconds": entry.seconds,
        "folder": relative_to_cwd(entry.folder) if entry.folder else "",
        "command": entry.command,
        "curves": journal.curves,
        "parts": time_parts(entry, journal),
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


def _title(entry: RunEntry) -> str:
    number = "" if entry.number is None else f"#{entry.number} "
    return f"{number}{entry.label}"


def to_plain(value: Any) -> Any:
    """Round numbers to what a page shows, and turn NaN, which JSON lacks, into None."""
    if isinstance(value, float):
        return round_for_page(value) if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, str) or not isinstance(value, Sequence):
        return value
    return [to_plain(item) for item in value]
