"""What the GraphQL end of the server knows: a function an operation, under the operation's own name."""

from __future__ import annotations

import base64
import json
import secrets
import sys
from inspect import isfunction
from itertools import product
from typing import Any

import yaml

from wandb_server import artifacts, reading
from wandb_server.shapes import Operation, Refused, Variables
from wandb_server.state import Run, State, Sweep, loads

LONGEST = {"displayName": 128, "groupName": 128, "jobType": 64}
"""What the server takes; the client does not ask."""
USER = {"id": "dXNlcg==", "entity": "someone", "username": "someone", "name": "Some One", "email": "", "admin": False}


def find(name: str) -> Operation | None:
    """The function of an operation; None for those that the client can do without."""
    for module in (sys.modules[__name__], artifacts, reading):
        found = vars(module).get(name)
        if isfunction(found) and found.__module__ == module.__name__:
            return found
    return None


def Viewer(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802 (W&B's name)
    teams = {"edges": [{"node": {"id": "1", "name": "someone"}}]}
    return {"viewer": {**USER, "flags": "{}", "teams": teams}, "serverInfo": _server()}


def GetDefaultEntity(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    return {"viewer": {"id": USER["id"], "entity": USER["entity"]}}


def ServerFeaturesQuery(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    return {"serverInfo": {"features": []}}


def UpsertBucket(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    for key, longest in LONGEST.items():
        if len(told.get(key) or "") > longest:
            raise Refused(400, f"{key}: {longest} characters or less")
    name = told.get("name") or told.get("id") or secrets.token_hex(4)
    if name in state.deleted:
        raise Refused(409, f"run {name} was previously created and deleted; try a new run name")
    new = name not in state.runs
    run = state.run(name, told.get("project") or "", told.get("entity") or "")
    run.config |= {key: value.get("value", value) if isinstance(value, dict) else value
                   for key, value in loads(told.get("config")).items()}  # fmt: skip
    kept = ("displayName", "groupName", "jobType", "tags", "notes", "state", "program", "host")
    run.about |= {key: told[key] for key in kept if told.get(key) is not None}
    run.sweep = told.get("sweep") or run.sweep
    return {"upsertBucket": {"bucket": _bucket(run), "inserted": new}}


def RunResumeStatus(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    run = state.runs.get(told["name"])
    if run is None:
        return {"model": None}
    bucket = {
        **_bucket(run), "summaryMetrics": json.dumps(run.summary), "historyLineCount": len(run.history),
        "eventsLineCount": 0, "logLineCount": 0,
        "historyTail": json.dumps([json.dumps(row) for row in run.history[-1:]]),
        "eventsTail": "[]", "config": json.dumps({key: {"value": value} for key, value in run.config.items()}),
        "tags": run.about.get("tags") or [], "wandbConfig": json.dumps({"t": 1}),
    }  # fmt: skip
    return {"model": {"id": "1", "name": run.project, "entity": {"id": "1", "name": run.entity}, "bucket": bucket}}


def CreateRunFiles(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    files = [{"name": name, "uploadUrl": f"{address}/storage/{told['run']}/{name}"} for name in told["files"]]
    return {"createRunFiles": {"runID": told["run"], "uploadHeaders": [], "files": files}}


def UpsertSweep(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    name = told.get("id") or secrets.token_hex(4)
    sweep = state.sweeps.setdefault(name, Sweep(name, told.get("config") or "{}"))
    parameters = (yaml.safe_load(sweep.config) or {}).get("parameters", {})
    values = [each.get("values", [each.get("value")]) for each in parameters.values()]
    sweep.points = [dict(zip(parameters, point, strict=True)) for point in product(*values)]
    project = {"id": "1", "name": told.get("projectName") or "hone", "entity": {"id": "1", "name": "someone"}}
    return {"upsertSweep": {"sweep": {"id": name, "name": name, "project": project}, "configValidationWarnings": []}}


def SweepWithRuns(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    return {"project": {"sweep": _sweep(state.sweeps[told["sweep"]], state)}}


def CreateAgent(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    return {"createAgent": {"agent": {"id": secrets.token_hex(4)}}}


def Heartbeat(state: State, told: Variables, address: str) -> dict[str, Any]:  # noqa: N802
    """An agent with nothing to do gets the next point, and is told to go when there is none."""
    sweep = next(iter(state.sweeps.values()))
    commands: list[dict[str, Any]] = []
    if not loads(told.get("runState") or "{}"):
        commands.append(_next(sweep))
    return {"agentHeartbeat": {"agent": {"id": told["id"]}, "commands": json.dumps(commands)}}


def _next(sweep: Sweep) -> dict[str, Any]:
    if sweep.given == len(sweep.points):
        return {"type": "exit"}
    point = sweep.points[sweep.given]
    sweep.given += 1
    program = (yaml.safe_load(sweep.config) or {}).get("program")
    arguments = {key: {"value": value} for key, value in point.items()}
    return {"type": "run", "run_id": secrets.token_hex(4), "program": program, "args": arguments, "logs": []}


def _bucket(run: Run) -> dict[str, Any]:
    project = {"id": "1", "name": run.project, "entity": {"id": "1", "name": run.entity}}
    return {
        "id": base64.b64encode(run.name.encode()).decode(), "name": run.name, "project": project,
        "sweepName": run.sweep,
        "displayName": run.about.get("displayName") or run.name, "description": None, "config": "{}",
        "historyLineCount": len(run.history),
    }  # fmt: skip


def _sweep(sweep: Sweep, state: State) -> dict[str, Any]:
    return {
        "id": sweep.name, "name": sweep.name, "method": "grid", "state": "RUNNING", "description": "",
        "config": sweep.config,
        "createdAt": "2026-01-01T00:00:00Z", "heartbeatAt": None, "updatedAt": None, "earlyStopJobRunning": False,
        "bestLoss": None, "controller": None, "scheduler": None, "runs": {"edges": []}, "priorRuns": {"edges": []},
    }  # fmt: skip


def _server() -> dict[str, Any]:
    return {"cliVersionInfo": {"max_cli_version": "1.0.0"}, "latestLocalVersionInfo": None}
