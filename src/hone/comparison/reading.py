"""From folders to runs: which there are below a folder, and what each says of itself."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from hone.comparison.origin import origin_of
from hone.comparison.runs import Entry
from hone.errors import UserError
from hone.paths import nearest_path, shown
from hone.runs.folder import Folder
from hone.runs.identity import relevant
from hone.sweeps.saved import FILE as SWEEP
from hone.tracking.address import is_address

_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def run_folders(places: Sequence[str], curves: bool = True) -> list[Path]:
    """The run folders that are meant or lie below, each once; a place that has none is a mistake. Of runs that are
    fetched, folders are made, with their learning curves only where those are wanted."""
    found: dict[Path, None] = {}
    for place in places:
        if is_address(place):
            from hone.tracking.runs import fetched_runs  # there is a client to import, and a server to be asked

            found |= dict.fromkeys(fetched_runs(place, curves))
            continue
        path = Path(place).expanduser()
        if not path.is_dir():
            said = "is a file, not a folder" if path.exists() else "is not there"
            raise UserError(f"{place}: {said}; expected run folders, or folders that hold runs.{nearest_path(path)}")
        below = list(_below(path))
        if not below and not (path / SWEEP).is_file():
            raise UserError(f"{place}: no runs there (a run's folder holds run.json).")
        found |= dict.fromkeys(each.resolve() for each in below)
    return list(found)


def _below(path: Path) -> Iterator[Path]:
    """Depth first, by name; nothing inside a run is looked at."""
    for folder, inner, files in os.walk(path, followlinks=True):
        if "run.json" in files:
            inner.clear()
            yield Path(folder)
        inner.sort()


def read_run(path: Path, with_config: bool = True) -> Entry:
    """What run.json and config.yaml say; a run that is being written is as good as any."""
    folder = Folder(path)
    record = read_json(folder.record)
    best = record.get("best") or {}
    config = _config(folder) if with_config else {}
    return Entry(
        label=path.name,
        state=str(record.get("state") or "unknown"),
        settings=flat(relevant(config)),
        folder=path,
        identity=str(record.get("identity") or path.name),
        reason=str(record.get("reason") or ""),
        words=tuple(map(str, record.get("overrides") or ())),
        scores=_numbers(record.get("scores")),
        best=best,
        lower_is_better=frozenset(record.get("lower_is_better") or ("loss",)),
        seconds=record.get("seconds"),
        started=str(record.get("started") or ""),
        finished=str(record.get("finished") or ""),
        command=str(record.get("command") or ""),
        origin=origin_of(record, folder),
    )


def read_json(path: Path) -> dict[str, Any]:
    """A file of ours; one that is damaged is named."""
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{shown(path)}: this cannot be read ({error}).") from error
    if not isinstance(values, dict):
        raise UserError(f"{shown(path)}: expected an object with keys.")
    return values


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A nested config by dotted keys; lists stay whole."""
    found: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            found |= flat(value, f"{prefix}{key}.")
        else:
            found[f"{prefix}{key}"] = value
    return found


def without_repeats(entries: Iterable[Entry]) -> tuple[list[Entry], int]:
    """Of runs that were the same in all that can change the result only the best witness; and how many went."""
    kept: dict[tuple[str, str], Entry] = {}
    total = 0
    for entry in sorted(entries, key=lambda entry: (entry.counts, entry.started)):
        kept[entry.identity, json.dumps(entry.origin, sort_keys=True)] = entry
        total += 1
    return sorted(kept.values(), key=lambda entry: (entry.started, entry.label)), total - len(kept)


def _config(folder: Folder) -> dict[str, Any]:
    try:
        values = yaml.load(folder.config.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 (a safe one)
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UserError(f"{shown(folder.config)}: this cannot be read ({error}).") from error
    return values if isinstance(values, dict) else {}


def _numbers(scores: Any) -> dict[str, float]:
    return {str(name): float(value) for name, value in (scores or {}).items() if isinstance(value, int | float)}
