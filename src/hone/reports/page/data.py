"""The data of the page: plain values that JSON can store."""

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
from hone.reports.failures import group_failures
from hone.reports.groups import RunGroup
from hone.reports.importance import importances
from hone.reports.keys import values_of
from hone.reports.pareto import pareto_front
from hone.reports.runs import SEED, RunEntry
from hone.reports.tables import other_scores
from hone.reports.verdict import verdict
from hone.runs.record import now

_DEFAULT_SEEDS, _MOST_SEEDS = 2, 10
"""The number of seeds that a command adds if no question is open, and the most that it adds."""
_POINTS = 8000
"""The limit for all curves of one number together."""
_SEEDS = re.compile(r"(?<!\S)seed=(\d+(?:,\d+)*)(?!\S)")
_SINGLE_RUN_KEYS = {"resume", "name", SEED}
_PLAIN_WORD = re.compile(r"[\w./+-]+")
_REMEDY = f" (replace {BLANK} with the secret that was not stored)"


def next_commands(comparison: Comparison) -> list[dict[str, str]]:
    """List the commands that the page offers, each with what it does."""
    about = comparison.about
    lines = [("Run the sweep again: it continues where it stopped and repeats failed runs", about.command)]
    ranked = [group for group in comparison.groups if group.counted]
    if ranked:
        more = _more_seeds(ranked[0], _seeds_to_add(comparison))
        # Any other sampler keeps a study, which refuses a changed command.
        if about.sampler == "grid":
            lines += _with_more_seeds(about.command, more)
        lines += _for_best(ranked[0], more)
    return [{"what": what + _REMEDY * (BLANK in line), "line": line} for what, line in lines if line]


def _with_more_seeds(command: str, more: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Add seeds to the sweep's command, if it lists its seeds one by one."""
    if more and _SEEDS.search(command):
        wider = _SEEDS.sub(lambda seeds: f"{seeds[0]},{','.join(more)}", command)
        yield f"Run the sweep with {_count_seeds(more)} for every configuration", wider


def _for_best(best: RunGroup, more: Sequence[str]) -> Iterator[tuple[str, str]]:
    """List the commands for the best run of the best configuration."""
    ascending = sorted(best.counted, key=lambda entry: entry.value(best.metric.name))
    entry = ascending[-1 if best.metric.higher_is_better else 0]
    if entry.folder is not None and entry.overrides and more:
        yield f"Train {_count_seeds(more)} for the best configuration only", _train_with_seeds(entry, more)
    yield "Train the best run again", entry.command
    if entry.folder is not None:
        run = _as_override("run", relative_to_cwd(entry.folder))
        yield "Show what the best run gets wrong", f"hone evaluate {run}"
        yield "Export the best model as a folder with its model card", f"hone export {run}"


def _train_with_seeds(entry: RunEntry, seeds: Sequence[str]) -> str:
    """Write the command of the run with these seeds instead of its own, and without its sweep. Several seeds make a
    sweep."""
    words = [word for word in entry.overrides if not _is_left_out(word)]
    multirun = ["-m"] if len(seeds) > 1 else []
    return shlex.join(["hone", "train", *multirun, *words, f"{SEED}={','.join(seeds)}"])


def _is_left_out(word: str) -> bool:
    key = word.lstrip("+~").partition("=")[0]
    return key in _SINGLE_RUN_KEYS or re.split(r"[./]", key)[0] == "sweep"


def _as_override(key: str, value: str) -> str:
    """Write an override for a shell. Inside the shell's quotes Hydra wants its own, except around a plain word."""
    if _PLAIN_WORD.fullmatch(value):
        return f"{key}={value}"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return shlex.quote(f"{key}='{escaped}'")


def _count_seeds(seeds: Sequence[str]) -> str:
    return f"{len(seeds)} more seed{'s' * (len(seeds) != 1)}"


def _more_seeds(best: RunGroup, count: int) -> list[str]:
    """Choose the next seeds that the configuration has not had."""
    used = [int(seed) for seed in best.seeds if seed.isdigit()]
    first = max(used, default=-1) + 1
    return [str(seed) for seed in range(first, first + count)]


def _seeds_to_add(comparison: Comparison) -> int:
    """Return the number of seeds that would decide the comparison with the nearest undecided rival, within limits."""
    undecided = next((contrast for contrast in comparison.contrasts if not contrast.beaten), None)
    if undecided is None or not undecided.needed:
        return _DEFAULT_SEEDS
    return min(max(undecided.needed - undecided.seeds.count, 1), _MOST_SEEDS)


def page_data(comparison: Comparison) -> dict[str, Any]:
    """Collect the data. Missing numbers are None."""
    names = _curve_names(comparison)
    points = min(max(_POINTS // max(len(comparison.entries), 1), 16), 150)
    curves = [read_curves(entry, names, points) for entry in comparison.entries]
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
            "curves": [name for name in names if any(name in of_run.curves for of_run in curves)],
            "runs": [
                _run(comparison, entry, of_run, group_of[id(entry)])
                for entry, of_run in zip(comparison.entries, curves, strict=True)
            ],
            "groups": _groups(comparison),
            "importance": [
                asdict(item) for item in importances(comparison.entries, list(comparison.keys), comparison.metric.name)
            ],
            "budget": best_so_far(comparison.entries, comparison.metric, comparison.about.started),
            "front": _front(comparison),
            "failures": [_failure(failure) for failure in group_failures(comparison.entries)],
            "commands": next_commands(comparison),
        }
    )
    return data


def _wall_time(comparison: Comparison) -> float | None:
    """Return the duration of the sweep. A sweep that was continued stores only the time of its last command, which is
    not the sweep's duration if a single run took longer."""
    seconds = comparison.about.seconds
    longest = max((entry.seconds or 0.0 for entry in comparison.entries), default=0.0)
    return seconds if seconds is not None and seconds >= longest else None


def _curve_names(comparison: Comparison) -> list[str]:
    split, _, name = comparison.metric.name.partition("/")
    logged = comparison.metric.name if split == "train" else f"validation/{name}"
    return list(dict.fromkeys([logged, "validation/loss", "train/loss"]))


def _run(comparison: Comparison, entry: RunEntry, curves: LearningCurves, group: int) -> dict[str, Any]:
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
        "curves": curves.curves,
        "parts": time_parts(entry, curves),
    }


def _groups(comparison: Comparison) -> list[dict[str, Any]]:
    by_group = {id(contrast.group): contrast for contrast in comparison.contrasts}
    return [_group(group) | _tests(by_group.get(id(group))) for group in comparison.groups]


def _group(group: RunGroup) -> dict[str, Any]:
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
    """List the objectives, the numbers of every run, and the places of the runs on the Pareto front."""
    front = pareto_front(comparison.entries)
    if front is None:
        return None
    numbers = [[entry.number_of(name) for name in front.objectives] for entry in comparison.entries]
    best = [place for place, entry in enumerate(comparison.entries) if any(entry is run for run in front.runs)]
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
