"""Whether a network reads from left to right alone: tried, for configs say it in many ways."""

from __future__ import annotations

from typing import Any

import torch

from hone.core.errors import UserError

_LEAST = 1e-3
"""Of what a changed last token changes at its own place: rounding is far less, looking ahead far more."""


@torch.no_grad()
def require_causal(network: Any, vocabulary: int) -> None:
    """Refuses a network that says something else of a token when a later one changes."""
    training = network.training
    ids = torch.arange(6, device=next(network.parameters()).device)[None] % vocabulary
    changed = ids.clone()
    changed[0, -1] = vocabulary - 1
    network.eval()
    try:
        change = (network(input_ids=ids).logits - network(input_ids=changed).logits).float().abs().amax(dim=-1)[0]
    finally:
        network.train(training)
    if float(change[:-1].max()) > _LEAST * max(float(change[-1]), 1e-6):
        config = network.config
        remedy = (
            "Make it read from left to right with checkpoint.hyperparameters={is_decoder:true}, or choose"
            if getattr(config, "is_decoder", None) is False
            else "Choose"
        )
        raise UserError(
            f"checkpoint: this {config.model_type} network reads in both directions, so it would see the "
            f"tokens that it is to foretell. {remedy} a decoder such as checkpoint=gpt2, or task=masked_lm."
        )
