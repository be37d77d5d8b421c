"""A moving average of the weights, for the evaluations and the final model; its null twin averages nothing."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import final

import torch
from torch import Tensor, nn


class Average(ABC):
    """What the evaluations see of the weights."""

    @abstractmethod
    def update(self, step: int) -> None:
        """Takes in the weights that this optimiser step made."""

    @abstractmethod
    def swap(self) -> None:
        """Exchanges the network's weights and the averaged ones."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """What a checkpoint must keep."""

    @abstractmethod
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Takes up a kept state."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        """While this is open the network has the averaged weights."""
        self.swap()
        try:
            yield
        finally:
            self.swap()


@final
class NoAverage(Average):
    """The weights as they are."""

    def update(self, step: int) -> None: ...

    def swap(self) -> None: ...

    def state(self) -> dict[str, Tensor]:
        return {}

    def load(self, state: Mapping[str, Tensor]) -> None: ...


@final
class MovingAverage(Average):
    """Exponential; it forgets faster in the first steps, so that the initial weights do not linger."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
        self.averages = {name: weight.detach().clone() for name, weight in self.weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        rate = 1 - min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self.averages.values()), list(self.weights.values()), rate)

    @torch.no_grad()
    def swap(self) -> None:
        for name, weight in self.weights.items():
            weight.data, self.averages[name] = self.averages[name], weight.data

    def state(self) -> dict[str, Tensor]:
        return dict(self.averages)

    def load(self, state: Mapping[str, Tensor]) -> None:
        for name, average in self.averages.items():
            average.copy_(state[name])


def average_of(network: nn.Module, decay: float | None) -> Average:
    """The average that the config asks for."""
    return NoAverage() if decay is None else MovingAverage(network, decay)
