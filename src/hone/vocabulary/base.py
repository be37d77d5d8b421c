"""The contract: which embedding rows take part in training; and its null twin, where all do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import final

from torch import Tensor


class Vocabulary(ABC):
    """Which embedding rows take part in training."""

    @abstractmethod
    def active(self) -> AbstractContextManager[None]:
        """While this is open, rows that nobody reads are left out."""

    @abstractmethod
    def whole(self) -> AbstractContextManager[None]:
        """While this is open, the embedding and the optimiser are as if nothing had ever been left out."""

    @abstractmethod
    def gradients(self, weights: Iterable[Tensor]) -> list[Tensor]:
        """The gradients there are, without rows that are known to be zero."""

    @abstractmethod
    def stepped(self) -> None:
        """Called after each step of the optimiser."""


@final
class Untrimmed(Vocabulary):
    """Every row takes part."""

    @contextmanager
    def active(self) -> Iterator[None]:
        yield

    @contextmanager
    def whole(self) -> Iterator[None]:
        yield

    def gradients(self, weights: Iterable[Tensor]) -> list[Tensor]:
        return [weight.grad for weight in weights if weight.grad is not None]

    def stepped(self) -> None: ...
