"""Weights without a place in memory are not drawn either: to draw nothing, torch would load half of its compiler."""

from __future__ import annotations

from typing import Any, final

import torch
from torch import nn
from torch.overrides import TorchFunctionMode


@final
class Unfilled(TorchFunctionMode):
    """While this is open; weights that have a place are drawn as ever."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func in (nn.init.normal_, torch.Tensor.normal_):
            weight = (*args, *given.values())[0]
            if weight.is_meta:
                return weight
        return func(*args, **given)
