"""Everything that an optimiser step changes, and how a checkpoint stores and restores it bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, final

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from hone.data.batching import Halvings
from hone.data.left_out import LeftOut
from hone.training.fast.compiling import Compilation
from hone.training.fast.packing import Packing
from hone.training.module import Module
from hone.training.optim.optimizers import Average

Tensors = dict[str, dict[str, Tensor]]


@final
@dataclass
class SkippedSteps:
    """Steps that were left out because their loss or gradient was not finite."""

    total: int = 0
    in_a_row: int = 0

    def add(self) -> None:
        self.total += 1
        self.in_a_row += 1


@final
@dataclass
class Retries:
    """Returns to a checkpoint because a number was not finite."""

    total: int = 0
    rows: int = 0
    """The number of rows that the journal has after the last return."""


@final
@dataclass(frozen=True)
class TrainState:
    """The state of a training. `wrapped` is the module as Fabric wraps it; the forward passes go through it."""

    module: Module
    wrapped: Any
    optimizer: Optimizer
    scheduler: LambdaLR
    average: Average
    packing: Packing
    compilation: Compilation
    skipped: SkippedSteps = field(default_factory=SkippedSteps)
    retries: Retries = field(default_factory=Retries)
    halvings: Halvings = field(default_factory=Halvings)
    left_out: LeftOut = field(default_factory=LeftOut)

    @contextmanager
    def fast_paths(self) -> Iterator[None]:
        """Inside, training passes skip padding and run compiled layers where the network allows it."""
        with self.packing.active(), self.compilation():
            yield

    def state_dict(self, fabric: Fabric) -> tuple[Tensors, dict[str, Any]]:
        """Return the tensors by file, and the numbers."""
        optimizer, groups = flatten(self.optimizer.state_dict())
        tensors = {
            "weights": trainable_tensors(self.module.network),
            "optimizer": optimizer,
            "average": self.average.state(),
        }
        state = {
            "optimizer": groups,
            "scheduler": {name: value for name, value in self.scheduler.state_dict().items() if name != "lr_lambdas"},
            "precision": fabric.strategy.precision.state_dict(),
            "skipped": asdict(self.skipped),
            "retries": asdict(self.retries),
            "halvings": asdict(self.halvings),
            "left_out": dict(self.left_out.counts),
        }
        return {file: content for file, content in tensors.items() if content}, state

    def load_state_dict(
        self, fabric: Fabric, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]
    ) -> None:
        """Restore what `state_dict` returned."""
        load_trainable_tensors(self.module.network, tensors["weights"])
        self.optimizer.load_state_dict(unflatten(tensors.get("optimizer", {}), state["optimizer"]))
        self.scheduler.load_state_dict({**self.scheduler.state_dict(), **state["scheduler"]})
        self.average.load(tensors.get("average", {}))
        fabric.strategy.precision.load_state_dict(state["precision"])
        vars(self.skipped).update(state["skipped"])
        vars(self.retries).update(state.get("retries", {}))  # older checkpoints have none
        vars(self.halvings).update(state["halvings"])
        self.left_out.counts.clear()
        self.left_out.counts.clear()
        self.left_out.counts.update(state.get("left_out", {}))


def trainable_tensors(network: nn.Module) -> dict[str, Tensor]:
    """Return trainable weights and buffers. Frozen weights are read again from where they came from."""
    parameters = dict(network.named_parameters(remove_duplicate=False))
    weights = {name: weight.detach() for name, weight in network.named_parameters() if weight.requires_grad}
    buffers = {name: value for name, value in network.state_dict().items() if name not in parameters}
    return weights | {name: value for name, value in buffers.items() if isinstance(value, Tensor)}


@torch.no_grad()
def load_trainable_tensors(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy stored weights into the network, which must have exactly these."""
    ours = trainable_tensors(network)
    if ours.keys() != weights.keys():
        odd = sorted(ours.keys() ^ weights.keys())
        raise ValueError(f"the checkpoint and the network differ in {len(odd)} weights, such as {odd[0]}")
    for name, weight in ours.items():
        weight.copy_(weights[name])


def flatten(state: Mapping[str, Any]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return an optimiser's state as named tensors and plain numbers."""
    tensors: dict[str, Tensor] = {}
    numbers: dict[str, Any] = {}
    for index, values in state["state"].items():
        for name, value in values.items():
            (tensors if isinstance(value, Tensor) else numbers)[f"{index}/{name}"] = value
    return tensors, {"numbers": numbers, "groups": state["param_groups"]}


def unflatten(tensors: Mapping[str, Tensor], kept: Mapping[str, Any]) -> dict[str, Any]:
    """Undo `flatten`."""
    state: dict[int, dict[str, Any]] = {}
    for key, value in [*tensors.items(), *kept["numbers"].items()]:
        index, _, name = key.partition("/")
        state.setdefault(int(index), {})[name] = value
    return {"state": state, "param_groups": kept["groups"]}
