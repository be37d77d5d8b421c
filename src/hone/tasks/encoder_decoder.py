"""What tasks that generate a text share: an encoder and a decoder learn from the tokens of the text.

In training the decoder reads the true tokens before each one that it predicts. In evaluation it reads its own.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.modeling_outputs import BaseModelOutput

from hone.core.metric import Columns
from hone.core.task import Batch, Facts, Task
from hone.core.value_types import Count, PartialShare
from hone.tasks.generation import decoder_inputs
from hone.tasks.padding import pad_rows

_NO_TARGET = -100


@dataclass(eq=False)
class EncoderDecoder(Task):
    """The base of tasks that generate a text. A batch has `labels`, the tokens of the text, if they are not predicted.

    The only role in `targets` is the text, which a batch has as well.
    """

    max_new_tokens: Count | None = None
    num_beams: Count | None = None
    label_smoothing: PartialShare = 0.0

    @final
    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return Facts("texts")

    @final
    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        return Facts("texts")

    @final
    def model_config(self) -> dict[str, Any]:
        return {}

    @final
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        labels: Tensor = batch["labels"]
        return self._losses(self.read_targets(network, batch).logits, labels).sum() / (labels != _NO_TARGET).sum()

    @final
    def count_targets(self, batch: Batch) -> float:
        return float((batch["labels"] != _NO_TARGET).sum())

    @final
    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        inputs, scores = dict(batch["inputs"]), {}
        if "labels" in batch:
            (target,) = self.targets
            output = self.read_targets(network, batch)
            inputs |= self.reusable(output)
            scores = {
                target: list(batch[target]),
                "loss": self._losses(output.logits, batch["labels"]).sum(dim=1).double().cpu().numpy(),
                "targets": (batch["labels"] != _NO_TARGET).sum(dim=1).double().cpu().numpy(),
            }
        return {"id": batch["id"], **self.generate(network, inputs), **scores}

    @abstractmethod
    def generate(self, network: Any, inputs: Mapping[str, Any]) -> Columns:
        """Return the `prediction` for each row of the network's inputs, which may have the encoder's output."""

    @final
    def describe(self, record: Mapping[str, Any]) -> str:
        return str(record["prediction"])

    def read_targets(self, network: nn.Module, batch: Batch) -> Any:
        """Return the network's output for each target token, given the target tokens before it."""
        return network(**batch["inputs"], decoder_input_ids=decoder_inputs(network, batch["labels"]), use_cache=False)

    def reusable(self, output: Any) -> dict[str, Any]:
        """Return what generation reuses of that output: it need not encode the inputs again."""
        return {"encoder_outputs": BaseModelOutput(last_hidden_state=output.encoder_last_hidden_state)}

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each target token, 0 at padding."""
        losses = F.cross_entropy(
            logits.flatten(0, 1).float(), labels.flatten(), ignore_index=_NO_TARGET, reduction="none",
            label_smoothing=self.label_smoothing,
        )  # fmt: skip
        return losses.view_as(labels)


def pad_labels(rows: Sequence[Sequence[int]]) -> Tensor:
    """Return the target tokens of all rows as one tensor. Padding is no target, whatever the token that pads inputs."""
    return pad_rows(rows, _NO_TARGET, max(len(row) for row in rows))
