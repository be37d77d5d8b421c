"""Next sentence prediction: decide whether a text follows another one.

The network's first score is that of a text that follows, as in transformers, so that checkpoints with a trained head
can be used as they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.columns import read_column
from hone.core.draws import Draws
from hone.core.errors import UnsuitableRows, UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, Task
from hone.core.value_types import Count
from hone.tasks.metrics.scalars import ACCURACY
from hone.tasks.padding import pad_inputs
from hone.tasks.targets.classes import class_name
from hone.tasks.text.shared.texts import require_padded_room, require_room, text_faults, token_limit
from hone.tasks.usage_snippets import next_sentence_snippet

_FOLLOWS, _RANDOM = 0, 1
"""The places of the network's scores."""
_LABELS: Mapping[str, int] = {"true": _FOLLOWS, "1": _FOLLOWS, "false": _RANDOM, "0": _RANDOM}
"""What a label may be, in small letters."""


@final
@dataclass(eq=False)
class NextSentencePrediction(Task):
    """The next sentence prediction task. Its fields are the options in `conf/task/next_sentence_prediction.yaml`."""

    max_length: Count | None = None
    truncation: Literal["longest_first", "do_not_truncate"] = "longest_first"
    pad_to_multiple_of: Count | None = None

    roles: ClassVar[tuple[str, ...]] = ("text", "text_pair", "label")
    auto_model: ClassVar[str] = "AutoModelForNextSentencePrediction"
    pipeline: ClassVar[str] = "text-classification"
    monitor: ClassVar[str] = "accuracy"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        """Return how many pairs follow each other and how many do not."""
        places = [_place_of(label) for label in read_column(rows, "label")]
        return Facts("pairs", counts=(places.count(_FOLLOWS), places.count(_RANDOM)))

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        for role in ("text", "text_pair"):
            yield from text_faults(rows, role)
        labels = read_column(rows, "label") if "label" in rows.column_names else []
        for row, label in enumerate(labels):
            if _place_of(label) is None:
                problem = "is missing" if label is None else f"{label!r} is neither true (1) nor false (0)"
                yield Fault(row, "label", f"the label {problem}; it says whether text_pair follows text")

    def check(self, facts: Facts) -> None:
        if facts.counts and not all(facts.counts):
            pairs = "follow each other" if facts.counts[_FOLLOWS] else "do not follow each other"
            raise UnsuitableRows(f"all training pairs {pairs}; add some of the other kind, with the label false or 0.")

    def configure_processor(self, processor: Any) -> None:
        if "token_type_ids" not in processor.model_input_names:
            raise UserError(
                "checkpoint: its tokenizer does not say which token is of which text, as next sentence prediction "
                "requires. Choose a checkpoint such as checkpoint=bert, or checkpoint.tokenizer=org/name."
            )

    def model_config(self) -> dict[str, Any]:
        return {}

    def encode(self, rows: Columns) -> Columns:
        limit, cuts = token_limit(self.processor, self.max_length), self.truncation != "do_not_truncate"
        tokens = self.processor(
            rows["text"],
            rows["text_pair"],
            truncation=self.truncation if cuts else False,
            max_length=limit if cuts else None,
            return_attention_mask=False,
            return_token_type_ids=True,
            verbose=False,
        )
        lengths = [len(ids) for ids in tokens["input_ids"]]
        require_room(rows["id"], "text", lengths, limit, f"task.truncation={self.truncation}")
        require_padded_room(self.processor, max(lengths), self.pad_to_multiple_of)
        labels = {"label": [_place_of(label) for label in rows["label"]]} if "label" in rows else {}
        return {"id": rows["id"], "length": lengths, **tokens, **labels}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        labels = {"labels": torch.from_numpy(np.array(rows["label"], dtype=np.int64))} if "label" in rows else {}
        return {"id": rows["id"], "inputs": pad_inputs(rows, self.processor, None, self.pad_to_multiple_of), **labels}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return F.cross_entropy(_logits(network, batch), batch["labels"])

    def count_targets(self, batch: Batch) -> float:
        return float(len(batch["labels"]))

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        logits = _logits(network, batch)
        predictions: Columns = {
            "id": batch["id"],
            "prediction": logits.argmax(dim=-1).cpu().numpy(),
            "score": logits.softmax(dim=-1)[:, _FOLLOWS].cpu().numpy(),
        }
        if "labels" not in batch:
            return predictions
        losses = F.cross_entropy(logits, batch["labels"], reduction="none").cpu().double().numpy()
        return predictions | {"label": batch["labels"].cpu().numpy(), "loss": losses, "targets": np.ones(len(losses))}

    def metrics(self) -> Mapping[str, Metric]:
        return {"accuracy": ACCURACY}

    def baseline(self, records: Columns) -> Columns:
        """Return the records of a model that gives every pair the more frequent answer."""
        return records | {"prediction": np.full(len(records["label"]), int(np.argmax(self.facts.counts)))}

    def describe(self, record: Mapping[str, Any]) -> str:
        return f"{'follows' if self._follows(record) else 'does not follow'} ({float(record['score']):.2f})"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"follows": self._follows(record), "score": float(record["score"])}

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        return Facts("pairs")

    def example(self, place: str) -> str:
        return next_sentence_snippet(place, *self.question().values())

    @classmethod
    def sample(cls) -> Columns:
        texts = ["anna was terribly thirsty", "bruno heard thunder outside", "clara won the first prize"]
        following = ["so she drank a jug of water", "so he took an umbrella along", "so she threw a party"]
        shifted = [*following[1:], following[0]]
        return {
            "text": [*texts, *texts],
            "text_pair": [*following, *shifted],
            "label": [*[True] * len(texts), *[False] * len(texts)],
        }

    def _follows(self, record: Mapping[str, Any]) -> bool:
        return int(record["prediction"]) == _FOLLOWS


def _place_of(label: Any) -> int | None:
    """Return the place of a label's score; None if it is no label."""
    return _LABELS.get(class_name(label).strip().lower())


def _logits(network: nn.Module, batch: Batch) -> Tensor:
    logits: Tensor = network(**batch["inputs"]).logits
    return logits.float()
