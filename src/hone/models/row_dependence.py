"""Whether a network computes a row differently in another batch, seen from its modules.

A training batch of such a network is never packed or computed in parts, which would not add up to the same step.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from hone.core.task import Task
from hone.models.head import Head

_OVER_TIME = (nn.GroupNorm, nn.InstanceNorm1d)
"""Norms whose mean and variance include padding. Next to them is a convolution over time: images have no padding."""


def why_never_divided(network: nn.Module, task: Task, head: Head) -> str:
    """Returns why a training batch must be computed as a whole, or an empty text."""
    if not task.independent_rows:
        return "the loss compares the rows of a batch with each other"
    return "" if head.precomputes else why_rows_depend(network)


def why_rows_depend(network: nn.Module) -> str:
    """Returns why a row's result depends on the rest of a training batch, or an empty text."""
    if any(_averages_over_rows(module) for module in network.modules()):
        return "BatchNorm layers average over the rows of a batch"
    if depends_on_padding(network):
        return "group norm averages over time, padding included"
    return ""


def depends_on_padding(network: nn.Module) -> bool:
    """Returns whether a row's result depends on how far its batch is padded, in evaluations as well."""
    return any(_normalises_over_time(list(module.children())) for module in network.modules())


def enter_training(network: Any) -> Any:
    """Returns a network in training mode. BatchNorm layers in frozen parts stay in evaluation mode.

    Otherwise every batch would change the means and variances of a part that is not trained. Dropout is active
    everywhere.
    """
    network.train()
    for module in network.modules():
        weights = [weight.requires_grad for weight in module.parameters()]
        if weights and not any(weights):
            for norm in filter(_is_batch_norm, module.modules()):
                norm.eval()
    return network


def _normalises_over_time(children: list[nn.Module]) -> bool:
    has_norm = any(isinstance(child, _OVER_TIME) for child in children)
    return has_norm and any(isinstance(child, nn.Conv1d) for child in children)


def _averages_over_rows(module: nn.Module) -> bool:
    """Returns whether a module is a BatchNorm that is training: in evaluation mode it uses constants."""
    return _is_batch_norm(module) and module.training


def _is_batch_norm(module: nn.Module) -> bool:
    """Returns whether a module is a BatchNorm, by the names of its classes, as libraries have their own.

    What libraries call a frozen one has constants alone.
    """
    names = " ".join(cls.__name__ for cls in type(module).__mro__)
    return "BatchNorm" in names and "FrozenBatchNorm" not in names
