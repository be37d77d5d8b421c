"""Who finds out the same for several jobs remembers it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal, TypeVar, final

Stage = Literal["rows", "task", "network", "encoded"]
Found = TypeVar("Found")


class Recall(ABC):
    """Who drafts several jobs need not find out everything for each of them."""

    @abstractmethod
    def once(self, stage: Stage, make: Callable[[], Found]) -> Found:
        """What `make` gives, or gave for a job that does not differ in what this stage depends on."""


@final
class NoRecall(Recall):
    """For a single job."""

    def once(self, stage: Stage, make: Callable[[], Found]) -> Found:
        return make()
