"""Sequence to sequence: `predict` generates text, and the loss is a mean over target tokens."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import torch.nn.functional as F
import transformers
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig, PreTrainedModel, T5Config

from hone.core.draws import Draws
from hone.core.metric import Columns, Metric, SumMetric
from hone.core.task import Batch, Facts, Fault, Task
from hone.models.checkpoint import Checkpoint
from hone.models.checkpoints.tiny_text import TinyBert
from hone.tasks.padding import pad_inputs, pad_rows


@final
@dataclass(frozen=True)
class TinyT5(Checkpoint):
    """A T5 of two layers with TinyBert's tokenizer."""

    lr: float = 3e-3
    name: ClassVar[str] = "tiny_t5"

    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        return T5Config(
            vocab_size=512, d_model=64, d_kv=16, d_ff=128, num_layers=2, num_heads=4, pad_token_id=0, eos_token_id=3,
            decoder_start_token_id=0, **changes,
        )  # fmt: skip

    def make_processor(self, auto_class: str, facts: Facts) -> Any:
        return TinyBert(lr=1.0).make_processor(auto_class, facts)

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        return getattr(transformers, auto_class).from_config(config)

    def fingerprint(self) -> str:
        return self.name


@final
@dataclass(eq=False)
class Translation(Task):
    """Turn a short text into another."""

    roles: ClassVar[tuple[str, ...]] = ("source", "target")
    auto_model: ClassVar[str] = "AutoModelForSeq2SeqLM"
    pipeline: ClassVar[str] = "translation"
    monitor: ClassVar[str] = "exact_match"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return Facts("sequence", numbers={"longest": max(len(text) for text in rows["target"])})

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from ()

    def check(self, facts: Facts) -> None: ...

    def model_config(self) -> dict[str, Any]:
        return {}

    def encode(self, rows: Columns) -> Columns:
        ids = self.processor(rows["source"], return_token_type_ids=False)["input_ids"]
        targets = [row[1:] for row in self.processor(rows["target"])["input_ids"]]
        lengths = [len(row) for row in ids]
        return {"id": rows["id"], "length": lengths, "input_ids": ids, "target": targets, "text": rows["target"]}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        widest = max(len(row) for row in rows["target"])
        labels = pad_rows(rows["target"], -100, widest)
        return {
            "id": rows["id"],
            "text": rows["text"],
            "inputs": pad_inputs(rows, self.processor, None, None),
            "labels": labels,
        }

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return self._losses(network, batch).sum() / self.count_targets(batch)

    def count_targets(self, batch: Batch) -> float:
        return float((batch["labels"] != -100).sum())

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        generated = network.generate(**batch["inputs"], max_new_tokens=12, do_sample=False)
        return {
            "id": batch["id"],
            "prediction": self.processor.batch_decode(generated, skip_special_tokens=True),
            "label": batch["text"],
            "loss": self._losses(network, batch).sum(dim=1).double().cpu().numpy(),
            "targets": (batch["labels"] != -100).sum(dim=1).double().cpu().numpy(),
        }

    def metrics(self) -> Mapping[str, Metric]:
        def exact_match(records: Columns) -> list[bool]:
            pairs = zip(records["prediction"], records["label"], strict=True)
            return [prediction == label for prediction, label in pairs]

        return {"exact_match": SumMetric(exact_match)}

    def describe(self, record: Mapping[str, Any]) -> str:
        return str(record["prediction"])

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"text": self.describe(record)}

    @classmethod
    def sample(cls) -> Columns:
        words = {"happy": "sad", "angry": "loving", "scared": "brave", "amazed": "numb"}
        pairs = [(f"i feel {word}", f"i feel {opposite}") for word, opposite in words.items()] * 24
        return {"source": [source for source, _ in pairs], "target": [target for _, target in pairs]}

    @staticmethod
    def _losses(network: nn.Module, batch: Batch) -> Tensor:
        logits = network(**batch["inputs"], labels=batch["labels"]).logits.float()
        return F.cross_entropy(logits.transpose(1, 2), batch["labels"], reduction="none", ignore_index=-100)
