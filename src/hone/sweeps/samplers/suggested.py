"""Ways to search that are Optuna's: what it needs to know is told anew for each cell, so it stores nothing."""

from __future__ import annotations

import warnings
import zlib
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from hone.sweeps.cell import Outcome
from hone.sweeps.samplers.base import Aim
from hone.sweeps.samplers.drawn import Drawn
from hone.sweeps.space import Dimension, Space, Span
from hone.sweeps.study import Proposal, Trial

_KEPT = ":generation"


@dataclass(frozen=True)
class Suggested(Drawn):
    """Asks a sampler of Optuna's."""

    @property
    def learns(self) -> bool:
        return True

    @abstractmethod
    def sampler(self, space: Space, seed: int) -> Any:
        """The one to ask."""

    def directions(self, aim: Aim) -> list[Literal["maximize", "minimize"]]:
        """Of the numbers that are optimised."""
        return ["maximize" if aim.higher_is_better else "minimize"]

    def values(self, aim: Aim, outcome: Outcome) -> list[float | None]:
        """Those numbers."""
        return [outcome.value]

    def propose(self, space: Space, aim: Aim, trials: Sequence[Trial], number: int, attempt: int) -> Proposal:
        import optuna

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        with warnings.catch_warnings(action="ignore"):  # what is new there says so each time
            sampler = self.sampler(space, zlib.crc32(self.luck(number, attempt).encode()))
            study = optuna.create_study(sampler=sampler, directions=self.directions(aim))
            study.add_trials([self._told(space, aim, trial) for trial in trials])
            trial = study.ask()
            words = _suggested(space, trial)
            noted = study.trials[-1].system_attrs
        return Proposal(words, {key: value for key, value in noted.items() if key.endswith(_KEPT)})

    def _told(self, space: Space, aim: Aim, trial: Trial) -> Any:
        """A trial in Optuna's words; one that was stopped counts for as far as it came."""
        from optuna.trial import TrialState, create_trial

        outcome = trial.outcome
        params, distributions = _params(space, trial.cell.words)
        told: dict[str, Any] = {"params": params, "distributions": distributions, "system_attrs": dict(trial.memory)}
        if outcome is None or outcome.state in ("preempted", "interrupted"):
            return create_trial(state=TrialState.RUNNING, **told)
        if outcome.state == "pruned" and outcome.value is not None:
            reached = {round(1000 * trial.share): outcome.value}
            return create_trial(state=TrialState.PRUNED, intermediate_values=reached, **told)
        values = self.values(aim, outcome) if outcome.state == "finished" else []
        known = [value for value in values if value is not None]
        if not known or len(known) < len(values):
            return create_trial(state=TrialState.FAIL, **told)
        return create_trial(state=TrialState.COMPLETE, values=known, **told)


def _suggested(space: Space, trial: Any) -> tuple[str, ...]:
    """Axes that wait for others come after them, and are asked for only where they are there."""
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
    """The values of a cell by dimension, of those that are there."""
    chosen = {word.partition("=")[0].lstrip("+~"): word for word in words}
    params = {each.name: _value(each, chosen) for each in space.dimensions if each.names & chosen.keys()}
    return params, {each.name: _distribution(each) for each in space.dimensions if each.name in params}


def _value(dimension: Dimension, chosen: Mapping[str, str]) -> Any:
    if isinstance(dimension, Span):
        axis = dimension.axis
        value = min(max(float(chosen[axis.name].partition("=")[2]), axis.low), axis.high)
        return int(value) if axis.whole else value
    told = {word for name, word in chosen.items() if name in dimension.names}
    return next(label for label, words in zip(_labels(dimension), dimension.outermost, strict=True) if told <= {*words})
