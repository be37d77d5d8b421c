"""The keys in which the configs of runs differ, without keys that repeat the information of another key."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hone.core.wording import as_typed
from hone.reports.runs import MISSING, SEED, RunEntry


def differing_keys(entries: Sequence[RunEntry]) -> list[str]:
    """List the keys with more than one value. A config that lacks a key counts as one more value."""
    keys = dict.fromkeys(key for entry in entries for key in entry.settings)
    return [key for key in keys if len({value_of(entry, key) for entry in entries}) > 1]


def distinguishing_keys(entries: Sequence[RunEntry], keys: Sequence[str]) -> dict[str, list[str]]:
    """Choose one key of several that divide the runs in the same way: a key from the commands, or else the shortest.
    A key that no command names goes below the choice that set it (`head=mean`, `experiment=…`)."""
    typed = {key for entry in entries for key in entry.typed}
    choices = [key for key in sorted(typed) if not any(key in entry.settings for entry in entries)]
    alike: dict[str, list[str]] = {}
    left = []
    for key in keys:
        choice = None if key in typed else next((each for each in choices if _decides(entries, each, key)), None)
        if choice is None:
            left.append(key)
        else:
            alike.setdefault(choice, []).append(key)
    by_parting: dict[tuple[int, ...], list[str]] = {}
    for key in left:
        by_parting.setdefault(_parting(entries, key), []).append(key)
    for together in by_parting.values():
        first, *others = sorted(together, key=lambda key: (key != SEED, key not in typed, "_target_" in key, len(key)))
        alike[first] = others
    return alike


def _parting(entries: Sequence[RunEntry], key: str) -> tuple[int, ...]:
    """Number the values, so that runs with the same value have the same number."""
    values: dict[str, int] = {}
    return tuple(values.setdefault(value_of(entry, key), len(values)) for entry in entries)


def _decides(entries: Sequence[RunEntry], choice: str, key: str) -> bool:
    """Whether runs of the same choice have the same value of the key."""
    choices = _parting(entries, choice)
    return max(choices, default=0) > 0 and len({*zip(choices, _parting(entries, key), strict=True)}) == len({*choices})


def value_of(entry: RunEntry, key: str) -> str:
    """The value as a command would set it. A run that does not override a config group has the group's default."""
    if key in entry.settings:
        return as_typed(entry.settings[key])
    return entry.typed.get(key) or entry.choices.get(key, MISSING)


def values_of(entry: RunEntry, keys: Iterable[str]) -> dict[str, str]:
    return {key: value_of(entry, key) for key in keys}


def label_of(values: Mapping[str, Any]) -> str:
    """`optimizer.lr=0.1 head=mean`, or `all runs` if the runs do not differ."""
    return " ".join(f"{key}={value}" for key, value in values.items()) or "all runs"
