"""What differs in the configs of runs: the keys, without those that say the same as another."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hone.comparison.runs import NOTHING, SEED, Entry
from hone.wording import as_typed


def differing(entries: Sequence[Entry]) -> list[str]:
    """The keys with more than one value, a key that a config lacks having none."""
    keys = dict.fromkeys(key for entry in entries for key in entry.settings)
    return [key for key in keys if len({value_of(entry, key) for entry in entries}) > 1]


def told_apart(entries: Sequence[Entry], keys: Sequence[str]) -> dict[str, list[str]]:
    """Keys that part the runs in the same way, under the one that the commands name, or else the shortest; and keys
    that no command names, under the choice (`head=mean`, `experiment=…`) that brought them."""
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


def _parting(entries: Sequence[Entry], key: str) -> tuple[int, ...]:
    """Which runs have the same value."""
    values: dict[str, int] = {}
    return tuple(values.setdefault(value_of(entry, key), len(values)) for entry in entries)


def _decides(entries: Sequence[Entry], choice: str, key: str) -> bool:
    """Whether runs of the same choice have the same value of the key."""
    choices = _parting(entries, choice)
    return max(choices, default=0) > 0 and len({*zip(choices, _parting(entries, key), strict=True)}) == len({*choices})


def value_of(entry: Entry, key: str) -> str:
    """As it would be typed, or was."""
    return as_typed(entry.settings[key]) if key in entry.settings else entry.typed.get(key, NOTHING)


def values_of(entry: Entry, keys: Iterable[str]) -> dict[str, str]:
    return {key: value_of(entry, key) for key in keys}


def as_words(values: Mapping[str, Any]) -> str:
    """`optimizer.lr=0.1 head=mean`, or what stands for nothing at all."""
    return " ".join(f"{key}={value}" for key, value in values.items()) or "all runs"
