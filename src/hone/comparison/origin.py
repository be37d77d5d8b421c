"""Runs of the same config may still come from different code, libraries or data."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from hone.comparison.runs import Entry
from hone.runs.folder import Folder


def origin_of(record: Mapping[str, Any], folder: Folder) -> dict[str, str]:
    """What can change a result beside the config, in words short enough to be compared by eye."""
    git = record.get("git") or {}
    changes = f"+{_digest(folder)}" if git.get("dirty") else ""
    parts = {
        "code": f"{git['sha'][:8]}{changes}" if git.get("sha") else "",
        **{name: (record.get(name) or {}).get("fingerprint") for name in ("data", "checkpoint")},
        **(record.get("versions") or {}),
    }
    return {name: str(value) for name, value in parts.items() if value}


def told_by_origin(entries: Sequence[Entry]) -> tuple[list[Entry], list[str]]:
    """Where the same run was made twice from different things, those count as keys; else they are only mentioned."""
    split = {name for name in _names(entries) for same in _repeated(entries) if len(_values(same, name)) > 1}
    told = [
        replace(entry, settings=dict(entry.settings) | {f"({name})": entry.origin.get(name) for name in sorted(split)})
        for entry in entries
    ]
    others = [name for name in _names(entries) if name not in split | {"data", "checkpoint"}]
    notes = [
        f"Not all runs come from the same {name}: {', '.join(sorted(_values(entries, name)))}."
        for name in others
        if len(_values(entries, name)) > 1
    ]
    return told, notes


def _digest(folder: Folder) -> str:
    """Of the changes that were not committed."""
    return hashlib.sha256(folder.diff.read_bytes()).hexdigest()[:6] if folder.diff.is_file() else "changes"


def _names(entries: Sequence[Entry]) -> list[str]:
    return sorted({name for entry in entries for name in entry.origin})


def _values(entries: Sequence[Entry], name: str) -> set[str]:
    return {entry.origin[name] for entry in entries if name in entry.origin}


def _repeated(entries: Sequence[Entry]) -> list[list[Entry]]:
    by_identity: dict[str, list[Entry]] = {}
    for entry in entries:
        by_identity.setdefault(entry.identity, []).append(entry)
    return [same for same in by_identity.values() if len(same) > 1]
