"""Which run a config describes: a hash of all in it that can change the result."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_WITHOUT_EFFECT = {
    "accelerator", "gradient_checkpointing", "log_every", "name", "notes", "output_root", "resume", "save_every",
    "strategy", "sweep", "tracker", "trust",
}  # fmt: skip


def relevant_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a config that can change a result."""
    return {key: value for key, value in config.items() if has_effect(key)}


def has_effect(key: str) -> bool:
    """Whether a key of the config, or a group, can change a result."""
    return re.split(r"[./@]", key)[0] not in _WITHOUT_EFFECT


def identity_of(config: Mapping[str, Any]) -> str:
    """Eight characters, the same for the same run."""
    return hashlib.sha256(json.dumps(relevant_settings(config), sort_keys=True, default=str).encode()).hexdigest()[:8]


def differences(ours: Mapping[str, Any], theirs: Mapping[str, Any], prefix: str = "") -> list[str]:
    """The keys that two configs do not agree on, with both values."""
    found = []
    for key in sorted({*ours, *theirs}):
        mine, other = ours.get(key), theirs.get(key)
        if isinstance(mine, Mapping) and isinstance(other, Mapping):
            found += differences(mine, other, f"{prefix}{key}.")
        elif mine != other:
            found.append(f"{prefix}{key}: {other} → {mine}")
    return found


def with_absolute_paths(config: Mapping[str, Any]) -> dict[str, Any]:
    """The config with local paths that hold from any folder; a hub id is no path here and stays."""
    absolute = dict(config)
    for section, keys in {"dataset": ("path", "labels"), "checkpoint": ("path", "tokenizer")}.items():
        node = dict(config[section])
        for key in keys:
            value = node.get(key)
            if isinstance(value, str) and Path(value).expanduser().exists():
                node[key] = str(Path(value).expanduser().resolve())
        absolute[section] = node
    return absolute
