"""The identity of a run: a hash of the settings that can change its result."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_WITHOUT_EFFECT = {
    "accelerator", "gradient_checkpointing", "log_every", "name", "notes", "output_root", "resume", "save_every",
    "strategy", "sweep", "tracker", "trust", "verify", "workers",
}  # fmt: skip
"""The keys that cannot change a result."""


def relevant_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings that can change a result."""
    return {key: value for key, value in config.items() if has_effect(key)}


def has_effect(key: str) -> bool:
    """Return whether a key or a group of the config can change a result."""
    return re.split(r"[./@]", key)[0] not in _WITHOUT_EFFECT


def identity_of(config: Mapping[str, Any]) -> str:
    """Return eight characters that are equal for configs with equal results."""
    text = json.dumps(relevant_settings(config), sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> list[str]:
    """List the keys in which two configs differ, as 'key: their value → our value'."""
    lines = []
    for key in sorted({*ours, *theirs}):
        our_value, their_value = ours.get(key), theirs.get(key)
        if isinstance(our_value, Mapping) and isinstance(their_value, Mapping):
            lines += differences(our_value, their_value, f"{prefix}{key}.")
        elif our_value != their_value:
            lines.append(f"{prefix}{key}: {their_value} → {our_value}")
    return lines


def with_absolute_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config with absolute local paths, valid from any folder. An id of the Hub is not a path and stays."""
    absolute = dict(config)
    for section, keys in {"dataset": ("path", "root", "labels"), "checkpoint": ("path", "tokenizer")}.items():
        node = dict(config[section])
        for key in keys:
            value = node.get(key)
            if isinstance(value, str) and Path(value).expanduser().exists():
                node[key] = str(Path(value).expanduser().resolve())
        absolute[section] = node
    return absolute
