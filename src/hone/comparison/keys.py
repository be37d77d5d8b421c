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
    """Keys that part the runs in the same way, under the one of them that the commands name, or else the shortest."""
    typed = {word.lstrip("+~").partition("=")[0] for entry in entries for word in entry.words}
    by_parting: dict[tuple[int, ...], list[str]] = {}
    for key in keys:
        values: dict[str, int] = {}
        parting = tuple(values.setdefault(value_of(entry, key), len(values)) for entry in entries)
        by_parting.setdefault(parting, []).append(key)
    alike = {}
    for together in by_parting.values():
        first, *others = sorted(together, key=lambda key: (key != SEED, key not in typed, "_target_" in key, len(key)))
        alike[first] = others
    return alike


def value_of(entry: Entry, key: str) -> str:
    """As it would be typed."""
    return as_typed(entry.settings[key]) if key in entry.settings else NOTHING


def values_of(entry: Entry, keys: Iterable[str]) -> dict[str, str]:
    return {key: value_of(entry, key) for key in keys}


def as_words(values: Mapping[str, Any]) -> str:
    """`optimizer.lr=0.1 head=mean`, or what stands for nothing at all."""
    return " ".join(f"{key}={value}" for key, value in values.items()) or "all runs"
