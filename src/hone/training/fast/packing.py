"""Packs the hidden states of an encoder before its first layer and unpacks them behind its last one.

Everything in a layer but attention treats each token by itself, so packing changes neither the loss nor the gradients;
attention goes through transformers' own registry of attention functions, where ours takes rows of like length together.
Whether a network really is built that way is not believed but tried.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, cast, final

import torch
from torch import Tensor, nn
from torch._compile import _disable_dynamo  # as torch.compiler.disable, but imports no compiler
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from hone.core.errors import UserError, one_line
from hone.core.task import Batch, Task
from hone.core.value_types import Switch
from hone.data.module import Step
from hone.models.compatibility import attention_of
from hone.models.layers import LayerMap
from hone.training.fast.layout import Layout

_NAME = "hone_packed"
USUAL = "sdpa"


@final
class _Current:
    """The layout of the batch under way; None: it goes through padded."""

    layout: Layout | None = None


_current = _Current()


class Packing(ABC):
    """Whether a network trains on packed batches."""

    @abstractmethod
    def active(self) -> AbstractContextManager[None]:
        """While this is open, training passes may be packed; evaluation never is."""

    @abstractmethod
    def cost(self, step: Step) -> int:
        """How many tokens the layers compute in a step."""


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
    """Hooks around one stack of layers."""

    def __init__(self, backbone: PreTrainedModel, layers: nn.ModuleList) -> None:
        self.backbone, self.layers = backbone, layers

    def cost(self, step: Step) -> int:
        return step.tokens

    @contextmanager
    def active(self) -> Iterator[None]:
        first, last = self.layers[0], self.layers[-1]
        hooks = [
            self.backbone.register_forward_pre_hook(_begin, with_kwargs=True),
            *(layer.register_forward_pre_hook(_enter, with_kwargs=True) for layer in self.layers),
            first.register_forward_pre_hook(_pack),
            last.register_forward_hook(_unpack),
        ]
        self.backbone.set_attn_implementation(_NAME)
        try:
            yield
        finally:
            self.backbone.set_attn_implementation(USUAL)
            for hook in hooks:
                hook.remove()
            _current.layout = None


def _begin(module: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
    mask: Any = options.get("attention_mask")
    _current.layout = Layout.of(mask) if module.training and _can_be_packed(mask) else None


def _can_be_packed(mask: Any) -> bool:
    """Some padding, and no row of nothing else."""
    usual = isinstance(mask, Tensor) and mask.ndim == 2
    return usual and not bool(mask.all()) and bool(mask.any(dim=1).all())


def _enter(module: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]) -> Any:
    """Positions and the like come to each layer in the shape of the rectangle."""
    layout = _current.layout
    return None if layout is None else (arguments, {name: _fitted(value, layout) for name, value in options.items()})


def _fitted(value: Any, layout: Layout) -> Any:
    if isinstance(value, tuple):
        return tuple(_fitted(part, layout) for part in value)
    shaped = isinstance(value, Tensor) and value.ndim >= 2 and value.shape[1] == layout.width
    return layout.pack(value) if shaped and value.shape[0] in (1, layout.rows) else value


def _pack(module: nn.Module, arguments: tuple[Any, ...]) -> Any:
    return None if _current.layout is None else (_current.layout.pack(arguments[0]), *arguments[1:])


def _unpack(module: nn.Module, arguments: tuple[Any, ...], output: Any) -> Any:
    if _current.layout is None:
        return None
    if isinstance(output, tuple):
        return (_current.layout.unpack(output[0]), *output[1:])
    return _current.layout.unpack(output)


def _attend(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **options: Any
) -> tuple[Tensor, None]:
    """Attention within each row, a group of rows at a time."""
    layout = _current.layout
    if layout is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **options)
    if options.get("sliding_window") is not None or options.get("position_bias") is not None:
        raise ValueError("its attention has windows or position biases")
    causal = options.get("is_causal")
    causal = getattr(module, "is_causal", False) if causal is None else causal
    parts = []
    for group in layout.groups:
        mask = None if causal else group.mask  # looking back alone, no token sees the filling behind its row
        q, k, v = group.square(query), group.square(key), group.square(value)
        parts.append(group.flat(sdpa_attention_forward(module, q, k, v, mask, **options)[0]))
    attended = torch.cat(parts)
    filling = attended.new_zeros(len(layout.places) - layout.tokens, *attended.shape[1:])
    return torch.cat([attended, filling])[None], None


def _mask(*arguments: Any, **options: Any) -> Tensor | None:
    return sdpa_mask(*arguments, **options) if _current.layout is None else None


AttentionInterface.register(_NAME, _disable_dynamo(_attend))  # compiled, every batch would be a case of its own
AttentionMaskInterface.register(_NAME, _mask)


log = logging.getLogger(__name__)

_TOLERANCE = 1e-3
"""Of the loss; what is wrong is wrong by far more, what is right differs in the last bits."""


def packing_for(
    wanted: Switch, network: Any, layer_map: LayerMap, task: Task, batch: Batch, device: torch.device
) -> Packing:
    """Packed where that is wanted and leaves the loss of a batch as it is."""
    if wanted is False:
        return Padded()
    on_cpu = device.type == "cpu"
    packing, reason = _try(network, layer_map, task, batch) if on_cpu else (Padded(), "packing is for CPUs so far")
    require_packed(wanted, reason)
    log.info("batches are %s", f"padded: {reason}" if reason else "packed")
    return packing


def require_packed(wanted: Switch, reason: str) -> None:
    """Raises UserError where packing is insisted on and there is a reason against it."""
    if wanted is True and reason:
        raise UserError(f"batch.pack=true: this network cannot train packed: {reason}. Say batch.pack=auto.")


def _try(network: Any, layer_map: LayerMap, task: Task, batch: Batch) -> tuple[Packing, str]:
    packing, reason = propose_packing(network, layer_map, batch)
    try:
        return _compare(packing, network, task, batch) if isinstance(packing, Packed) else (packing, reason)
    except Exception as error:  # networks are built in too many ways to foresee
        return Padded(), one_line(error)


def propose_packing(network: Any, layer_map: LayerMap, batch: Batch) -> tuple[Packing, str]:
    """Packed, or why that is out of the question."""
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
        return Padded(), "what it reads has no padding"
    return Packed(backbone, cast(nn.ModuleList, bare.get_submodule(layer_map.stacks[0][0]))), ""


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
