"""Which axes of a sweep vary together, and which are active only when another axis has a certain value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from hone.command.spelling import name_of, values
from hone.core.errors import UserError, listed, nearest
from hone.sweeps.axes import Axis, Choice
from hone.sweeps.space import Condition


def conditions(
    parser: OverridesParser, texts: Mapping[str, str], axes: Mapping[str, Axis], constants: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Condition], set[str]]:
    """The conditions to test in each cell, and the axes that are never active, because a fixed key excludes them."""
    needed, absent = {}, set()
    for name, text in texts.items():
        if name in constants and name not in axes:
            continue
        _require_axis(name, axes, f"sweep.conditions.{name}")
        condition = _condition(parser, name, text)
        if condition.name in constants:
            absent |= set() if set(constants[condition.name]) & set(condition.values) else {name}
        else:
            _require_values(condition, axes, f"sweep.conditions.{name}={text}")
            needed[name] = condition
    for name in needed:
        _require_end(name, needed)
    while more := {name for name, condition in needed.items() if condition.name in absent} - absent:
        absent |= more
    return {name: condition for name, condition in needed.items() if name not in absent}, absent


def require_tied(axes: Mapping[str, Axis], tied: Iterable[Sequence[str]]) -> None:
    """Require that axes that vary together are lists of the same length, each in one group."""
    grouped: set[str] = set()
    for names in tied:
        place = f"sweep.tied=[[{','.join(names)}]]"
        for name in names:
            _require_axis(name, axes, place)
            if not isinstance(axes[name], Choice):
                raise UserError(f"{place}: {name} is an interval; only lists of values can vary together.")
            if name in grouped:
                raise UserError(f"{place}: {name} occurs twice; all keys that vary together belong in one list.")
            grouped.add(name)
        lengths = {name: len(axes[name].words) for name in names}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{name} has {count}" for name, count in lengths.items())
            raise UserError(f"{place}: keys that vary together need the same number of values, but {counts}.")


def _condition(parser: OverridesParser, name: str, text: str) -> Condition:
    try:
        override = parser.parse_overrides([text])[0]
    except HydraException as error:
        raise UserError(
            f'sweep.conditions.{name}={text}: expected another key and its value, such as "optimizer=sgd".'
        ) from error
    return Condition(name_of(override), tuple(values(override)))


def _require_values(condition: Condition, axes: Mapping[str, Axis], place: str) -> None:
    _require_axis(condition.name, axes, place)
    axis = axes[condition.name]
    if not isinstance(axis, Choice):
        raise UserError(f"{place}: {axis.name} is an interval; a condition needs a value from a list.")
    for value in condition.values:
        if value not in axis.values:
            raise UserError(f"{place}: {axis.name} is never {value}.{nearest(value, axis.values)} It is {axis.text}.")


def _require_end(name: str, needed: Mapping[str, Condition]) -> None:
    seen = [name]
    while seen[-1] in needed:
        seen.append(needed[seen[-1]].name)
        if seen.count(seen[-1]) > 1:
            raise UserError(f"sweep.conditions: {' needs '.join(seen)}: none of them would ever be active.")


def _require_axis(name: str, axes: Mapping[str, Axis], place: str) -> None:
    if name not in axes:
        raise UserError(f"{place}: {name} is not varied.{nearest(name, axes)} These keys vary: {listed(axes)}.")
