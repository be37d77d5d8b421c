"""Types and values in words, as messages about a config put them."""

from __future__ import annotations

import json
import types
from collections.abc import Callable, Iterator, Mapping
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt

from hone.core.value_types import Words

_PLAIN: dict[Any, str] = {
    int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null", Any: "anything",
}  # fmt: skip
_BOUNDS = {Ge: ("at least", "ge"), Gt: ("above", "gt"), Le: ("at most", "le"), Lt: ("below", "lt")}
_LISTS = (list, tuple, set)


def as_typed(value: Any) -> str:
    """A value as one would write it in an override."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {as_typed(item)}" for key, item in value.items()) + "}"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_typed, value)) + "]"
    text = json.dumps(value) if value is None or isinstance(value, bool) else str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def describe_type(kind: Any) -> str:
    """'a number (above 0) or null'."""
    *others, last = _alternatives(kind)
    if get_origin(kind) is Literal and others:
        return "one of " + ", ".join([*others, last])
    return ", ".join(others) + " or " * bool(others) + last


def literals(kind: Any) -> Iterator[str]:
    """The words that a type takes, for a suggestion."""
    if get_origin(kind) is Literal:
        yield from map(str, get_args(kind))
    elif get_origin(kind) in (Union, types.UnionType, Annotated):
        for part in get_args(kind):
            yield from literals(part)


def takes_keys(kind: Any) -> bool:
    """Whether a mapping is among the values of a type."""
    if get_origin(kind) in (Union, types.UnionType):
        return any(map(takes_keys, get_args(kind)))
    return kind is dict or get_origin(kind) in (dict, Mapping)


def _alternatives(kind: Any) -> list[str]:
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return list(dict.fromkeys(words for part in arguments if part is not Any for words in _alternatives(part)))
    if origin is Literal:
        return list(map(str, arguments))
    if origin is Callable:
        return ["a section with a class in _target_"]
    if origin is Annotated:
        return [_bounded(*arguments)]
    return [_PLAIN.get(kind) or _collection(kind) or str(getattr(kind, "__name__", "something else"))]


def _collection(kind: Any) -> str | None:
    inside = [describe_type(part) for part in get_args(kind)]
    if takes_keys(kind):
        key, value = inside or ("key", "value")
        return f"{{{key.replace('text', 'key')}: {value}}}"
    if kind in _LISTS or get_origin(kind) in _LISTS:
        return f"[{inside[0]}, …]" if inside else "a list"
    return None


def _bounded(base: Any, *metadata: Any) -> str:
    """'a number (at least 0, below 1)'."""
    own = next((item.text for item in metadata if isinstance(item, Words)), None)
    known = [(item, *_BOUNDS[type(item)]) for item in metadata if type(item) in _BOUNDS]
    bounds = ", ".join(f"{words} {getattr(item, name)}" for item, words, name in known)
    return own or (f"{describe_type(base)} ({bounds})" if bounds else describe_type(base))


def bytes_in_words(size: float) -> str:
    """'3.4 GB'; in powers of 1000, as disks are sold."""
    for unit in ("bytes", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def seconds_in_words(seconds: float) -> str:
    """'0.034 s', '12 s', '3 min', '2.5 h'."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
