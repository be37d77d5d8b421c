"""What a command line varies, as a space."""

from __future__ import annotations

from collections.abc import Sequence

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import IntervalSweep, Override

from hone.errors import UserError
from hone.sweeps.space import Axis, Choice, Interval, Space
from hone.sweeps.sweep import Sweep


def read(words: Sequence[str], sweep: Sweep) -> tuple[list[str], Space]:
    """The words that hold for all runs, and the axes of the others."""
    parsed = OverridesParser.create().parse_overrides(list(words))
    fixed = [str(override.input_line) for override in parsed if not override.is_sweep_override()]
    axes = tuple(_axis(override) for override in parsed if override.is_sweep_override())
    if not axes:
        raise UserError("-m runs a config once for each value, and nothing has several: write seed=0,1,2.")
    return fixed, Space(axes)


def _axis(override: Override) -> Axis:
    key = str(override.input_line).partition("=")[0]
    value = override.value()
    if isinstance(value, IntervalSweep):
        return Interval(key, float(value.start or 0), float(value.end or 0), log="log" in value.tags)
    return Choice(key, tuple(override.sweep_string_iterator()))
