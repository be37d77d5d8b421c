"""What programs ask that read runs back: the runs of a project, one run, its rows, who made and used an artifact."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from wandb_server.shapes import MADE, Variables, page, project
from wandb_server.state import Run as Kept
from wandb_server.state import State, loads


def Runs(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802 (W&B's names)
    """The runs that fit the filters, oldest first."""
    here = [run for run in state.runs.values() if (run.entity, run.project) == (told["entity"], told["project"])]
    found = [_shown(run) for run in here if _fits(run, loads(told.get("filters")))]
    if not here:
        return {"project": None}
    return {"project": {"internalId": "1", "runCount": len(found), "readOnly": False, "runs": page(found, told)}}


def Run(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    run = _run(state, told)
    return {"project": {"run": _shown(run) if run else None}}


def RunFiles(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    """An empty list of names means all of them."""
    run = _run(state, told)
    if run is None:
        return {"project": {"run": None}}
    wanted = told.get("fileNames") or list(run.files)
    nodes = [_file(run, name, address) for name in run.files if name in wanted]
    files = page(nodes, {"cursor": told.get("fileCursor"), "perPage": told.get("fileLimit")})
    return {"project": {"internalId": "1", "run": {"fileCount": len(nodes), "files": files}}}


def RunHistoryKeys(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    run = _run(state, told)
    return {"project": {"run": {"historyKeys": _keys(run)} if run else None}}


def RunFullHistory(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    run = _run(state, told)
    return {"project": {"run": {"history": [json.dumps(row) for row in run.history]} if run else None}}


def HistoryPage(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    run = _run(state, told)
    steps = range(told["minStep"], told["maxStep"])
    rows = [json.dumps(row) for row in (run.history if run else ()) if row["_step"] in steps]
    return {"project": {"run": {"history": rows}}}


def RunParquetHistory(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    """Nothing has been exported here."""
    return {"project": {"run": {"parquetHistory": {"parquetUrls": [], "liveData": []}}}}


def ArtifactCreatedBy(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    run = state.runs.get(state.artifacts[told["id"]].made_by)
    return {"artifact": {"createdBy": _told(run) if run else None}}


def ArtifactUsedBy(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    runs = [state.runs[name] for name in state.artifacts[told["id"]].used_by]
    return {"artifact": {"usedBy": {"edges": [{"node": _told(run)} for run in runs]}}}


def _run(state: State, told: Variables) -> Kept | None:
    run = state.runs.get(told.get("run") or told.get("runName") or told["name"])
    return run if run and (run.entity, run.project) == (told["entity"], told["project"]) else None


def _fits(run: Kept, filters: Mapping[str, Any]) -> bool:
    for key, wanted in filters.items():
        if key == "$and":
            fits = all(_fits(run, each) for each in wanted)
        elif key == "$or":
            fits = any(_fits(run, each) for each in wanted)
        else:
            there = _value(run, key)
            fits = there in wanted["$in"] if isinstance(wanted, Mapping) else there == wanted
        if not fits:
            return False
    return True


def _value(run: Kept, key: str) -> Any:
    known = {"group": run.about.get("groupName"), "jobType": run.about.get("jobType"), "sweep": run.sweep}
    return {**known, "name": run.name, "state": run.state, "displayName": run.about.get("displayName")}[key]


def _shown(run: Kept) -> dict[str, Any]:
    about = run.about
    return {
        **_told(run), "projectId": "1", "tags": about.get("tags") or [],
        "displayName": about.get("displayName") or run.name, "sweepName": run.sweep, "state": run.state,
        "config": json.dumps({key: {"value": value} for key, value in run.config.items()}),
        "group": about.get("groupName"), "jobType": about.get("jobType"), "commit": None, "readOnly": False,
        "createdAt": MADE, "heartbeatAt": MADE, "description": None, "notes": about.get("notes"),
        "systemMetrics": "{}", "summaryMetrics": json.dumps(run.summary), "historyLineCount": len(run.history),
        "user": {"name": "Some One", "username": "someone"}, "historyKeys": _keys(run),
    }  # fmt: skip


def _file(run: Kept, name: str, address: str) -> dict[str, Any]:
    url = f"{address}/storage/{run.name}/{quote(name)}"
    size = len(run.files[name])
    return {
        "id": name, "name": name, "url": url, "directUrl": url, "sizeBytes": size, "mimetype": "", "updatedAt": MADE,
        "md5": "",
    }  # fmt: skip


def _told(run: Kept) -> dict[str, Any]:
    return {"__typename": "Run", "id": run.name, "name": run.name, "project": project(run.entity, run.project)}


def _keys(run: Kept) -> dict[str, Any]:
    last = max((int(row.get("_step", -1)) for row in run.history), default=-1)
    return {"sets": [], "keys": {key: {} for row in run.history for key in row}, "lastStep": last}
