"""Packs the hidden states of a network before its first layer and unpacks them after its last one.

Everything in a layer except attention treats each token by itself, so packing changes neither the loss nor the
gradients. Attention goes through transformers' registry of attention functions, where ours handles rows of similar
length together. Whether a network is really built this way is tested with one batch.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast, final

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from hone.core.errors import UserError, one_line
from hone.core.task import Batch, Task
from hone.core.value_types import Switch
from hone.data.module import Step
from hone.models.compatibility import attention_of
from hone.models.layers import LayerMap
from hone.models.row_dependence import why_rows_depend
from hone.training.fast.layout import Layout

log = logging.getLogger(__name__)

USUAL = "sdpa"
"""The attention function of transformers that ours replaces and calls."""
_NAME = "hone_packed"
"""The name of ours in transformers' registry."""
_TOLERANCE = 1e-3
"""How much the packed loss may differ, relatively. Rounding changes the last bits; a wrong loss differs far more."""


class Packing(ABC):
    """Whether a network trains on packed batches."""

    @abstractmethod
    def active(self) -> AbstractContextManager[None]:
        """Opens a context in which training passes may be packed; evaluation never is."""

    @abstractmethod
    def cost(self, step: Step) -> int:
        """Returns how many tokens the layers compute in a step."""


@final
class Padded(Packing):
    """Leaves the network as it is."""

    @contextmanager
    def active(self) -> Iterator[None]:
        yield

    def cost(self, step: Step) -> int:
        return step.padded_tokens


@final
class Packed(Packing):
    """Packs training batches by hooks around one stack of layers."""

    def __init__(self, backbone: PreTrainedModel, layers: nn.ModuleList) -> None:
        self.backbone, self.layers = backbone, layers

    def cost(self, step: Step) -> int:
        return step.tokens

    @contextmanager
    def active(self) -> Iterator[None]:
        first, last = self.layers[0], self.layers[-1]
        hooks = [
            self.backbone.register_forward_pre_hook(_set_layout, with_kwargs=True),
            *(layer.register_forward_pre_hook(_pack_options, with_kwargs=True) for layer in self.layers),
            first.register_forward_pre_hook(_pack_input),
            last.register_forward_hook(_unpack_output),
        ]
        self.backbone.set_attn_implementation(_NAME)
        try:
            yield
        finally:
            self.backbone.set_attn_implementation(USUAL)
            for hook in hooks:
                hook.remove()
            _current.layout = None


@final
class UnpackableError(Exception):
    """A layer gets something that cannot be computed for packed rows."""


def why_not_packed(error: Exception) -> str:
    """Returns the reason against packing, given what went wrong in a packed step."""
    return str(error) if isinstance(error, UnpackableError) else one_line(error)


def packing_for(
    wanted: Switch, network: Any, layer_map: LayerMap, task: Task, batch: Batch, device: torch.device
) -> Packing:
    """Returns Packed where that is wanted and does not change the loss of a batch, and Padded otherwise."""
    if wanted is False:
        return Padded()
    packing: Packing = Padded()
    reason = "packing is for CPUs so far"
    if device.type == "cpu":
        packing, reason = _try_packing(network, layer_map, task, batch)
    require_packed(wanted, reason)
    log.info("batches are %s", f"padded: {reason}" if reason else "packed")
    return packing


def require_packed(wanted: Switch, reason: str) -> None:
    """Raises UserError where the user requires packing and there is a reason against it."""
    if wanted is True and reason:
        raise UserError(f"batch.pack=true: this network cannot train packed: {reason}. Use batch.pack=auto.")


def _try_packing(network: Any, layer_map: LayerMap, task: Task, batch: Batch) -> tuple[Packing, str]:
    """Returns a packing that was tried with a batch, or Padded and the reason against packing."""
    packing, reason = propose_packing(network, layer_map, batch)
    if not isinstance(packing, Packed):
        return packing, reason
    try:
        padded, packed = _losses(packing, network, task, batch)
    except Exception as error:  # networks are built in too many ways to foresee what fails
        return Padded(), why_not_packed(error)
    if abs(packed - padded) > _TOLERANCE * max(abs(padded), 1e-3):
        return Padded(), f"the loss of a batch is {packed:.5g} packed and {padded:.5g} padded"
    return packing, ""


def propose_packing(network: Any, layer_map: LayerMap, batch: Batch) -> tuple[Packing, str]:
    """Returns Packed for a network that looks suitable, or Padded and the reason against packing."""
    dependence = why_rows_depend(network)
    if dependence:
        return Padded(), dependence
    bare: PreTrainedModel = next(module for module in network.modules() if isinstance(module, PreTrainedModel))
    backbone = cast(PreTrainedModel, bare.base_model)
    attention = attention_of(backbone.config)
    if len(layer_map.stacks) != 1:
        return Padded(), "its layers are not one stack"
    if attention != USUAL:
        return Padded(), f"its attention is {attention}"
    if getattr(backbone.config, "chunk_size_feed_forward", 0) > 1:
        return Padded(), "its feed-forward layers compute in chunks, which packed rows do not fill"
    if "attention_mask" not in batch.get("inputs", {}):
        return Padded(), "its inputs have no padding"
    return Packed(backbone, cast(nn.ModuleList, bare.get_submodule(layer_map.stacks[0][0]))), ""


@torch.no_grad()
def _losses(packing: Packed, network: Any, task: Task, batch: Batch) -> tuple[float, float]:
    """Returns the loss of a batch, padded and packed, without dropout."""
    network.eval()
    try:
        padded = float(task.loss(network, batch))
        with packing.active():
            # Only the backbone's own flag, which turns packing on: dropout would make any two passes differ.
            packing.backbone.training = True
            packed = float(task.loss(network, batch))
    finally:
        network.train()
    return padded, packed


@final
class _Current:
    """The layout of the batch that is being computed; None: it is padded."""

    layout: Layout | None = None


_current = _Current()


def _set_layout(module: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    mask: Any = options.get("attention_mask")
    _current.layout = Layout.of(mask) if module.training and _can_be_packed(mask) else None


def _can_be_packed(mask: Any) -> bool:
    """Whether the mask of a batch has padding, and no row that is padding only."""
    is_matrix = isinstance(mask, Tensor) and mask.ndim == 2
    return is_matrix and not bool(mask.all()) and bool(mask.any(dim=1).all())


def _pack_options(module: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Packs positions and other values that every layer gets in the shape of the padded batch."""
    layout = _current.layout
    if layout is None:
        return None
    return arguments, {name: _pack_if_padded(value, layout) for name, value in options.items()}


def _pack_if_padded(value: Any, layout: Layout) -> Any:
    if isinstance(value, tuple):
        return tuple(_pack_if_padded(part, layout) for part in value)
    is_padded = isinstance(value, Tensor) and value.ndim >= 2 and value.shape[1] == layout.width
    return layout.pack(value) if is_padded and value.shape[0] in (1, layout.rows) else value


def _pack_input(module: nn.Module, arguments: tuple[Any, ...]) -> Any:
    return None if _current.layout is None else (_current.layout.pack(arguments[0]), *arguments[1:])


def _unpack_output(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> Any:
    if _current.layout is None:
        return None
    if isinstance(output, tuple):
        return (_current.layout.unpack(output[0]), *output[1:])
    return _current.layout.unpack(output)


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Computes attention within each row, one group of rows at a time."""
    layout = _current.layout
    if layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    if options.get("sliding_window") is not None or options.get("position_bias") is not None:
        raise UnpackableError("its attention has windows or position biases")
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", False) if causal is None else causal
    parts = []
    for group in layout.groups:
        mask = None if causal else group.mask  # causal attention never sees the filling after a row
        q, k, v = group.to_rectangle(query), group.to_rectangle(key), group.to_rectangle(value)
        parts.append(group.to_tokens(sdpa_attention_forward(module, q, k, v, mask, **options)[0]))
    attended = torch.cat(parts)
    filling = attended.new_zeros(len(layout.places) - layout.tokens, *attended.shape[1:])
    return torch.cat([attended, filling])[None], None


def _mask(*arguments: Any, **options: Any) -> Tensor | None:
    return sdpa_mask(*arguments, **options) if _current.layout is None else None


AttentionInterface.register(_NAME, torch.compiler.disable(_attend))  # compiled, each batch would be a new case
AttentionMaskInterface.register(_NAME, _mask)
