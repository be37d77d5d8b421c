"""What language models share: texts as rows of tokens, the loss of those that are foretold, sums for each document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn

from hone.core.errors import UserError
from hone.core.task import Batch, Columns, Facts, Fault, Task
from hone.core.value_types import Count
from hone.tasks import usage
from hone.tasks.text.shared.documents import Numbers
from hone.tasks.text.shared.texts import text_faults


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


@dataclass(eq=False)
class LanguageModel(Task):
    """Its batches are those of `token_loss.chosen`, or, to predict, have no tokens that are `wanted`."""

    block_size: Count | None = None
    max_length: Count | None = None

    roles: ClassVar[tuple[str, ...]] = ("text",)
    targets: ClassVar[tuple[str, ...]] = ()
    monitor: ClassVar[str] = "perplexity"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return Facts("text")

    @final
    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        for role in (*self.roles, *self.optional_roles):
            if role in rows.column_names:
                yield from text_faults(rows, role)

    @final
    def model_config(self) -> dict[str, Any]:
        return {}

    @final
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return mean_loss(network, batch)

    @final
    def count_targets(self, batch: Batch) -> float:
        return count(batch)

    def example(self, place: str) -> str:
        return usage.by_pipeline(self.pipeline, place, usage.quoted(self.question()["text"]))

    @final
    def merge(self, predictions: Columns) -> Columns:
        return added_up(predictions) if "documents" in predictions else predictions


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
