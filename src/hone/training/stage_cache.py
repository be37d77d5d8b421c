"""Stages of preparation that the jobs of a sweep share: made once, and taken from here by every other job."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeVar, final

from hone.config.job import Job
from hone.core.errors import UserError
from hone.core.paths import cache_key

Stage = Literal["rows", "task", "network", "encoded"]
Made = TypeVar("Made")

_ROWS = ("dataset", "task", "limit")
_TASK = (*_ROWS, "checkpoint")
_DEPENDS_ON: Mapping[Stage, tuple[str, ...]] = {
    "rows": _ROWS,
    "task": _TASK,
    "encoded": _TASK,
    "network": (*_TASK, "head", "adapter", "optimizer", "gradient_checkpointing"),
}
"""The sections and keys of a config that decide what a stage makes."""
_RATES = {"checkpoint": "lr", "optimizer": "lr"}
"""Learning rates, which most sweeps vary, change no stage."""


@final
class StageCache:
    """The stages of one job, in a store that other jobs share. Without a job nothing is shared."""

    def __init__(
        self, job: Job | None = None, store: dict[str, Any] | None = None, remember_mistakes: bool = False
    ) -> None:
        self.job, self.store = job, {} if store is None else store
        self.remember_mistakes = remember_mistakes

    def __reduce__(self) -> tuple[type[StageCache], tuple[()]]:
        """A job that is sent to another machine leaves the store behind."""
        return StageCache, ()

    def cached(self, stage: Stage, make: Callable[[], Made]) -> Made:
        """Return what `make` returns, or returned for a job with the same values in all that this stage depends on."""
        if self.job is None:
            return make()
        name = self._key(stage, self.job.config)
        if name not in self.store:
            self.store[name] = self._made(make)
        if isinstance(self.store[name], UserError):
            raise self.store[name]
        result: Made = self.store[name]
        return result

    def _made(self, make: Callable[[], Made]) -> Made | UserError:
        try:
            return make()
        except UserError as error:
            if not self.remember_mistakes:
                raise
            return error

    @staticmethod
    def _key(stage: Stage, config: Mapping[str, Any]) -> str:
        return cache_key(stage, {name: _without_rate(name, config[name]) for name in _DEPENDS_ON[stage]})


def _without_rate(section: str, node: Any) -> Any:
    if section not in _RATES:
        return node
    return {key: value for key, value in node.items() if key != _RATES[section]}
