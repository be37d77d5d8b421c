"""What language models share: texts as rows of tokens, the loss of those that are foretold, sums for each document."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, final

from datasets import Dataset
from torch import Tensor, nn

from hone import usage
from hone.core.task import Batch, Columns, Facts, Fault, Task
from hone.core.value_types import Count
from hone.language import token_loss
from hone.text import text_faults


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
        return token_loss.mean_loss(network, batch)

    @final
    def count_targets(self, batch: Batch) -> float:
        return token_loss.count(batch)

    def example(self, place: str) -> str:
        return usage.by_pipeline(self.pipeline, place, usage.quoted(self.question()["text"]))

    @final
    def merge(self, predictions: Columns) -> Columns:
        return token_loss.added_up(predictions) if "documents" in predictions else predictions
