"""Which tokens of a row are hidden, and behind what: 80 % a mask, 10 % some other token, 10 % nothing at all."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from torch import Tensor

from hone.tasks.text.shared.documents import Numbers

_MASKED, _REPLACED = 0.8, 0.9
"""Up to where a number from 0 to 1 means a mask, and from there on another token."""


@final
@dataclass(frozen=True)
class Masking:
    """`words`: whole words are hidden, each of their tokens behind something of its own."""

    probability: float
    words: bool
    mask: int
    vocabulary: int

    def hide(self, ids: Numbers, can_be: Numbers, begins: Numbers, place: Sequence[int]) -> tuple[Numbers, Numbers]:
        """The row with tokens hidden, and where: a function of the row and a `place` in the run, not of its batch."""
        rng = np.random.default_rng([*place, zlib.crc32(np.ascontiguousarray(ids).tobytes())])
        units = np.cumsum(begins) - begins[:1] if self.words else np.arange(len(ids))
        hit = (rng.random(len(ids)) < self.probability)[units]
        places = np.flatnonzero(hit & can_be)
        fate = rng.random(len(places))
        others = rng.integers(self.vocabulary, size=len(places))
        hidden = ids.copy()
        hidden[places] = np.where(fate < _MASKED, self.mask, np.where(fate < _REPLACED, others, ids[places]))
        return hidden, places


Fill = dict[str, Any]


def fills(tokenizer: Any, ids: Numbers, logits: Tensor, top_k: int) -> list[list[Fill]]:
    """For each blank of an unpadded row the best tokens with their scores, and the text with each of them in it."""
    blanks = np.flatnonzero(ids == tokenizer.mask_token_id)
    if not len(blanks):
        return []
    scores, best = logits[torch.from_numpy(blanks).to(logits.device)].float().softmax(-1).topk(top_k)
    alone = len(blanks) == 1  # else skipping special tokens would make the other blanks disappear
    out = []
    for blank, row_scores, row_best in zip(blanks, scores.tolist(), best.tolist(), strict=True):
        choices = []
        for score, token in zip(row_scores, row_best, strict=True):
            filled = ids.copy()
            filled[blank] = token
            filled = filled[filled != tokenizer.pad_token_id]
            text = tokenizer.decode(filled, skip_special_tokens=alone)
            choices.append({"token": tokenizer.decode([token]), "score": score, "text": text})
        out.append(choices)
    return out
