"""Who finds out the same for several jobs remembers it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, final

from hone.config.job import Job
from hone.core.errors import UserError
from hone.core.paths import cache_key

Stage = Literal["rows", "task", "network", "encoded"]
Found = TypeVar("Found")


class StageCache(ABC):
    """Who drafts several jobs need not find out everything for each of them."""

    @abstractmethod
    def cached(self, stage: Stage, make: Callable[[], Found]) -> Found:
        """What `make` gives, or gave for a job that does not differ in what this stage depends on."""


@final
class NoStageCache(StageCache):
    """For a single job."""

    def cached(self, stage: Stage, make: Callable[[], Found]) -> Found:
        return make()


_ROWS = ("dataset", "task", "limit")
_TASK = (*_ROWS, "checkpoint")
_DEPENDS: Mapping[Stage, tuple[str, ...]] = {
    "rows": _ROWS,
    "task": _TASK,
    "encoded": _TASK,
    "network": (*_TASK, "head", "adapter", "optimizer", "gradient_checkpointing"),
}
"""The sections and words of a config that a stage of a draft is a function of."""
_RATES = {"checkpoint": "lr", "optimizer": "lr"}
"""Learning rates, which most sweeps are over, change none of these."""


@final
class SharedStageCache(StageCache):
    """Of one job, in a store that it shares with the others; `mistakes`: what went wrong is not tried again either."""

    def __init__(self, store: dict[str, Any], job: Job, mistakes: bool = False) -> None:
        self.store, self.job, self.mistakes = store, job, mistakes

    def __reduce__(self) -> tuple[type[NoStageCache], tuple[()]]:
        """A job that goes to another machine leaves the store behind."""
        return NoStageCache, ()

    def cached(self, stage: Stage, make: Callable[[], Found]) -> Found:
        config = self.job.config
        name = cache_key(stage, {key: _without_rate(key, config[key]) for key in _DEPENDS[stage]})
        if name not in self.store:
            self.store[name] = self._made(make)
        if isinstance(self.store[name], UserError):
            raise self.store[name]
        found: Found = self.store[name]
        return found

    def _made(self, make: Callable[[], Found]) -> Found | UserError:
        try:
            return make()
        except UserError as error:
            if not self.mistakes:
                raise
            return error


def _without_rate(section: str, node: Any) -> Any:
    return {key: value for key, value in node.items() if key != _RATES[section]} if section in _RATES else node
