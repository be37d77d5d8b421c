"""What a run's own file stores for its tracker, and the facts about a run that a tracker gets from that file.

`run.json` and `sweep.json` have one key for it, `tracker`: null, or `{"name": "wandb", …}` with whatever that tracker
needs to find the run again. Two trackers that both store something are `{"name": "several", "parts": [{…}, {…}]}`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, final

from hone.core.redact import redact_text
from hone.runs.folder import Folder
from hone.runs.record import Record
from hone.tracking.tracker import RunInfo, Several, Tracker

Stored = Mapping[str, Any] | None
"""The value of the key `tracker`."""

_SEVERAL = "several"
_PROVENANCE = (
    "git", "versions", "hardware", "data", "checkpoint", "parameters", "precision", "identity", "folder", "command",
    "id", "overrides", "started", "lower_is_better", "signatures",
)  # fmt: skip


@final
class TrackedRun:
    """One run, or one sweep, in its tracker. Whatever the tracker has to remember is stored as soon as it is known."""

    def __init__(self, tracker: Tracker, stored: Stored, store: Callable[[Stored], None]) -> None:
        self.tracker, self._store = tracker, store
        self._parts = _parts(stored)  # those of trackers that are not in use now are kept as they are
        self._was_sent = {name for name, part in self._parts.items() if part.get("sent")}
        for member in self._named():
            member.memory = _unsent(self._parts.get(member.name, {}))

    @property
    def is_sent(self) -> bool:
        """Whether every tracker that stores something has the whole run."""
        return bool(self._named()) and all(member.memory.get("sent") for member in self._named())

    def begin(self, info: RunInfo) -> None:
        """Open the run. Its id is stored first: a run that is killed in between goes on under the same id."""
        self.tracker.reserve()
        self._save()
        self.tracker.start(info)
        self._save()

    def end(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> None:
        """Close the run."""
        self.tracker.finish(state, exit_code, summary)
        self._save()

    def amend(self, info: RunInfo, folder: Folder, state: str, summary: Mapping[str, Any]) -> None:
        """Report scores that were added after the run had ended. A tracker that has all the rest gets them now; for any
        other they are marked, and `hone sync` sends them with the rest."""
        started = [member for member in self._named() if member.memory]
        if not started:
            return
        for member in started:
            member.memory = {**member.memory, "amended": True}
        self._save()
        current = Several(**{member.name: member for member in started if member.name in self._was_sent})
        current.start(info)
        current.keep(folder)
        current.finish(state, 0, summary)
        self._save()

    def mark_sent(self) -> None:
        """Store that the server has everything, after it got the run in another way than through the tracker."""
        for member in self._named():
            member.memory = {**member.memory, "sent": True}
        self._save()

    def _named(self) -> list[Tracker]:
        return [member for member in self.tracker.members if member.name]

    def _save(self) -> None:
        self._parts |= {member.name: dict(member.memory) for member in self._named() if member.memory}
        self._store(_joined(self._parts))


def incomplete(stored: Stored) -> Stored:
    """Return what is stored for a run that goes on: from here on no tracker has all of it, in use or not."""
    return _joined({name: _unsent(part) for name, part in _parts(stored).items()})


def stored_for(stored: Stored, name: str) -> dict[str, Any] | None:
    """Return what the tracker of this name has stored, or None."""
    return _parts(stored).get(name)


def run_info(record: Record, config: Mapping[str, Any], root: Path) -> RunInfo:
    """Describe a run that begins, from its record and its stored config, which has no secrets."""
    return RunInfo(
        id=record["id"],
        name=record["name"],
        group=record["group"],
        notes=redact_text(config["notes"]),
        config={
            **config,
            "choices": record["choices"],
            "provenance": {key: record[key] for key in _PROVENANCE},
        },
        root=root,
        folder=record.path.parent,
    )


def final_summary(record: Record) -> dict[str, Any]:
    """Describe how a run ended: its scores, those of the baseline, the best evaluation, state and reason."""
    best = record["best"] or {}
    baseline = {f"baseline/{name}": value for name, value in (record["baseline"] or {}).items()}
    ending = {f"best/{key}": best.get(key) for key in ("step", "metric", "value")}
    return {**(record["scores"] or {}), **baseline, **ending, "state": record["state"], "reason": record["reason"]}


def _parts(stored: Stored) -> dict[str, dict[str, Any]]:
    """Return what each tracker has stored, by its name."""
    if stored is None:
        return {}
    parts = stored["parts"] if stored["name"] == _SEVERAL else [stored]
    return {part["name"]: {key: value for key, value in part.items() if key != "name"} for part in parts}


def _joined(parts: Mapping[str, Mapping[str, Any]]) -> Stored:
    """Return what is stored for these trackers; the inverse of `_parts`."""
    named = [{"name": name, **part} for name, part in parts.items()]
    return {"name": _SEVERAL, "parts": named} if len(named) > 1 else next(iter(named), None)


def _unsent(part: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in part.items() if key != "sent"}
