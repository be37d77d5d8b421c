"""A task as somebody outside writes it: this file and `conf/task/ordering.yaml` are all there is of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn

from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.metric import Metric, SumMetric
from hone.core.task import Batch, Columns, Facts, Fault, Task
from hone.core.value_types import Count


@final
@dataclass(eq=False)
class Ordering(Task):
    """`first` is 1 where `one` comes before `other`."""

    max_length: Count = 64

    roles: ClassVar[tuple[str, ...]] = ("one", "other", "first")
    targets: ClassVar[tuple[str, ...]] = ("first",)
    auto_model: ClassVar[str] = "AutoModelForSequenceClassification"
    pipeline: ClassVar[str] = "text-classification"
    monitor: ClassVar[str] = "right"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return Facts("ordering", numbers={"rows": len(rows)})

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        for role in ("one", "other"):
            yield from (Fault(row, role, "there is no text") for row, text in enumerate(rows[role]) if not text)

    def check(self, facts: Facts) -> None:
        if self.max_length < 5:
            raise UserError(f"task.max_length={self.max_length}: two sentences take five tokens at least.")

    def model_config(self) -> dict[str, Any]:
        return {"num_labels": 1}

    def encode(self, rows: Columns) -> Columns:
        tokens = self.processor(rows["one"], rows["other"], truncation=True, max_length=self.max_length)
        encoded = {"id": rows["id"], "length": [len(ids) for ids in tokens["input_ids"]], **tokens}
        return encoded | ({"first": rows["first"]} if "first" in rows else {})

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        names = self.processor.model_input_names
        tokens = {name: [np.asarray(each).tolist() for each in rows[name]] for name in names if name in rows}
        batch: Batch = {"id": rows["id"], "inputs": dict(self.processor.pad(tokens, return_tensors="pt"))}
        return batch | ({"first": torch.tensor(np.array(rows["first"]), dtype=torch.float)} if "first" in rows else {})

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return F.binary_cross_entropy_with_logits(_logits(network, batch), batch["first"])

    def count_targets(self, batch: Batch) -> float:
        return float(len(batch["first"]))

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        logits = _logits(network, batch)
        predictions = {"id": batch["id"], "share": logits.sigmoid().cpu().numpy()}
        if "first" not in batch:
            return predictions
        losses = F.binary_cross_entropy_with_logits(logits, batch["first"], reduction="none").cpu().double().numpy()
        return predictions | {"first": batch["first"].cpu().numpy(), "loss": losses, "targets": np.ones(len(losses))}

    def metrics(self) -> Mapping[str, Metric]:
        return {"right": SumMetric(_right)}

    def describe(self, record: Mapping[str, Any]) -> str:
        return "in order" if record["share"] > 0.5 else "the other way round"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"in_order": float(record["share"])}

    @classmethod
    def sample(cls) -> Columns:
        return {"one": ["i feel sad", "now i feel happy"], "other": ["now i feel happy", "i feel sad"], "first": [1, 0]}


def _logits(network: nn.Module, batch: Batch) -> Tensor:
    logits: Tensor = network(**batch["inputs"]).logits
    return logits.float().squeeze(-1)


def _right(records: Columns) -> Any:
    return (np.asarray(records["share"]) > 0.5) == (np.asarray(records["first"]) > 0.5)
