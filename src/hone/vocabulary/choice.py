"""Whether idle rows can be left out: where it pays and nobody would notice."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn
from torch.optim import AdamW, Optimizer
from transformers import PreTrainedModel

from hone.vocabulary.base import Untrimmed, Vocabulary
from hone.vocabulary.trimmed import Trimmed

_WORTH_IT = 0.8
"""The largest share of rows in use at which trimming pays."""


def vocabulary_for(network: nn.Module, optimizer: Optimizer, seen: Any, averaged: bool) -> Vocabulary:
    """Trimmed where the rows that are `seen` (None: unknown) are far from all and leaving out the others is exact."""
    embedding = trimmable(network, optimizer, averaged)
    if seen is None or embedding is None or embedding.weight.device.type != "cpu":  # a GPU does not mind the idle rows
        return Untrimmed()
    read = torch.zeros(embedding.num_embeddings, dtype=torch.bool)
    read[torch.from_numpy(np.asarray(seen, dtype=np.int64))] = True
    return Trimmed(embedding, optimizer, read) if worth_it(int(read.sum()), len(read)) else Untrimmed()


def worth_it(read: int, rows: int) -> bool:
    """Whether enough rows are idle."""
    return read / rows < _WORTH_IT


def trimmable(network: nn.Module, optimizer: Optimizer, averaged: bool) -> nn.Embedding | None:
    """The input embedding, if rows of it could be left out: it learns, and it is nobody else's too."""
    if averaged or type(optimizer) is not AdamW:
        return None
    bare = next((module for module in network.modules() if isinstance(module, PreTrainedModel)), None)
    try:
        embedding = bare.get_input_embeddings() if bare is not None else None
    except NotImplementedError:  # it reads no tokens
        return None
    if type(embedding) is not nn.Embedding or embedding.max_norm is not None or embedding.scale_grad_by_freq:
        return None
    weight = embedding.weight
    sharers = sum(other is weight for _, other in network.named_parameters(remove_duplicate=False))
    plain = weight.requires_grad and weight.dtype == torch.float32
    return embedding if plain and sharers == 1 and not embedding.sparse else None
