"""The keys in which the configs of runs differ, without keys that only repeat another key."""

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
    """Choose the keys that describe how the runs differ, each with the keys that it stands for.

    A key that no command sets is put below the config group whose choice decides it (`head=mean`, `experiment=…`).
    Of several keys that divide the runs in the same way, one is chosen: one from the commands, or the shortest.
    """
    typed = {key for entry in entries for key in entry.typed}
    group_names = [name for name in sorted(typed) if not any(name in entry.settings for entry in entries)]
    chosen: dict[str, list[str]] = {}
    by_partition: dict[tuple[int, ...], list[str]] = {}
    for key in keys:
        group = None if key in typed else _deciding_group(entries, group_names, key)
        if group is None:
            by_partition.setdefault(_partition(entries, key), []).append(key)
        else:
            chosen.setdefault(group, []).append(key)
    for equivalent in by_partition.values():
        first, *others = sorted(
            equivalent, key=lambda key: (key != SEED, key not in typed, "_target_" in key, len(key))
        )
        chosen[first] = others
    return chosen


def _partition(entries: Sequence[RunEntry], key: str) -> tuple[int, ...]:
    """Number the values in the order of the runs, so that runs with the same value have the same number. Two keys with
    equal partitions divide the runs in the same way."""
    numbers: dict[str, int] = {}
    return tuple(numbers.setdefault(value_of(entry, key), len(numbers)) for entry in entries)


def _deciding_group(entries: Sequence[RunEntry], group_names: Sequence[str], key: str) -> str | None:
    """Find a config group that the runs choose differently and whose choice always comes with the same value of the
    key."""
    values = _partition(entries, key)
    for name in group_names:
        choices = _partition(entries, name)
        # As many pairs as choices: no choice occurs with two values.
        if len({*choices}) > 1 and len({*zip(choices, values, strict=True)}) == len({*choices}):
            return name
    return None


def value_of(entry: RunEntry, key: str) -> str:
    """Return the value as a command would write it. A config group that the run does not override has its default."""
    if key in entry.settings:
        return as_typed(entry.settings[key])
    return entry.typed.get(key) or entry.choices.get(key, MISSING)


def values_of(entry: RunEntry, keys: Iterable[str]) -> dict[str, str]:
    return {key: value_of(entry, key) for key in keys}


def label_of(values: Mapping[str, Any]) -> str:
    """Write the values as `optimizer.lr=0.1 head=mean`, or `all runs` if the runs do not differ."""
    return " ".join(f"{key}={value}" for key, value in values.items()) or "all runs"
