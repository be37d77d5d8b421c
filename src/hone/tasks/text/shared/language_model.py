"""What language models share: the loss of the predicted tokens, sums per document, and a check for causality.

The target tokens of a batch are those whose prediction is scored: `places` has the positions of their predictions in
the flattened batch, `wanted` the true tokens, `token_row` their rows and `token_owner` their documents.
"""

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
from hone.core.metric import Columns
from hone.core.task import Batch, Facts, Fault, Task
from hone.core.value_types import Count
from hone.tasks.text.shared.documents import Numbers
from hone.tasks.text.shared.texts import text_faults
from hone.tasks.usage_snippets import pipeline_snippet, to_literal

_CAUSAL_TOLERANCE = 1e-3
"""How much earlier outputs may change when the last token does, relative to the change of the last output.

Rounding changes them far less, looking ahead far more.
"""


@dataclass(eq=False)
class LanguageModel(Task):
    """The base of language modelling tasks. Batches without `wanted` tokens are for prediction."""

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
        losses = token_losses(target_logits(network, batch), batch)
        return losses.sum() / max(self.count_targets(batch), 1.0)  # a batch may have no target tokens

    @final
    def count_targets(self, batch: Batch) -> float:
        return float(len(batch["wanted"]))

    def example(self, place: str) -> str:
        return pipeline_snippet(self.pipeline, place, to_literal(self.question()["text"]))

    @final
    def merge(self, predictions: Columns) -> Columns:
        return merge_documents(predictions) if "documents" in predictions else predictions


def with_targets(batch: Batch, row_of: Numbers, place: Numbers, wanted: Numbers, before: int = 0) -> Batch:
    """Return the batch with its target tokens, given by row and place, which are predicted `before` places earlier."""
    width = batch["owner"].shape[1]
    return batch | {
        "places": torch.from_numpy(row_of * width + place - before),
        "wanted": torch.from_numpy(wanted),
        "token_row": row_of,
        "token_owner": batch["owner"][row_of, place],
    }


def target_logits(network: nn.Module, batch: Batch) -> Tensor:
    """Return the network's predictions of the target tokens."""
    logits: Tensor = network(**batch["inputs"]).logits
    return logits.flatten(0, 1).index_select(0, batch["places"]).float()


def token_losses(logits: Tensor, batch: Batch) -> Tensor:
    """Return the cross-entropy of each target token."""
    return F.cross_entropy(logits, batch["wanted"], reduction="none")


def sum_by_document(batch: Batch, values: Mapping[str, Tensor]) -> Columns:
    """Sum the values of the target tokens, and count the tokens, per document that each row has a part of."""
    # A row's own document comes first and is there even if none of its tokens is scored.
    bytes_by_row = [{int(number): 0, **sizes} for number, sizes in zip(batch["id"], batch["texts"], strict=True)]
    documents_by_row = [list(sizes) for sizes in bytes_by_row]
    token_values = {name: tensor.detach().cpu().double().numpy() for name, tensor in values.items()}
    token_values["targets"] = np.ones(len(batch["token_owner"]))
    columns: Columns = {"id": batch["id"], "documents": [np.array(documents) for documents in documents_by_row]}
    columns["bytes"] = [np.array(list(sizes.values()), dtype=np.float64) for sizes in bytes_by_row]
    for name, numbers in token_values.items():
        columns[name] = [_sum_row(batch, row, owned, numbers) for row, owned in enumerate(documents_by_row)]
    return columns


def _sum_row(batch: Batch, row: int, documents: list[int], values: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    inside = batch["token_row"] == row
    owner = batch["token_owner"][inside]
    return np.array([values[inside][owner == document].sum() for document in documents])


def merge_documents(parts: Columns) -> Columns:
    """Return one record per document, with the sums over all rows that have a part of it."""
    names = [name for name in parts if name not in ("id", "documents")]
    numbers, places = np.unique(np.concatenate(parts["documents"]), return_inverse=True)
    sums = {name: np.bincount(places, np.concatenate(parts[name]), len(numbers)) for name in names}
    return {"id": numbers, **sums}


@torch.no_grad()
def require_causal(network: Any, vocabulary: int) -> None:
    """Raise UserError if the network's outputs for earlier tokens change with the last token."""
    training = network.training
    ids = torch.arange(6, device=next(network.parameters()).device)[None] % vocabulary
    changed = ids.clone()
    changed[0, -1] = vocabulary - 1
    network.eval()
    try:
        change = (network(input_ids=ids).logits - network(input_ids=changed).logits).float().abs().amax(dim=-1)[0]
    finally:
        network.train(training)
    if float(change[:-1].max()) > _CAUSAL_TOLERANCE * max(float(change[-1]), 1e-6):
        config = network.config
        remedy = (
            "Make it read from left to right with checkpoint.hyperparameters={is_decoder:true}, or choose"
            if getattr(config, "is_decoder", None) is False
            else "Choose"
        )
        raise UserError(
            f"checkpoint: this {config.model_type} network reads in both directions, so it would see the "
            f"tokens that it is to predict. {remedy} a decoder such as checkpoint=gpt2, or task=masked_lm."
        )
