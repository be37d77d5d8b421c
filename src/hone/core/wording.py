"""Describes types, config values, sizes and times in messages."""

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
    """Return a value as a user would type it in an override."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}: {as_typed(item)}" for key, item in value.items()) + "}"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e16:
        return str(int(value))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(as_typed, value)) + "]"
    text = json.dumps(value) if value is None or isinstance(value, bool) else str(value)
    return text if len(text) <= 200 else f"{text[:200]}…"


def describe_type(kind: Any) -> str:
    """Describe a type in words: 'a number (above 0) or null'."""
    *others, last = _alternatives(kind)
    if not others:
        return last
    if get_origin(kind) is Literal:
        return "one of " + ", ".join([*others, last])
    return ", ".join(others) + " or " + last


def literals(kind: Any) -> Iterator[str]:
    """Yield the literal values of a type, for a suggestion."""
    if get_origin(kind) is Literal:
        yield from map(str, get_args(kind))
    elif get_origin(kind) in (Union, types.UnionType, Annotated):
        for part in get_args(kind):
            yield from literals(part)


def takes_keys(kind: Any) -> bool:
    """Return whether a value of the type may be a mapping."""
    if get_origin(kind) in (Union, types.UnionType):
        return any(map(takes_keys, get_args(kind)))
    return kind is dict or get_origin(kind) in (dict, Mapping)


def _alternatives(kind: Any) -> list[str]:
    """Return the descriptions of a type, one for each part of a union and each literal value."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        words = [alternative for part in arguments if part is not Any for alternative in _alternatives(part)]
        return list(dict.fromkeys(words))
    if origin is Literal:
        return list(map(str, arguments))
    if origin is Callable:
        return ["a section with a class in _target_"]
    if origin is Annotated:
        return [_annotated(*arguments)]
    return [_PLAIN.get(kind) or _collection(kind) or str(getattr(kind, "__name__", "something else"))]


def _collection(kind: Any) -> str | None:
    """Describe a mapping as '{key: a number}' and a list as '[text, …]'."""
    inside = [describe_type(part) for part in get_args(kind)]
    if takes_keys(kind):
        key, value = inside or ("key", "value")
        return f"{{{key.replace('text', 'key')}: {value}}}"
    if kind in _LISTS or get_origin(kind) in _LISTS:
        return f"[{inside[0]}, …]" if inside else "a list"
    return None


def _annotated(base: Any, *metadata: Any) -> str:
    """Describe an annotated type by its `Words` or its bounds: 'a number (at least 0, below 1)'."""
    bounds = []
    for item in metadata:
        if isinstance(item, Words):
            return item.text
        if type(item) in _BOUNDS:
            words, attribute = _BOUNDS[type(item)]
            bounds.append(f"{words} {getattr(item, attribute)}")
    return f"{describe_type(base)} ({', '.join(bounds)})" if bounds else describe_type(base)


def bytes_in_words(size: float) -> str:
    """Format a size as '3.4 GB', in powers of 1000."""
    for unit in ("bytes", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def seconds_in_words(seconds: float) -> str:
    """Format a duration as '0.034 s', '12 s', '3 min' or '2.5 h'."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
