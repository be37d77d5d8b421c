"""What a command line and `sweep.space` vary, as a space."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override
from hydra.core.override_parser.types import Sweep as HydraSweep
from hydra.errors import HydraException

from hone.command.conditions import conditions, require_tied
from hone.command.spelling import name_of, values
from hone.core.errors import UserError, listed, nearest
from hone.sweeps.axes import Axis, Choice, Interval
from hone.sweeps.space import Space
from hone.sweeps.sweep import Sweep


def read(words: Sequence[str], sweep: Sweep, loader: ConfigLoader) -> tuple[list[str], Space]:
    """The words that hold for all runs, and what varies: the command line has the last word on a key."""
    parser = OverridesParser.create(config_loader=loader)
    typed = parser.parse_overrides(list(words))
    typed_names = {name_of(override) for override in typed}
    filed = [_filed(parser, key, text) for key, text in sweep.space.items() if key.lstrip("+~") not in typed_names]
    axes = _axes([*(override for override in typed if override.is_sweep_override()), *filed])
    fixed = [override for override in typed if not override.is_sweep_override()]
    constants = {name_of(override): values(override) for override in fixed if not override.is_delete()}
    needed, absent = conditions(parser, sweep.conditions, axes, constants)
    there = {name: axis for name, axis in axes.items() if name not in absent}
    if not there:
        raise UserError("-m runs a config once for each value, and nothing has several: write seed=0,1,2.")
    require_tied(there, sweep.tied)
    shared = [str(override.input_line) for override in fixed]
    return shared, Space(tuple(there.values()), tuple(map(tuple, sweep.tied)), needed, tuple(shared))


def _axes(overrides: Sequence[Override]) -> dict[str, Axis]:
    axes: dict[str, Axis] = {}
    for override in overrides:
        name = name_of(override)
        if name in axes:
            raise UserError(f"{name}: it is varied twice; write all its values in one place: {name}=1,2,3.")
        axes[name] = _axis(override)
    return axes


def _filed(parser: OverridesParser, key: str, text: str) -> Override:
    """A line of `sweep.space`."""
    try:
        return parser.parse_overrides([f"{key}={text}"])[0]
    except HydraException as error:
        raise UserError(
            f"sweep.space.{key}={text}: this cannot be read; write it as on the command line: 1,2 or range(3) or "
            "interval(0, 1) or tag(log, interval(1e-5, 1e-3))."
        ) from error


def _axis(override: Override) -> Axis:
    key, value = override.get_key_element(), override.value()
    if isinstance(value, IntervalSweep):
        return _interval(key, value)
    if isinstance(value, HydraSweep) and value.tags:
        raise UserError(f"{key}: a list of values takes no tag ({listed(sorted(value.tags))}); tags are for intervals.")
    found = tuple(dict.fromkeys(values(override)))
    if not found:
        raise UserError(f"{override.input_line}: there is no value in it; give at least one.")
    return Choice(key, found)


def _interval(key: str, value: IntervalSweep) -> Interval:
    low, high = value.start or 0, value.end or 0
    for unknown in sorted(value.tags - {"log"}):
        raise UserError(f"{key}: no such tag as {unknown}.{nearest(unknown, ['log'])} There is log.")
    found = Interval(key, float(low), float(high), "log" in value.tags, isinstance(low, int) and isinstance(high, int))
    if not low < high:
        raise UserError(f"{key}={found.text}: an interval goes from a number to a greater one.")
    if found.log and low <= 0:
        raise UserError(f"{key}={found.text}: orders of magnitude have no 0; begin above it, such as at 1e-6.")
    return found
