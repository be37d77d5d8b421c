"""Which axes of a sweep change together, and which are there only where another one has a certain value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from hone.command.spelling import name_of, values
from hone.errors import UserError, listed, nearest
from hone.sweeps.axes import Axis, Choice
from hone.sweeps.space import Condition


def conditions(
    parser: OverridesParser, told: Mapping[str, str], axes: Mapping[str, Axis], constants: Mapping[str, Sequence[str]]
) -> tuple[dict[str, Condition], set[str]]:
    """What is left to be seen in each cell, and the axes that are in none: the command line may have fixed a key."""
    found, absent = {}, set()
    for name, text in told.items():
        if name in constants and name not in axes:
            continue
        _require_axis(name, axes, f"sweep.conditions.{name}")
        condition = _condition(parser, name, text)
        if condition.name in constants:
            absent |= set() if set(constants[condition.name]) & set(condition.values) else {name}
        else:
            _require_values(condition, axes, f"sweep.conditions.{name}={text}")
            found[name] = condition
    for name in found:
        _require_end(name, found)
    while more := {name for name, condition in found.items() if condition.name in absent} - absent:
        absent |= more
    return {name: condition for name, condition in found.items() if name not in absent}, absent


def require_tied(axes: Mapping[str, Axis], tied: Iterable[Sequence[str]]) -> None:
    """Lists of values, equally long, each in one bundle."""
    known: set[str] = set()
    for names in tied:
        place = f"sweep.tied=[[{','.join(names)}]]"
        for name in names:
            _require_axis(name, axes, place)
            if not isinstance(axes[name], Choice):
                raise UserError(f"{place}: {name} is an interval; only lists of values can change together.")
            if name in known:
                raise UserError(f"{place}: {name} is there twice; all keys that change together are in one list.")
            known.add(name)
        lengths = {name: len(axes[name].words) for name in names}
        if len(set(lengths.values())) > 1:
            counts = ", ".join(f"{name} has {count}" for name, count in lengths.items())
            raise UserError(f"{place}: keys that change together have equally many values, but {counts}.")


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


def _require_end(name: str, found: Mapping[str, Condition]) -> None:
    seen = [name]
    while seen[-1] in found:
        seen.append(found[seen[-1]].name)
        if seen.count(seen[-1]) > 1:
            raise UserError(f"sweep.conditions: {' needs '.join(seen)}: none of them would ever be there.")


def _require_axis(name: str, axes: Mapping[str, Axis], place: str) -> None:
    if name not in axes:
        raise UserError(f"{place}: {name} is not varied.{nearest(name, axes)} What varies: {listed(axes)}.")
