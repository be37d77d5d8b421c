"""A cell of a sweep, the run that fills it, and how that ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final


@final
@dataclass(frozen=True)
class Cell:
    """What distinguishes one run of a sweep from the others: `key=value` words, in Hydra's grammar."""

    number: int
    words: tuple[str, ...]
    again: bool = False
    """Asked for once more: its run was stopped, and is to go on."""

    @property
    def values(self) -> dict[str, str]:
        """The words by their keys."""
        return {key.lstrip("+~"): value for key, _, value in (word.partition("=") for word in self.words)}


@final
@dataclass(frozen=True)
class Outcome:
    """How the run of a cell stands: the state that `run.json` has, its reason, and the number that is optimised."""

    state: str
    reason: str | None = None
    value: float | None = None
    seconds: float | None = None
    steps: int | None = None
    identity: str | None = None
    scores: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Mapping[str, Any]) -> Outcome:
        """What a run says of itself."""
        best = record.get("best") or {}
        return cls(
            record["state"],
            record.get("reason"),
            best.get("value"),
            record.get("seconds"),
            record.get("steps"),
            record.get("identity"),
            record.get("scores") or {},
        )
