"""Hiding tokens of a row for masked language modelling, and filling masks with the best tokens.

Of the chosen tokens, 80 % become a mask, 10 % a random token, and 10 % stay as they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from hone.tasks.text.shared.documents import Numbers

_MASKED, _REPLACED = 0.8, 0.9
"""A random number from 0 to 1 below the first means a mask, below the second a random token."""

Fill = dict[str, Any]
"""A `token` for a mask, its `score`, and the `text` with the token in it."""


@final
@dataclass(frozen=True)
class Masking:
    """Hides tokens with a probability, or with `words` all tokens of a word, each behind a replacement of its own."""

    probability: float
    words: bool
    mask: int
    vocabulary: int

    def hide(
        self, ids: Numbers, maskable: Numbers, begins: Numbers, rng: np.random.Generator
    ) -> tuple[Numbers, Numbers]:
        """Return the row with hidden tokens, and their indices."""
        units = np.cumsum(begins) - begins[:1] if self.words else np.arange(len(ids))
        # The order of the three draws is part of exact resume: do not change it.
        hit = (rng.random(len(ids)) < self.probability)[units]
        places = np.flatnonzero(hit & maskable)
        fate = rng.random(len(places))
        others = rng.integers(self.vocabulary, size=len(places))
        hidden = ids.copy()
        hidden[places] = np.where(fate < _MASKED, self.mask, np.where(fate < _REPLACED, others, ids[places]))
        return hidden, places


def fill_blanks(tokenizer: Any, ids: Numbers, logits: Tensor, top_k: int) -> list[list[Fill]]:
    """Return the `top_k` fills of each mask in an unpadded row, best first."""
    blanks = np.flatnonzero(ids == tokenizer.mask_token_id)
    if not len(blanks):
        return []
    scores, best = logits[torch.from_numpy(blanks).to(logits.device)].float().softmax(-1).topk(top_k)
    alone = len(blanks) == 1  # with several, skipping special tokens would drop the other masks from the text
    fills_by_blank = []
    for blank, row_scores, row_best in zip(blanks, scores.tolist(), best.tolist(), strict=True):
        choices = []
        for score, token in zip(row_scores, row_best, strict=True):
            filled = ids.copy()
            filled[blank] = token
            filled = filled[filled != tokenizer.pad_token_id]
            text = tokenizer.decode(filled, skip_special_tokens=alone)
            choices.append({"token": tokenizer.decode([token]), "score": score, "text": text})
        fills_by_blank.append(choices)
    return fills_by_blank
