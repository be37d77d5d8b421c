"""What jobs of a sweep have in common, found out once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, final

from hone.job import Job
from hone.key import key
from hone.recall import Found, Recall, Stage

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
class Kept(Recall):
    """Of one job, in a store that it shares with the others."""

    def __init__(self, store: dict[str, Any], job: Job) -> None:
        self.store, self.job = store, job

    def once(self, stage: Stage, make: Callable[[], Found]) -> Found:
        config = self.job.config
        name = key(stage, {key: _without_rate(key, config[key]) for key in _DEPENDS[stage]})
        if name not in self.store:
            self.store[name] = make()
        found: Found = self.store[name]
        return found


def _without_rate(section: str, node: Any) -> Any:
    return {key: value for key, value in node.items() if key != _RATES[section]} if section in _RATES else node
