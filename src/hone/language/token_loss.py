"""The loss of chosen tokens, added up by the documents that own them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hone.core.task import Batch, Columns
from hone.language.blocks import Numbers


def chosen_logits(network: nn.Module, batch: Batch) -> Tensor:
    """What the network says at `places`, counted through the batch's rectangle."""
    logits: Tensor = network(**batch["inputs"]).logits
    return logits.flatten(0, 1).index_select(0, batch["places"]).float()


def token_losses(logits: Tensor, batch: Batch) -> Tensor:
    """The cross-entropy of each chosen token with the one that is `wanted`."""
    return F.cross_entropy(logits, batch["wanted"], reduction="none")


def mean_loss(network: nn.Module, batch: Batch) -> Tensor:
    """Over all chosen tokens of a batch, which may have none."""
    return token_losses(chosen_logits(network, batch), batch).sum() / max(count(batch), 1.0)


def count(batch: Batch) -> float:
    return float(len(batch["wanted"]))


def by_document(batch: Batch, values: Mapping[str, Tensor]) -> Columns:
    """For each row of a batch the documents it has parts of, how many chosen tokens, and the sums of their values."""
    held = [{int(number): 0, **told} for number, told in zip(batch["id"], batch["texts"], strict=True)]
    plain = {name: each.detach().cpu().double().numpy() for name, each in values.items()}
    counted = {**plain, "targets": np.ones(len(batch["token_owner"]))}
    out: Columns = {"id": batch["id"], "documents": [np.array(list(told)) for told in held]}
    out["bytes"] = [np.array(list(told.values()), dtype=np.float64) for told in held]
    for name, each in counted.items():
        out[name] = [_sums(batch, row, list(told), each) for row, told in enumerate(held)]
    return out


def added_up(parts: Columns) -> Columns:
    """A record a document: the sums over all rows that have a part of it."""
    names = [name for name in parts if name not in ("id", "documents")]
    numbers, places = np.unique(np.concatenate(parts["documents"]), return_inverse=True)
    sums = {name: np.bincount(places, np.concatenate(parts[name]), len(numbers)) for name in names}
    return {"id": numbers, **sums}


def chosen(batch: Batch, row_of: Numbers, place: Numbers, wanted: Numbers, before: int = 0) -> Batch:
    """A batch with its chosen tokens, which the network foretells so many places `before` them."""
    width = batch["owner"].shape[1]
    return batch | {
        "places": torch.from_numpy(row_of * width + place - before),
        "wanted": torch.from_numpy(wanted),
        "token_row": row_of,
        "token_owner": batch["owner"][row_of, place],
    }


def _sums(batch: Batch, row: int, documents: list[int], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    inside = batch["token_row"] == row
    owner = batch["token_owner"][inside]
    return np.array([values[inside][owner == document].sum() for document in documents])
