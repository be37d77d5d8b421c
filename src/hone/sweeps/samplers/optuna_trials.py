"""The cells and outcomes of a sweep as trials of Optuna."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hone.sweeps.space import Dimension, Space, Span
from hone.sweeps.study import Trial

_SHARES = 1000
"""Optuna counts progress in whole steps, and a sweep in shares of a run."""


def frozen_trial(space: Space, trial: Trial, values: Sequence[float | None]) -> Any:
    """Return Optuna's trial. A pruned one counts for as far as its run went."""
    from optuna.trial import TrialState, create_trial

    outcome = trial.outcome
    params, distributions = _params(space, trial.cell.words)
    about: dict[str, Any] = {"params": params, "distributions": distributions, "system_attrs": dict(trial.memory)}
    if outcome is None or outcome.state in ("preempted", "interrupted"):
        return create_trial(state=TrialState.RUNNING, **about)
    if outcome.state == "pruned" and outcome.value is not None:
        reached = {round(_SHARES * trial.share): outcome.value}
        return create_trial(state=TrialState.PRUNED, intermediate_values=reached, **about)
    numbers = [value for value in values if value is not None]
    if outcome.state != "finished" or not numbers or len(numbers) < len(values):
        return create_trial(state=TrialState.FAIL, **about)
    return create_trial(state=TrialState.COMPLETE, values=numbers, **about)


def specimen(space: Space) -> Any:
    """Return a complete trial with every dimension of the space, those under a condition too."""
    from optuna.trial import create_trial

    words = [word for dimension in space.dimensions for word in dimension.outermost[0]]
    params, distributions = _params(space, words)
    return create_trial(params=params, distributions=distributions, value=0.0)


def suggested_words(space: Space, trial: Any) -> tuple[str, ...]:
    """Return the overrides that Optuna suggests. An axis with a condition is asked for after the axis it depends on."""
    chosen: dict[str, str] = {}
    for dimension in sorted(space.dimensions, key=space.depth):
        if any(space.has(axis.name, chosen) for axis in dimension.axes):
            chosen |= {axis.name: word for axis, word in zip(dimension.axes, _ask(dimension, trial), strict=True)}
    return space.kept(chosen[axis.name] for axis in space.axes if axis.name in chosen)


def _ask(dimension: Dimension, trial: Any) -> tuple[str, ...]:
    if not isinstance(dimension, Span):
        labels = _labels(dimension)
        return dimension.outermost[labels.index(trial.suggest_categorical(dimension.name, labels))]
    axis = dimension.axis
    if axis.whole:
        return (axis.written(trial.suggest_int(axis.name, int(axis.low), int(axis.high), log=axis.log)),)
    return (axis.written(trial.suggest_float(axis.name, axis.low, axis.high, log=axis.log)),)


def _labels(dimension: Dimension) -> list[str]:
    return [" ".join(words) for words in dimension.outermost]


def _distribution(dimension: Dimension) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(dimension, Span):
        return CategoricalDistribution(_labels(dimension))
    axis = dimension.axis
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


def _params(space: Space, words: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of a cell by dimension, and the distributions of these dimensions."""
    chosen = {word.partition("=")[0].lstrip("+~"): word for word in words}
    params = {each.name: _value(each, chosen) for each in space.dimensions if each.names & chosen.keys()}
    return params, {each.name: _distribution(each) for each in space.dimensions if each.name in params}


def _value(dimension: Dimension, chosen: Mapping[str, str]) -> Any:
    if isinstance(dimension, Span):
        axis = dimension.axis
        value = min(max(float(chosen[axis.name].partition("=")[2]), axis.low), axis.high)
        return int(value) if axis.whole else value
    ours = {word for name, word in chosen.items() if name in dimension.names}
    return next(label for label, words in zip(_labels(dimension), dimension.outermost, strict=True) if ours <= {*words})
