"""Runs that lie in W&B, fetched as folders like those that they were: one, a group, a sweep's or a whole project's."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from hone.errors import UserError, listed
from hone.runs.folder import Folder
from hone.tracking.access import asking
from hone.tracking.address import Address
from hone.tracking.client import fitting
from hone.tracking.papers import PLACE, RECORD

_EXPECTED = "[/run, /group:NAME or /sweep:ID]"
_AT_ONCE = 8
_KINDS = ("group", "sweep")
_STATES = {"running": "running", "pending": "running", "finished": "finished"}


def fetched_runs(text: str, curves: bool) -> list[Path]:
    """The folders, as they are in W&B now; learning curves take longer, and are fetched where they are wanted."""
    address = Address.read(text, _EXPECTED)
    with asking(text) as api:
        found = _found(api, address)
        ours = [run for run in found if "id" in run.config.get("provenance", {})]
        if not ours:
            there = f" Its runs there: {listed((run.name for run in found), 5)}." if found else ""
            raise UserError(f"{text}: no run of hone is there.{there}")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            return list(pool.map(partial(_fetch, address.cache / "runs", curves), ours))


def _found(api: Any, address: Address) -> list[Any]:
    kind, colon, name = address.rest.partition(":")
    if not address.rest:
        return list(api.runs(address.path, lazy=False))
    if not colon and "/" not in kind:
        return [api.run(f"{address.path}/{address.rest}")]
    if kind not in _KINDS or not name:
        raise UserError(f"{address.text}: expected wandb:entity/project{_EXPECTED}.")
    found = list(api.runs(address.path, filters={kind: fitting(name)}, lazy=False))
    if kind == "group":
        return found
    points = {run.group for run in found if run.job_type == "sweep"}  # a sweep of ours for each point of W&B's
    return found + [run for group in sorted(points) for run in api.runs(address.path, {"group": group}, lazy=False)]


def _fetch(cache: Path, curves: bool, run: Any) -> Path:
    """Always anew, for a run may have gone on since it was last looked at."""
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
        inner.journal.write_text("".join(json.dumps(_row(row)) + "\n" for row in rows), encoding="utf-8")
    place = cache / run.id
    shutil.rmtree(place, ignore_errors=True)
    name = Path(str(json.loads(inner.record.read_text(encoding="utf-8"))["id"])).name
    place.mkdir()
    fetched = inner.path.rename(place / name)
    shutil.rmtree(draft)
    return fetched


def _write(folder: Folder, record: Mapping[str, Any], config: Mapping[str, Any]) -> None:
    folder.path.mkdir(exist_ok=True)
    folder.record.write_text(json.dumps(record), encoding="utf-8")
    folder.config.write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")


def _record(run: Any) -> dict[str, Any]:
    """Of a run that has not ended, or was killed before it could send its own: what W&B has been told."""
    summary, origin = dict(run.summary), run.config["provenance"]
    state = summary.get("state") or _STATES.get(run.state, "failed")
    silent = f"W&B calls it {run.state}" if state == "failed" else None
    best = {key: summary.get(f"best/{key}") for key in ("step", "metric", "value")}
    return {
        **origin, "name": run.name, "group": run.group,
        "state": state, "reason": summary.get("reason") or silent,
        "scores": _scores(summary) if state == "finished" else None, "best": best if best["step"] else None,
    }  # fmt: skip


def _config(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if key not in ("provenance", "choices")}


def _scores(summary: Mapping[str, Any]) -> dict[str, Any]:
    splits = ("train", "validation", "test")
    return {name: value for name, value in summary.items() if name.partition("/")[0] in splits}


def _row(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.startswith("_")}
