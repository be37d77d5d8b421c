"""Continuations of prompts, as transformers' own text generation writes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from hone import padding
from hone.language.blocks import Numbers


@final
@dataclass(frozen=True)
class Writing:
    """How to go on: the likeliest token each time, beams, or dice."""

    max_new_tokens: int
    do_sample: bool
    temperature: float
    top_p: float
    num_beams: int

    def options(self) -> dict[str, Any]:
        """Words for `generate`, which complains of those that have no effect."""
        dice = {"temperature": self.temperature, "top_p": self.top_p} if self.do_sample else {}
        told = {"max_new_tokens": self.max_new_tokens, "do_sample": self.do_sample, "num_beams": self.num_beams}
        return {**told, **dice}


def write(network: Any, tokenizer: Any, prompts: Sequence[Numbers], how: Writing, seed: int) -> list[str]:
    """A continuation of each prompt; the same dice for the same seed."""
    lengths = np.array([len(prompt) for prompt in prompts])
    width = int(lengths.max())
    device = next(network.parameters()).device
    ids = padding.pad(prompts, tokenizer.pad_token_id, width, left=True).to(device)
    mask = padding.mask(lengths, width, left=True).to(device)
    special = {"pad_token_id": tokenizer.pad_token_id}
    if network.generation_config.eos_token_id is None and tokenizer.eos_token_id is not None:
        special["eos_token_id"] = tokenizer.eos_token_id
    if how.do_sample:
        torch.manual_seed(seed)
    written = network.generate(input_ids=ids, attention_mask=mask, **special, **how.options())
    texts: list[str] = tokenizer.batch_decode(written[:, width:], skip_special_tokens=True)
    return texts
