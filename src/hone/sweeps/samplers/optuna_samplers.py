"""The samplers of Optuna."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final

from hone.core.errors import UserError, did_you_mean, join_names
from hone.core.value_types import Count, Factor, Objectives, ProperShare
from hone.runs.sweep_file import Outcome
from hone.sweeps.sampler import Aim
from hone.sweeps.samplers.optuna_base import OptunaSampler, example_trial
from hone.sweeps.space import IntervalDimension, Space
from hone.sweeps.study import Trial

# Names that Optuna 5.0 uses inside; a test fails by name where another version has others.
_STATE = "cma:optimizer"
"""The beginning of the attributes of a trial in which CMA-ES stores its distribution."""
_PLACE = "qmc:"
"""The beginning of the attribute of a study in which the Sobol sampler stores its place in the sequence."""


@final
@dataclass(frozen=True)
class Random(OptunaSampler):
    """Each value is drawn at random, and no cell is drawn twice."""

    @property
    def learns(self) -> bool:
        return False

    def sampler(self, space: Space, seed: int) -> Any:
        from optuna.samplers import RandomSampler

        return RandomSampler(seed=seed)

    def history(self, space: Space, aim: Aim, trials: Sequence[Trial]) -> list[Any]:
        return []


@final
@dataclass(frozen=True)
class QuasiRandom(OptunaSampler):
    """The cells are points of a scrambled Sobol sequence, which cover a space more evenly than random ones."""

    @property
    def learns(self) -> bool:
        return False

    def sampler(self, space: Space, seed: int) -> Any:
        from optuna.samplers import QMCSampler

        return QMCSampler(scramble=True, seed=seed)

    def seed_of(self, number: int, attempt: int) -> int:
        """All cells are points of one sequence."""
        return super().seed_of(0, attempt)

    def history(self, space: Space, aim: Aim, trials: Sequence[Trial]) -> list[Any]:
        """Optuna's sampler learns from its first trial which dimensions there are, and nothing else."""
        return [example_trial(space)]

    def suggest(self, study: Any, space: Space, number: int) -> tuple[str, ...]:
        """Move to the place of this cell in the sequence.

        Optuna stores the place as an attribute of the study, under a key that appears with the first suggestion.
        """
        words = super().suggest(study, space, number)
        if number == 0:
            return words
        storage, identity = study._storage, study._study_id
        for key in list(storage.get_study_system_attrs(identity)):
            if key.startswith(_PLACE):
                storage.set_study_system_attr(identity, key, number - 1)
        return super().suggest(study, space, number)


@final
@dataclass(frozen=True)
class Tpe(OptunaSampler):
    """TPE takes any space, learns from pruned runs too, and keeps away from cells that are still running."""

    startup: Count

    def sampler(self, space: Space, seed: int) -> Any:
        from optuna.samplers import TPESampler

        return TPESampler(
            seed=seed,
            n_startup_trials=self.startup,
            multivariate=True,
            group=bool(space.conditions),
            constant_liar=True,
        )


@final
@dataclass(frozen=True)
class Gp(OptunaSampler):
    """A Gaussian process is for few, expensive trials. Pruned runs are ignored."""

    startup: Count

    def sampler(self, space: Space, seed: int) -> Any:
        from optuna.samplers import GPSampler

        return GPSampler(seed=seed, n_startup_trials=self.startup, warn_independent_sampling=False)


@final
@dataclass(frozen=True)
class CmaEs(OptunaSampler):
    """CMA-ES searches intervals. Values of lists are drawn at random."""

    population: Count | None
    spread: ProperShare

    def require(self, space: Space) -> None:
        count = sum(isinstance(dimension, IntervalDimension) for dimension in space.dimensions)
        if count < 2:
            raise UserError(
                f"sweep=cmaes: it searches two intervals or more, and this space has {count} (an interval is, for "
                "example, optimizer.lr='tag(log,interval(1e-5,1e-3))'); sweep=tpe takes any space."
            )

    def sampler(self, space: Space, seed: int) -> Any:
        from optuna.samplers import CmaEsSampler

        return CmaEsSampler(
            seed=seed,
            sigma0=self.spread,
            popsize=self.population,
            consider_pruned_trials=True,
            warn_independent_sampling=False,
        )

    def suggest(self, study: Any, space: Space, number: int) -> tuple[str, ...]:
        """Compute the complete generations again.

        Optuna stores the distribution after each generation as a pickle in the next trial. hone opens no pickles from
        files, so the sweep does not store it. It travels here in a trial that has no generation, which CMA-ES therefore
        does not learn from.
        """
        from optuna.trial import TrialState, create_trial

        words = super().suggest(study, space, number)
        while state := _state_of(study.trials[-1]):
            ended = study.get_trials(deepcopy=False, states=[TrialState.COMPLETE, TrialState.PRUNED])[0]
            study.add_trial(
                create_trial(params=ended.params, distributions=ended.distributions, value=0.0, system_attrs=state)
            )
            words = super().suggest(study, space, number)
        return words


@final
@dataclass(frozen=True)
class Nsga2(OptunaSampler):
    """NSGA-II optimises several numbers at once. Without objectives it optimises the number of any other search."""

    population: Factor
    objectives: Objectives

    def sampler(self, space: Space, seed: int) -> Any:
        from optuna.samplers import NSGAIISampler

        return NSGAIISampler(seed=seed, population_size=self.population)

    def directions(self, aim: Aim) -> list[Literal["maximize", "minimize"]]:
        return list(self.objectives.values()) or super().directions(aim)

    def values(self, aim: Aim, outcome: Outcome) -> list[float | None]:
        if not self.objectives:
            return super().values(aim, outcome)
        if outcome.state != "finished":
            return []
        numbers = {**outcome.scores, "seconds": outcome.seconds, aim.metric: outcome.value}
        for name in self.objectives:
            if name not in numbers:
                raise UserError(
                    f"sweep.sampler.objectives: no run has a number called {name}.{did_you_mean(name, numbers)} "
                    f"The options are {join_names(numbers)}."
                )
        return [numbers[name] for name in self.objectives]


def _state_of(trial: Any) -> dict[str, str]:
    return {key: value for key, value in trial.system_attrs.items() if key.startswith(_STATE)}
