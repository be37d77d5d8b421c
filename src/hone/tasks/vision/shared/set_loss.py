"""The loss of networks that predict a set of masks (Mask2Former and MaskFormer), for each row of a batch.

Their own loss is that of a batch: the losses of the masks divided by its masks, plus a weighted mean over all queries
for the classes. Here both are given back to the rows, so that the rows' losses add up to the batch's loss times its
masks. The points at which Mask2Former compares masks are random: they are drawn from a seed for each row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hone.core import seeds
from hone.core.errors import UserError
from hone.core.task import Batch

_SUPPORTED = ("mask2former", "maskformer")
"""The architectures, as configs name them."""


def require_set_loss(network: Any) -> None:
    """Raise UserError for an architecture whose loss is another one."""
    if network.config.model_type not in _SUPPORTED:
        raise UserError(
            f"checkpoint: {type(network).__name__} cannot be trained on masks here. Choose a checkpoint of "
            f"{' or '.join(_SUPPORTED)}, such as checkpoint={_SUPPORTED[0]}."
        )


def compute_masks(network: Any, batch: Batch) -> Any:
    """Return the network's output for a batch, with that of its earlier layers if the batch has labels."""
    # MaskFormer computes the masks of its earlier layers only where it gives away their states.
    states = network.config.model_type == "maskformer" and network.config.use_auxiliary_loss
    return network(**batch["inputs"], output_auxiliary_logits="labels" in batch, output_hidden_states=states)


def row_losses(network: Any, output: Any, labels: Sequence[Mapping[str, Tensor]], draws: Sequence[int]) -> Tensor:
    """Return the loss of each row, whose sum is the loss of the batch times its number of masks.

    `labels` have the `masks` and the `classes` of each row; `draws` are the seeds of the rows' random points."""
    device = output.class_queries_logits.device
    masks, classes, weights = [], [], []
    # 16-bit costs cannot be matched, and the sums of the losses need 32 bits.
    with seeds.separate_draws(device) as reseed, torch.autocast(device.type, enabled=False):
        for place, (row, seed) in enumerate(zip(labels, draws, strict=True)):
            reseed(seed)
            parts = _compute_parts(network, output, place, row)
            count, queries = len(row["classes"]), output.class_queries_logits.shape[1]
            own = [value for name, value in parts.items() if "cross_entropy" in name]
            classes.append(torch.stack(own).sum())
            masks.append((torch.stack([*parts.values()]).sum() - classes[-1]) * max(1, count))
            weights.append(min(count, queries) + network.config.no_object_weight * max(0, queries - count))
    shares = torch.tensor(weights, device=device) / sum(weights)
    losses: Tensor = torch.stack(masks) + torch.stack(classes) * shares * count_masks(labels)
    return losses


def count_masks(labels: Sequence[Mapping[str, Tensor]]) -> float:
    """Return the number of masks. The loss of a batch without any is divided by 1."""
    return float(max(1, sum(len(each["classes"]) for each in labels)))


def _compute_parts(network: Any, output: Any, place: int, row: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    """Return the weighted losses of one row by name, those of the decoder's earlier layers included."""
    layers = [output, *(output.auxiliary_logits or [])]
    (masks, classes), *earlier = (
        tuple(layer[name][place : place + 1].float() for name in ("masks_queries_logits", "class_queries_logits"))
        for layer in layers
    )
    auxiliary = [{"masks_queries_logits": each, "class_queries_logits": own} for each, own in earlier]
    parts: Mapping[str, Tensor] = network.get_loss_dict(masks, classes, [row["masks"]], [row["classes"]], auxiliary)
    return parts
