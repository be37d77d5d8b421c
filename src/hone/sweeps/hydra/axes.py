"""The space of a sweep, read from the command line, `sweep.space`, `sweep.tied` and `sweep.conditions`."""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.core.override_parser.types import Sweep as HydraSweep
from hydra.errors import HydraException

from hone.config.hydra_private import without_shuffling
from hone.core.errors import UserError, did_you_mean, join_names
from hone.core.trust import only_for_the_user
from hone.sweeps.space import Axis, Choice, Condition, Interval, Space
from hone.sweeps.sweep import Sweep


def read_space(words: Sequence[str], sweep: Sweep, loader: ConfigLoader) -> tuple[list[str], Space]:
    """Return the overrides that all runs share, and the space. The command line wins over `sweep.space`."""
    parser = OverridesParser.create(config_loader=loader)
    typed = parser.parse_overrides(list(words))
    typed_names = {name_of(override) for override in typed}
    from_config = [
        _read_line(parser, key, text) for key, text in sweep.space.items() if key.lstrip("+~") not in typed_names
    ]
    axes = _read_axes([*(override for override in typed if override.is_sweep_override()), *from_config])
    fixed = [override for override in typed if not override.is_sweep_override()]
    fixed_values = {name_of(override): override_values(override) for override in fixed if not override.is_delete()}
    conditions, inactive = read_conditions(parser, sweep.conditions, axes, fixed_values)
    active = {name: axis for name, axis in axes.items() if name not in inactive}
    if not active:
        raise UserError("-m runs a config once for each value, and no key has several: write seed=0,1,2.")
    require_tied(active, sweep.tied)
    shared = [str(override.input_line) for override in fixed]
    return shared, Space(tuple(active.values()), tuple(map(tuple, sweep.tied)), conditions, tuple(shared))


def _read_line(parser: OverridesParser, key: str, text: str) -> Override:
    """Parse one line of `sweep.space`."""
    try:
        override = parser.parse_overrides([f"{key}={text}"])[0]
    except HydraException as error:
        raise UserError(
            f"sweep.space.{key}={text}: this cannot be read; write it as on the command line: 1,2 or range(3) or "
            "interval(0, 1) or tag(log, interval(1e-5, 1e-3))."
        ) from error
    if only_for_the_user(override.get_key_element()):
        raise UserError(
            f"sweep.space.{key}: only you can set this, because it decides which code runs; type it: {key}={text}"
        )
    return override


def _read_axes(overrides: Sequence[Override]) -> dict[str, Axis]:
    axes: dict[str, Axis] = {}
    for override in overrides:
        name = name_of(override)
        if name in axes:
            raise UserError(f"{name}: it is varied twice; write all its values in one place: {name}=1,2,3.")
        axes[name] = _read_axis(override)
    return axes


def _read_axis(override: Override) -> Axis:
    key, value = override.get_key_element(), override.value()
    if isinstance(value, IntervalSweep):
        return _read_interval(key, value)
    if isinstance(value, HydraSweep) and value.tags:
        raise UserError(
            f"{key}: a list of values takes no tag ({join_names(sorted(value.tags))}); tags are for intervals."
        )
    texts = tuple(dict.fromkeys(override_values(override)))  # each value once, in their order
    if not texts:
        raise UserError(f"{override.input_line}: the list has no values; give at least one.")
    return Choice(key, texts)


def _read_interval(key: str, value: IntervalSweep) -> Interval:
    low, high = value.start or 0, value.end or 0
    for unknown in sorted(value.tags - {"log"}):
        raise UserError(f"{key}: no such tag as {unknown}.{did_you_mean(unknown, ['log'])} The only tag is log.")
    whole = isinstance(low, int) and isinstance(high, int)
    axis = Interval(key, float(low), float(high), "log" in value.tags, whole)
    if not low < high:
        raise UserError(f"{key}={axis.text}: an interval goes from a number to a greater one.")
    if axis.log and low <= 0:
        raise UserError(f"{key}={axis.text}: a logarithmic interval cannot include 0; begin above it, such as at 1e-6.")
    return axis


def name_of(override: Override) -> str:
    return override.get_key_element().lstrip("+~")


def override_values(override: Override) -> list[str]:
    """Return the values as text, in an order that is the same in every command."""
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    value: Any = override.value()
    shuffled = getattr(value, "shuffle", False)
    ordered = without_shuffling(override, value) if shuffled else override
    try:
        texts = list(ordered.sweep_string_iterator())
    except (HydraException, ValueError) as error:
        raise UserError(f"{override.input_line}: {error}") from error
    if shuffled:  # Hydra would shuffle without a seed
        random.Random(override.get_key_element()).shuffle(texts)  # noqa: S311 (an order, not a secret)
    return texts


def read_conditions(
    parser: OverridesParser,
    texts: Mapping[str, str],
    axes: Mapping[str, Axis],
    fixed_values: Mapping[str, Sequence[str]],
) -> tuple[dict[str, Condition], set[str]]:
    """Return the conditions to test in each cell, and the axes that are never active because of a fixed key."""
    conditions: dict[str, Condition] = {}
    inactive: set[str] = set()
    for name, text in texts.items():
        if name in fixed_values and name not in axes:
            continue  # the command line has fixed this key, so its condition is void
        _require_axis(name, axes, f"sweep.conditions.{name}")
        condition = _read_condition(parser, name, text)
        if condition.name not in fixed_values:
            _require_values(condition, axes, f"sweep.conditions.{name}={text}")
            conditions[name] = condition
        elif not set(fixed_values[condition.name]) & set(condition.values):
            inactive.add(name)
    for name in conditions:
        _require_no_circle(name, conditions)
    # An axis that depends on an inactive one is inactive as well, and so on.
    while more := {name for name, condition in conditions.items() if condition.name in inactive} - inactive:
        inactive |= more
    return {name: condition for name, condition in conditions.items() if name not in inactive}, inactive


def _read_condition(parser: OverridesParser, name: str, text: str) -> Condition:
    try:
        override = parser.parse_overrides([text])[0]
    except HydraException as error:
        raise UserError(
            f'sweep.conditions.{name}={text}: expected another key and its value, such as "optimizer=sgd".'
        ) from error
    return Condition(name_of(override), tuple(override_values(override)))


def _require_values(condition: Condition, axes: Mapping[str, Axis], place: str) -> None:
    """Require that a condition asks for values that its axis has."""
    _require_axis(condition.name, axes, place)
    axis = axes[condition.name]
    if not isinstance(axis, Choice):
        raise UserError(f"{place}: {axis.name} is an interval; a condition needs a value from a list.")
    for value in condition.values:
        if value not in axis.values:
            raise UserError(
                f"{place}: {axis.name} is never {value}.{did_you_mean(value, axis.values)} Its values are {axis.text}."
            )


def _require_no_circle(name: str, conditions: Mapping[str, Condition]) -> None:
    """Require that an axis does not depend on itself, through others."""
    chain = [name]
    while chain[-1] in conditions:
        chain.append(conditions[chain[-1]].name)
        if chain.count(chain[-1]) > 1:
            raise UserError(f"sweep.conditions: {' needs '.join(chain)}: none of them would ever be active.")


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


def _require_axis(name: str, axes: Mapping[str, Axis], place: str) -> None:
    if name not in axes:
        raise UserError(
            f"{place}: {name} is not varied.{did_you_mean(name, axes)} These keys vary: {join_names(axes)}."
        )
