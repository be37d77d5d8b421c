"""What all samplers of Optuna share. Each proposal rebuilds Optuna's study from the trials of the sweep.

So Optuna stores nothing, and a proposal depends on the seed, the number of the trial and the trials before it. A sweep
that is repeated or killed goes on with the same proposals.
"""

from __future__ import annotations

import warnings
import zlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hone.runs.sweep_file import Outcome
from hone.sweeps.sampler import Aim
from hone.sweeps.samplers.sequential import SequentialSampler
from hone.sweeps.space import Dimension, IntervalDimension, Space
from hone.sweeps.study import Proposal, Trial

# A name that Optuna 5.0 uses inside; a test fails by name where another version has another one.
_GENERATION = ":generation"
"""The end of the attribute of a trial in which NSGA-II and CMA-ES store its generation. The sweep stores it too."""
_SHARES = 1000
"""Optuna counts progress in whole steps, and a sweep in shares of a run."""


@dataclass(frozen=True)
class OptunaSampler(SequentialSampler):
    """Proposes cells with a sampler of Optuna, which each subclass chooses."""

    @property
    def learns(self) -> bool:
        return True

    @abstractmethod
    def sampler(self, space: Space, seed: int) -> Any:
        """Return Optuna's sampler."""

    def directions(self, aim: Aim) -> list[Literal["maximize", "minimize"]]:
        """Return the direction of each optimised number."""
        return ["maximize" if aim.higher_is_better else "minimize"]

    def values(self, aim: Aim, outcome: Outcome) -> list[float | None]:
        """Return the optimised numbers of a run."""
        return [outcome.value]

    def history(self, space: Space, aim: Aim, trials: Sequence[Trial]) -> list[Any]:
        """Return the trials that Optuna's sampler learns from."""
        history = []
        for trial in trials:
            values = self.values(aim, trial.outcome) if trial.outcome else []
            history.append(frozen_trial(space, trial, values))
        return history

    def suggest(self, study: Any, space: Space, number: int) -> tuple[str, ...]:
        """Return the words of the cell of this number."""
        return suggested_words(space, study.ask())

    def propose(self, space: Space, aim: Aim, trials: Sequence[Trial], number: int, attempt: int) -> Proposal:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings(action="ignore"):  # at each call, Optuna warns of experimental options
            sampler = self.sampler(space, self.seed_of(number, attempt))
            study = optuna.create_study(sampler=sampler, directions=self.directions(aim))
            study.add_trials(self.history(space, aim, trials))
            words = self.suggest(study, space, number)
            attributes = study.trials[-1].system_attrs
        return Proposal(words, {key: value for key, value in attributes.items() if key.endswith(_GENERATION)})

    def seed_of(self, number: int, attempt: int) -> int:
        """Return the seed of one proposal."""
        return zlib.crc32(self.seed_text(number, attempt).encode())


def frozen_trial(space: Space, trial: Trial, values: Sequence[float | None]) -> Any:
    """Return Optuna's trial. A pruned one counts for as far as its run went."""
    from optuna.trial import TrialState, create_trial

    outcome = trial.outcome
    params, distributions = _params(space, trial.cell.words)
    fields: dict[str, Any] = {"params": params, "distributions": distributions, "system_attrs": dict(trial.memory)}
    if outcome is None or outcome.state in ("preempted", "interrupted"):
        return create_trial(state=TrialState.RUNNING, **fields)
    if outcome.state == "pruned" and outcome.value is not None:
        reached = {round(_SHARES * trial.share): outcome.value}
        return create_trial(state=TrialState.PRUNED, intermediate_values=reached, **fields)
    numbers = [value for value in values if value is not None]
    if outcome.state != "finished" or not numbers or len(numbers) < len(values):
        return create_trial(state=TrialState.FAIL, **fields)
    return create_trial(state=TrialState.COMPLETE, values=numbers, **fields)


def example_trial(space: Space) -> Any:
    """Return a complete trial with every dimension of the space, those under a condition too."""
    from optuna.trial import create_trial

    words = [word for dimension in space.dimensions for word in dimension.outermost[0]]
    params, distributions = _params(space, words)
    return create_trial(params=params, distributions=distributions, value=0.0)


def suggested_words(space: Space, trial: Any) -> tuple[str, ...]:
    """Return the overrides that Optuna suggests. An axis with a condition is asked for after the axis it depends on."""
    chosen: dict[str, str] = {}
    for dimension in sorted(space.dimensions, key=space.depth):
        if any(space.is_active(axis.name, chosen) for axis in dimension.axes):
            chosen |= {axis.name: word for axis, word in zip(dimension.axes, _ask(dimension, trial), strict=True)}
    return space.active_words(chosen[axis.name] for axis in space.axes if axis.name in chosen)


def _ask(dimension: Dimension, trial: Any) -> tuple[str, ...]:
    """Return the overrides that Optuna suggests for one dimension."""
    if not isinstance(dimension, IntervalDimension):
        labels = _labels(dimension)
        return dimension.outermost[labels.index(trial.suggest_categorical(dimension.name, labels))]
    axis = dimension.axis
    if axis.whole:
        return (axis.written(trial.suggest_int(axis.name, int(axis.low), int(axis.high), log=axis.log)),)
    return (axis.written(trial.suggest_float(axis.name, axis.low, axis.high, log=axis.log)),)


def _labels(dimension: Dimension) -> list[str]:
    """Return Optuna's names for the choices of a dimension."""
    return [" ".join(words) for words in dimension.outermost]


def _distribution(dimension: Dimension) -> Any:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(dimension, IntervalDimension):
        return CategoricalDistribution(_labels(dimension))
    axis = dimension.axis
    if axis.whole:
        return IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return FloatDistribution(axis.low, axis.high, log=axis.log)


def _params(space: Space, words: Sequence[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the values of a cell by dimension, and the distributions of these dimensions."""
    chosen = {word.partition("=")[0].lstrip("+~"): word for word in words}
    active = [dimension for dimension in space.dimensions if dimension.names & chosen.keys()]
    params = {dimension.name: _value(dimension, chosen) for dimension in active}
    return params, {dimension.name: _distribution(dimension) for dimension in active}


def _value(dimension: Dimension, chosen: Mapping[str, str]) -> Any:
    """Return the value of a dimension in a cell, as Optuna has it."""
    if isinstance(dimension, IntervalDimension):
        axis = dimension.axis
        value = min(max(float(chosen[axis.name].partition("=")[2]), axis.low), axis.high)
        return int(value) if axis.whole else value
    ours = {word for name, word in chosen.items() if name in dimension.names}
    for label, words in zip(_labels(dimension), dimension.outermost, strict=True):
        if ours <= {*words}:
            return label
    raise ValueError(f"{dimension.name}: {sorted(ours)} is none of its choices")
