"""The likeliest tokens for the blanks of a text, as transformers' own fill-mask pipeline finds them."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from hone.language.blocks import Numbers

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
