"""Gradient checkpointing: a layer's insides are computed again for its gradients instead of kept, dropout and all."""

from __future__ import annotations

from typing import Any

from transformers import PreTrainedModel

from hone.core.errors import UserError


def recompute(network: Any, wanted: bool) -> None:
    """Has transformers do that, where it can and is wanted."""
    if not wanted:
        return
    bare: PreTrainedModel = next(module for module in network.modules() if isinstance(module, PreTrainedModel))
    backbone: Any = bare.base_model
    if not backbone.supports_gradient_checkpointing:
        raise UserError(
            f"gradient_checkpointing=true: transformers has none for {backbone.config.model_type}; say false, and "
            f"where memory is short a smaller batch_size with a larger accumulate."
        )
    backbone.activation_checkpointing_enable({"use_reentrant": False})
