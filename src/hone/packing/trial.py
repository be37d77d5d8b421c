"""Whether a network can train packed: found out by letting it read the same rows both ways."""

from __future__ import annotations

import logging
from typing import Any, cast

import torch
from torch import nn
from transformers import PreTrainedModel

from hone.core.errors import UserError, briefly
from hone.core.task import Batch, Task
from hone.core.value_types import Switch
from hone.models.compatibility import attention_of
from hone.models.layers import Anatomy
from hone.packing.packed import USUAL, Packed, Packing, Padded

log = logging.getLogger(__name__)

_TOLERANCE = 1e-3
"""Of the loss; what is wrong is wrong by far more, what is right differs in the last bits."""


def packing_for(
    wanted: Switch, network: Any, anatomy: Anatomy, task: Task, batch: Batch, device: torch.device
) -> Packing:
    """Packed where that is wanted and leaves the loss of a batch as it is."""
    if wanted is False:
        return Padded()
    on_cpu = device.type == "cpu"
    packing, reason = _try(network, anatomy, task, batch) if on_cpu else (Padded(), "packing is for CPUs so far")
    require_packed(wanted, reason)
    log.info("batches are %s", f"padded: {reason}" if reason else "packed")
    return packing


def require_packed(wanted: Switch, reason: str) -> None:
    """Raises UserError where packing is insisted on and there is a reason against it."""
    if wanted is True and reason:
        raise UserError(f"batch.pack=true: this network cannot train packed: {reason}. Say batch.pack=auto.")


def _try(network: Any, anatomy: Anatomy, task: Task, batch: Batch) -> tuple[Packing, str]:
    packing, reason = candidate(network, anatomy, batch)
    try:
        return _compare(packing, network, task, batch) if isinstance(packing, Packed) else (packing, reason)
    except Exception as error:  # networks are built in too many ways to foresee
        return Padded(), briefly(error)


def candidate(network: Any, anatomy: Anatomy, batch: Batch) -> tuple[Packing, str]:
    """Packed, or why that is out of the question."""
    bare: PreTrainedModel = next(module for module in network.modules() if isinstance(module, PreTrainedModel))
    backbone = cast(PreTrainedModel, bare.base_model)
    attention = attention_of(backbone.config)
    if len(anatomy.stacks) != 1:
        return Padded(), "its layers are not one stack"
    if attention != USUAL:
        return Padded(), f"its attention is {attention}"
    if getattr(backbone.config, "chunk_size_feed_forward", 0) > 1:
        return Padded(), "its feed-forward layers compute in chunks, which packed rows do not fill"
    if "attention_mask" not in batch.get("inputs", {}):
        return Padded(), "what it reads has no padding"
    return Packed(backbone, cast(nn.ModuleList, bare.get_submodule(anatomy.stacks[0][0]))), ""


@torch.no_grad()
def _compare(packing: Packed, network: Any, task: Task, batch: Batch) -> tuple[Packing, str]:
    network.eval()
    try:
        padded = float(task.loss(network, batch))
        with packing.active():
            packing.backbone.training = True  # of it alone: dropout would make any two passes differ
            packed = float(task.loss(network, batch))
    finally:
        network.train()
    if abs(packed - padded) > _TOLERANCE * max(abs(padded), 1e-3):
        return Padded(), f"the loss of a batch is {packed:.5g} packed and {padded:.5g} padded"
    return packing, ""
