"""The runs of a comparison: found in folders or in a tracker, read, and separated by what they were made from."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, final

from hone.core.errors import UserError, damaged
from hone.core.paths import nearest_path, relative_to_cwd
from hone.runs.address import is_address
from hone.runs.folder import Folder, runs_below
from hone.runs.identity import has_effect, relevant_settings
from hone.runs.manifest import Manifest
from hone.runs.reading import read_yaml
from hone.runs.record import read_record
from hone.runs.sweep_file import SWEEP_FILE as SWEEP

SEED = "seed"
MISSING = "–"
"""The placeholder for a missing value."""


@final
@dataclass(frozen=True)
class RunEntry:
    """A run, or a cell of a sweep that has not started yet."""

    label: str
    state: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    """The config by dotted keys. A cell without a run has only the values of the sweep's keys."""
    folder: Path | None = None
    identity: str = ""
    number: int | None = None
    reason: str = ""
    words: tuple[str, ...] = ()
    """The overrides of the run's command. A cell of a sweep has only those in which it differs from other cells."""
    overrides: tuple[str, ...] = ()
    """All overrides of the run's command, those that every run of a sweep shares included."""
    choices: Mapping[str, str] = field(default_factory=dict)
    """The option of each config group, defaults included."""
    objectives: Mapping[str, str] = field(default_factory=dict)
    """`maximize` or `minimize` for each number that the sweep optimizes, if it optimizes several."""
    scores: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, float] = field(default_factory=dict)
    """The scores of a model that ignores its input."""
    best: Mapping[str, Any] = field(default_factory=dict)
    lower_is_better: frozenset[str] = frozenset({"loss"})
    seconds: float | None = None
    started: str = ""
    finished: str = ""
    command: str = ""
    origin: Mapping[str, str] = field(default_factory=dict)
    """The code, the library versions and the data behind the run."""

    @property
    def counts(self) -> bool:
        """Whether the scores are final."""
        return self.state == "finished"

    def value(self, metric: str) -> float:
        """Return the final score. An unfinished run has its best score so far, and a run without a score has NaN."""
        score = self.scores.get(metric)
        if score is None and not self.counts and self.best.get("metric") == metric:
            score = self.best.get("value")
        return math.nan if score is None else float(score)

    def number_of(self, name: str) -> float:
        """Return a score or the run's duration (`seconds`), NaN if the run lacks it."""
        if name == "seconds" and self.seconds is not None:
            return float(self.seconds)
        return self.value(name)

    @cached_property
    def typed(self) -> Mapping[str, str]:
        """The overrides of the command, by key."""
        words = (word.lstrip("+~").partition("=") for word in self.words)
        return {key: value for key, _, value in words if key != "resume"}

    @property
    def seed(self) -> str:
        return str(self.settings.get(SEED, MISSING))


def run_folders(places: Sequence[str], curves: bool = True) -> list[Path]:
    """List each run folder in or below these places once. A place without runs is an error.

    Runs from a tracker are downloaded into folders. Their learning curves are downloaded only if `curves` is true.
    """
    folders: dict[Path, None] = {}  # a set that keeps the order
    for place in places:
        if is_address(place):
            from hone.tracking.wandb.download import download_runs  # only this case needs W&B's client and its server

            folders |= dict.fromkeys(download_runs(place, curves))
        else:
            folders |= dict.fromkeys(_local_runs(place))
    return list(folders)


def _local_runs(place: str) -> list[Path]:
    path = Path(place).expanduser()
    if not path.is_dir():
        problem = "is a file, not a folder" if path.exists() else "does not exist"
        raise UserError(f"{place}: {problem}; expected run folders, or folders that hold runs.{nearest_path(path)}")
    folders = [folder.resolve() for folder in runs_below(path)]
    if not folders and not (path / SWEEP).exists():
        raise UserError(f"{place}: holds no runs (a run's folder holds run.json).")
    return folders


def read_run(path: Path) -> RunEntry:
    """Read a run's run.json and config.yaml. The run may still be in progress."""
    folder = Folder(path)
    record = read_record(folder.record)
    best = record.get("best") or {}
    overrides = tuple(map(str, record.get("overrides") or ()))
    config = _read_config(folder)
    return RunEntry(
        label=path.name,
        state=str(record.get("state") or "unknown"),
        settings=flatten(relevant_settings(config)),
        folder=path,
        identity=str(record.get("identity") or path.name),
        reason=str(record.get("reason") or ""),
        words=overrides,
        overrides=overrides,
        choices=_choices(record.get("choices")),
        objectives=_objectives(config),
        scores=_numbers(record.get("scores")),
        baseline=_numbers(record.get("baseline")),
        best=best,
        lower_is_better=frozenset(record.get("lower_is_better") or ("loss",)),
        seconds=record.get("seconds"),
        started=str(record.get("started") or ""),
        finished=str(record.get("finished") or ""),
        command=str(record.get("command") or ""),
        origin=origin_of(record, folder),
    )


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn a nested config into dotted keys. Lists stay whole."""
    values: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            values |= flatten(value, f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = value
    return values


def _read_config(folder: Folder) -> dict[str, Any]:
    try:
        stat = folder.config.stat()
        return _parse_yaml(folder.config, stat.st_mtime_ns, stat.st_size)
    except OSError as error:
        raise damaged(relative_to_cwd(folder.config), str(error.strerror)) from error


@lru_cache(maxsize=2048)
def _parse_yaml(path: Path, changed: int, size: int) -> dict[str, Any]:
    """Parse a config. `changed` and `size` are part of the cache's key: a sweep rewrites its page after every run."""
    values, problem = read_yaml(path), problem_of(path.parent, path.name)
    if problem:
        raise UserError(problem)
    return values


def problem_of(folder: Path, place: str) -> str | None:
    """Return what the manifest of a run says against a file, or the files in a folder, or None."""
    manifest = Manifest.load(Folder(folder).manifest)
    return manifest and manifest.problem_since(place)


def _objectives(config: Mapping[str, Any]) -> dict[str, str]:
    sampler = (config.get("sweep") or {}).get("sampler") or {}
    return {str(name): str(direction) for name, direction in (sampler.get("objectives") or {}).items()}


def _choices(choices: Any) -> dict[str, str]:
    """Return the choices that can change a result, under the names that a command uses."""
    named = {str(group).partition("@")[0]: str(choice) for group, choice in (choices or {}).items()}
    return {group: choice for group, choice in named.items() if has_effect(group)}


def _numbers(scores: Any) -> dict[str, float]:
    return {str(name): float(value) for name, value in (scores or {}).items() if isinstance(value, int | float)}


def origin_of(record: Mapping[str, Any], folder: Folder) -> dict[str, str]:
    """Describe what can change a result beside the config, in words short enough to be compared by eye."""
    git = record.get("git") or {}
    changes = f"+{_diff_digest(folder)}" if git.get("dirty") else ""
    parts = {
        "code": f"{git['sha'][:8]}{changes}" if git.get("sha") else "",
        "data set": (record.get("data") or {}).get("name"),
        **{name: (record.get(name) or {}).get("fingerprint") for name in ("data", "checkpoint")},
        **(record.get("versions") or {}),
    }
    return {name: str(value) for name, value in parts.items() if value}


def _diff_digest(folder: Folder) -> str:
    """Identify the uncommitted changes."""
    try:
        return hashlib.sha256(folder.diff.read_bytes()).hexdigest()[:6]
    except OSError:
        return "changes"


def separate_by_origin(entries: Sequence[RunEntry]) -> tuple[list[RunEntry], list[str]]:
    """Separate runs that have the same config but another origin, such as other code.

    For them the origin becomes a setting of all runs, so that they are not taken for one configuration. Any other
    difference of origin is only mentioned in a note.
    """
    names = sorted({name for entry in entries for name in entry.origin})
    repeated = _same_config(entries)
    separating = [name for name in names if any(len(_origins(members, name)) > 1 for members in repeated)]
    separated = []
    for entry in entries:
        origin = {f"({name})": entry.origin.get(name) for name in separating}
        separated.append(replace(entry, settings={**entry.settings, **origin}))
    notes = []
    for name in names:
        values = _origins(entries, name)
        # The fingerprints of data and checkpoints would tell a reader nothing.
        if len(values) > 1 and name not in {*separating, "data", "checkpoint"}:
            notes.append(f"Not all runs come from the same {name}: {', '.join(sorted(values))}.")
    return separated, notes


def _origins(entries: Sequence[RunEntry], name: str) -> set[str]:
    return {entry.origin[name] for entry in entries if name in entry.origin}


def _same_config(entries: Sequence[RunEntry]) -> list[list[RunEntry]]:
    """Group the runs that share their config with another one."""
    by_identity: dict[str, list[RunEntry]] = {}
    for entry in entries:
        by_identity.setdefault(entry.identity, []).append(entry)
    return [members for members in by_identity.values() if len(members) > 1]


def drop_repeats(entries: Iterable[RunEntry]) -> tuple[list[RunEntry], int]:
    """Keep one of several runs that agree in everything that can change a result, and count the runs left out.

    Finished runs are preferred to others, and recent runs to older ones.
    """
    kept: dict[tuple[str, str], RunEntry] = {}
    total = 0
    for entry in sorted(entries, key=lambda entry: (entry.counts, entry.started)):  # the last one stays
        kept[entry.identity, json.dumps(entry.origin, sort_keys=True)] = entry
        total += 1
    return sorted(kept.values(), key=lambda entry: (entry.started, entry.label)), total - len(kept)
