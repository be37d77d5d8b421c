"""Downloads runs from W&B as folders like the original ones: one run, a group, a sweep or a whole project."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from hone.core.errors import UserError, join_names
from hone.runs.address import Address
from hone.runs.folder import Folder
from hone.tracking.wandb.client import shorten_name, wandb_api
from hone.tracking.wandb.files import PLACE, RECORD

_EXPECTED = "[/run, /group:NAME or /sweep:ID]"
_AT_ONCE = 8
"""The number of runs to download at the same time."""
_KINDS = ("group", "sweep")
_STATES = {"running": "running", "pending": "running", "finished": "finished"}


def download_runs(text: str, curves: bool) -> list[Path]:
    """Download runs as they are in W&B now and return their folders. Learning curves take longer and are optional."""
    address = Address.read(text, _EXPECTED)
    with wandb_api(text) as api:
        runs = _find(api, address)
        ours = [run for run in runs if "id" in run.config.get("provenance", {})]
        if not ours:
            others = f" It has {join_names((run.name for run in runs), 5)}." if runs else ""
            raise UserError(f"{text}: hone made none of the runs there.{others}")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(partial(_fetch, address.cache / "runs", curves), ours))


def _find(api: Any, address: Address) -> list[Any]:
    kind, colon, name = address.rest.partition(":")
    if not address.rest:
        return list(api.runs(address.path, lazy=False))
    if not colon and "/" not in kind:
        return [api.run(f"{address.path}/{address.rest}")]
    if kind not in _KINDS or not name:
        raise UserError(f"{address.text}: expected wandb:entity/project{_EXPECTED}.")
    runs = list(api.runs(address.path, filters={kind: shorten_name(name)}, lazy=False))
    if kind == "group":
        return runs
    points = {run.group for run in runs if run.job_type == "sweep"}  # each point of W&B's sweep may be a sweep of ours
    return runs + [run for group in sorted(points) for run in api.runs(address.path, {"group": group}, lazy=False)]


def _fetch(cache: Path, curves: bool, run: Any) -> Path:
    """Download a run, even if it is in the cache: it may have gone on since the last time."""
    draft = cache / f".{run.id}-{os.getpid()}"
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    for file in run.files():
        if file.name.startswith(f"{PLACE}/"):
            file.download(root=str(draft)).close()
    inner = Folder(draft / PLACE)
    record = inner.path / RECORD
    if record.is_file():
        record.rename(inner.record)
    else:
        _write(inner, _record(run), _config(run.config))
    if curves:
        rows = sorted(run.scan_history(), key=lambda row: row["_step"])
        inner.journal.write_text("".join(json.dumps(_row(row)) + "\n" for row in _current(rows)), encoding="utf-8")
    place = cache / run.id
    shutil.rmtree(place, ignore_errors=True)
    name = Path(str(json.loads(inner.record.read_text(encoding="utf-8"))["id"])).name
    place.mkdir()
    folder = inner.path.rename(place / name)
    shutil.rmtree(draft)
    return folder


def _write(folder: Folder, record: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    folder.path.mkdir(exist_ok=True)
    folder.record.write_text(json.dumps(record), encoding="utf-8")
    folder.config.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def _record(run: Any) -> dict[str, Any]:
    """Make a record for a run that has not sent its own, because it is running or was killed, from what W&B has."""
    summary, origin = dict(run.summary), run.config["provenance"]
    state = summary.get("state") or _STATES.get(run.state, "failed")
    reason = f"W&B calls it {run.state}" if state == "failed" else None
    best = {key: summary.get(f"best/{key}") for key in ("step", "metric", "value")}
    return {
        **origin, "name": run.name, "group": run.group,
        "state": state, "reason": summary.get("reason") or reason,
        "scores": _scores(summary) if state == "finished" else None, "best": best if best["step"] else None,
    }  # fmt: skip


def _config(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("provenance", "choices")}


def _scores(summary: Mapping[str, Any]) -> dict[str, Any]:
    splits = ("train", "validation", "test")
    return {name: value for name, value in summary.items() if name.partition("/")[0] in splits}


def _current(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Leave out what a run abandoned: rows of steps after the one that it went back to, as a later row shows."""
    current: list[Mapping[str, Any]] = []
    for row in rows:
        while current and "step" in row and current[-1].get("step", 0) > row["step"]:
            current.pop()
        current.append(row)
    return current


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.startswith("_")}
