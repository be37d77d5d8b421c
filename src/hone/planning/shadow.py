"""Lets a network without weights take a step as it would with weights: what reads numbers, or chooses kernels by the
device, is done here in their stead. The tensors that come to be have the sizes and types that they would have.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map_only

_LOW = {
    "linear", "matmul", "__matmul__", "bmm", "mm", "addmm", "baddbmm", "addbmm", "conv1d", "conv2d", "conv3d",
    "scaled_dot_product_attention",
}  # fmt: skip
"""What autocast computes in a lower precision, by name."""
_HIGH_ON_GPUS = {"layer_norm", "softmax", "log_softmax", "cross_entropy", "group_norm", "norm", "cosine_similarity"}


Product = tuple[int, int, int]
"""Rows of the left matrix, what they have in common with the right one's, and rows of that."""


@final
class Shadow(TorchFunctionMode):
    """`low` is the type that autocast casts to, or None where it is off; weights are cast once."""

    def __init__(self, device: str, low: torch.dtype | None) -> None:
        super().__init__()
        self.device, self.low = device, low
        self.cast: dict[int, Tensor] = {}
        self.products: dict[Product, int] = {}
        """The different products of matrices of two bytes a number, and in how many ways each is computed."""

    def __torch_function__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options, name = dict(kwargs or {}), getattr(func, "__name__", "")
        if any(isinstance(value, Tensor) and value.is_meta for value in tree_leaves((args, options))):
            args, options = tree_map_only(Tensor, _lifted, (args, options))
            args, options = self._in_precision(name, args, options)
            self._take_down(name, args)
            if func is F.dropout:
                return self._dropout(*args, **options)
            if func is F.scaled_dot_product_attention:
                return self._attention(*args, **options)
            if name == "__bool__":
                return False
        return func(*args, **options)

    def _in_precision(self, name: str, args: Any, options: Any) -> Any:
        if self.low is None:
            return args, options
        if name in _LOW:
            return tree_map_only(Tensor, self._lowered, (args, options))
        if name in _HIGH_ON_GPUS and self.device != "cpu":
            return tree_map_only(Tensor, self._raised, (args, options))
        return args, options

    def _take_down(self, name: str, args: Sequence[Any]) -> None:
        """The product itself, and one for the gradient of each factor that wants it."""
        factors = [value for value in args[:2] if isinstance(value, Tensor) and value.dtype.itemsize == 2]
        if name in _LOW - {"scaled_dot_product_attention"} and len(factors) == 2:
            left, right = factors
            product = (left.shape[:-1].numel(), left.shape[-1], right.shape[:-1].numel())
            backward = sum(value.requires_grad for value in factors) if torch.is_grad_enabled() else 0
            self.products[product] = 1 + backward

    def _lowered(self, value: Tensor) -> Tensor:
        if value.dtype != torch.float32:
            return value
        if not (value.is_leaf and value.requires_grad):
            return value.to(self.low)
        if id(value) not in self.cast:
            self.cast[id(value)] = value.to(self.low)
        return self.cast[id(value)]

    def _raised(self, value: Tensor) -> Tensor:
        return value.float() if value.dtype == self.low else value

    def _dropout(self, value: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
        """Numbers are drawn in the type of the values; a GPU keeps a bit of each, in a byte."""
        if not training or not p:
            return value
        return value * torch.empty_like(value, dtype=value.dtype if self.device == "cpu" else torch.bool)

    def _attention(
        self, query: Tensor, key: Tensor, value: Tensor, attn_mask: Tensor | None = None, dropout_p: float = 0.0,
        is_causal: bool = False, scale: float | None = None, enable_gqa: bool = False,
    ) -> Tensor:  # fmt: skip
        """In one kernel, or, on a CPU with dropout or a mask that learns, step by step with all the scores."""
        if enable_gqa:
            times = query.shape[1] // key.shape[1]
            key, value = key.repeat_interleave(times, 1), value.repeat_interleave(times, 1)
        learns = attn_mask is not None and attn_mask.requires_grad
        if not learns and (self.device != "cpu" or not dropout_p):
            fused: Callable[..., Any] = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
            attended: Tensor = fused(query, key, value, 0.0, is_causal)[0]
            return attended
        exact = torch.float32 if query.dtype in (torch.bfloat16, torch.float16) else query.dtype
        ours, theirs, values = query.to(exact) * 1.0, key.to(exact).transpose(-2, -1) * 1.0, value.to(exact)
        scores = ours @ theirs
        if attn_mask is not None:
            scores = scores + attn_mask if learns else scores.add_(attn_mask.to(exact))
        shares = scores.softmax(-1)
        del scores
        shares = torch.where(shares.all(-1, keepdim=True), shares, shares)  # rows where all is masked
        return (self._dropout(shares, dropout_p) @ values).to(query.dtype)


def _lifted(value: Tensor) -> Tensor:
    """What holds numbers stays as it is until it meets what holds none."""
    return value if value.is_meta or not value.ndim else value.to("meta")
