"""The optimiser: any algorithm of torch, over parameter groups with their own weight decay and learning rate."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR
from torch.optim.swa_utils import get_ema_multi_avg_fn

from hone.core.durations import Clock
from hone.core.errors import UserError
from hone.core.value_types import NotNegative, Positive, Share
from hone.models.layers import LayerMap
from hone.training.optim.adamw_bf16 import AdamWBf16
from hone.training.optim.schedules import Scheduler


@final
@dataclass(frozen=True)
class Optimizer:
    """A config's `optimizer`; `algorithm` is a torch optimiser without its parameters."""

    algorithm: Callable[..., torch.optim.Optimizer]
    lr: Positive
    weight_decay: NotNegative = 0.0
    layer_decay: Share = 1.0
    head_lr_factor: Positive = 1.0
    ema: Share | None = None

    @property
    def rounds_at_random(self) -> bool:
        """Whether weights in bf16 keep, on average, updates that are too small for bf16."""
        return getattr(self.algorithm, "func", self.algorithm) is AdamWBf16

    def build(self, network: nn.Module, layer_map: LayerMap) -> torch.optim.Optimizer:
        """Build the optimiser over the trainable parameters."""
        return self._made(self.groups(network.named_parameters(), layer_map))

    def require_sound(self, network: nn.Module) -> None:
        """Raise UserError if the algorithm rejects its options or weights of these shapes."""
        for dims in sorted({weight.ndim for weight in network.parameters() if weight.requires_grad}):
            self.over(torch.zeros([1] * dims))

    def over(self, weight: Tensor) -> torch.optim.Optimizer:
        """Build the algorithm for one weight."""
        return self._made([nn.Parameter(weight)])

    def _made(self, weights: list[Any]) -> torch.optim.Optimizer:
        try:
            return self.algorithm(weights, lr=self.lr)
        except (RuntimeError, TypeError, ValueError) as error:
            raise UserError(f"optimizer.algorithm: {error}.") from error

    def groups(self, named: Iterable[tuple[str, nn.Parameter]], layer_map: LayerMap) -> list[dict[str, Any]]:
        """Group the parameters: biases and norms do not decay, lower layers may learn slower, the head faster."""
        groups: dict[tuple[float, float], list[nn.Parameter]] = {}
        places: dict[float, set[str]] = {}
        for name, parameter in named:
            if parameter.requires_grad:
                decay = self.weight_decay if parameter.ndim >= 2 else 0.0
                factor = self._lr_factor(name, layer_map)
                groups.setdefault((decay, factor), []).append(parameter)
                places.setdefault(factor, set()).add(layer_map.level_name(name))
        return [
            {"params": parameters, "weight_decay": decay, "lr": self.lr * factor, "name": _name_group(places[factor])}
            for (decay, factor), parameters in groups.items()
        ]

    def _lr_factor(self, name: str, layer_map: LayerMap) -> float:
        if layer_map.in_head(name):
            return self.head_lr_factor
        return float(self.layer_decay ** (layer_map.depth + 1 - layer_map.level(name)))


def _name_group(places: set[str]) -> str:
    """Name a group by the parts of the network in it: the head, one part of the backbone, or the backbone."""
    if "head" in places:
        return "head"
    return next(iter(places)) if len(places) == 1 else "backbone"


def schedule(optimizer: torch.optim.Optimizer, scheduler: Scheduler, clock: Clock) -> LambdaLR:
    """Return the learning-rate schedule, counted in optimiser steps."""
    return LambdaLR(optimizer, scheduler.factor(clock))


class Average(ABC):
    """The weights that evaluations use."""

    @abstractmethod
    def update(self, step: int) -> None:
        """Take in the weights after an optimiser step."""

    @abstractmethod
    def swap(self) -> None:
        """Exchange the network's weights and the averaged ones."""

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """Return what a checkpoint must store."""

    @abstractmethod
    def load(self, state: Mapping[str, Tensor]) -> None:
        """Restore a stored state."""

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Inside, the network has the averaged weights."""
        self.swap()
        try:
            yield
        finally:
            self.swap()


@final
class NoAverage(Average):
    """No average: evaluations use the weights as they are."""

    def update(self, step: int) -> None: ...

    def swap(self) -> None: ...

    def state(self) -> dict[str, Tensor]:
        return {}

    def load(self, state: Mapping[str, Tensor]) -> None: ...


@final
class MovingAverage(Average):
    """An exponential moving average. It forgets faster in the first steps, so that initial weights do not linger."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.weights = {name: weight for name, weight in network.named_parameters() if weight.requires_grad}
        self.averages = {name: weight.detach().clone() for name, weight in self.weights.items()}

    def update(self, step: int) -> None:
        decay = min(self.decay, (1 + step) / (10 + step))
        get_ema_multi_avg_fn(decay)(list(self.averages.values()), list(self.weights.values()), step)

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
    """Return the average that the config requests."""
    return NoAverage() if decay is None else MovingAverage(network, decay)
