"""What tasks with an encoder and a decoder share: they read a text, generate another, and learn from its tokens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig
from transformers.modeling_outputs import BaseModelOutput

from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.metric import Columns
from hone.core.task import Batch, Facts, Fault, Task
from hone.core.value_types import Count, PartialShare
from hone.models.compatibility import end_token
from hone.tasks.padding import pad_inputs, pad_rows
from hone.tasks.text.shared.generation import Languages, decoder_inputs, generation_settings
from hone.tasks.text.shared.texts import text_faults, token_limit
from hone.tasks.usage_snippets import seq2seq_snippet

_NO_TARGET = -100
_GENERATION_OPTIONS = ("min_new_tokens", "num_beams", "length_penalty", "no_repeat_ngram_size", "early_stopping")


@dataclass(eq=False)
class Seq2Seq(Task):
    """The base of sequence-to-sequence tasks. Its fields are the options in `conf/task/translation.yaml`."""

    source_prefix: str = ""
    source_language: str | None = None
    target_language: str | None = None
    max_source_length: Count | None = None
    max_target_length: Count | None = None
    max_new_tokens: Count | None = None
    min_new_tokens: Count | None = None
    num_beams: Count | None = None
    length_penalty: float | None = None
    no_repeat_ngram_size: Count | None = None
    early_stopping: bool | None = None
    label_smoothing: PartialShare = 0.0

    roles: ClassVar[tuple[str, ...]] = ("source", "target")
    targets: ClassVar[tuple[str, ...]] = ("target",)
    auto_model: ClassVar[str] = "AutoModelForSeq2SeqLM"

    @final
    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return Facts("texts")

    @final
    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        for role in self.roles:
            if role in rows.column_names:
                yield from text_faults(rows, role)

    def check(self, facts: Facts) -> None:
        return

    @final
    def configure_processor(self, processor: Any) -> None:
        if end_token(processor) is None:
            raise UserError(f"checkpoint: {type(processor).__name__} has no end token, so generation would never stop.")
        self._languages.apply_to(processor)

    @final
    def configure_generation(self, network: Any) -> None:
        network.generation_config = self._settings(network)

    @final
    def model_config(self) -> dict[str, Any]:
        return {}

    @final
    def encode(self, rows: Columns) -> Columns:
        limit = token_limit(self.processor, self.max_source_length, "max_source_length")
        prefix = self._prefix
        texts = [prefix + text for text in rows["source"]]
        ids = self.processor(texts, truncation=True, max_length=limit, verbose=False)["input_ids"]
        if "target" not in rows:
            return {"id": rows["id"], "length": [len(row) for row in ids], "input_ids": ids}
        labels = self._labels(rows["target"])
        lengths = [len(row) + len(target) for row, target in zip(ids, labels, strict=True)]
        return {"id": rows["id"], "length": lengths, "input_ids": ids, "labels": labels, "target": rows["target"]}

    @final
    def collate(self, rows: Columns, draws: Draws) -> Batch:
        batch: Batch = {"id": rows["id"], "inputs": pad_inputs(rows, self.processor, width=None, multiple=None)}
        if "labels" not in rows:
            return batch
        widest = max(len(row) for row in rows["labels"])
        return batch | {"labels": pad_rows(rows["labels"], _NO_TARGET, widest), "target": rows["target"]}

    @final
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        labels: Tensor = batch["labels"]
        return self._losses(self._forward(network, batch).logits, labels).sum() / (labels != _NO_TARGET).sum()

    @final
    def count_targets(self, batch: Batch) -> float:
        return float((batch["labels"] != _NO_TARGET).sum())

    @final
    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        inputs, scores = dict(batch["inputs"]), {}
        if "labels" in batch:
            output = self._forward(network, batch)
            # Generation reuses the encoder's output instead of encoding the texts again.
            inputs["encoder_outputs"] = BaseModelOutput(last_hidden_state=output.encoder_last_hidden_state)
            scores = {
                "target": list(batch["target"]),
                "loss": self._losses(output.logits, batch["labels"]).sum(dim=1).double().cpu().numpy(),
                "targets": (batch["labels"] != _NO_TARGET).sum(dim=1).double().cpu().numpy(),
            }
        return {"id": batch["id"], **self._generate(network, inputs), **scores}

    @final
    def describe(self, record: Mapping[str, Any]) -> str:
        return str(record["prediction"])

    @final
    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        return Facts("texts")

    @final
    def example(self, place: str) -> str:
        return seq2seq_snippet(place, self._prefix + self.question()["source"], self.source_language)

    @cached_property
    def _languages(self) -> Languages:
        return Languages(self.source_language, self.target_language)

    @property
    def _prefix(self) -> str:
        """The text put before every source text."""
        return self._languages.target_mark(self.processor) + self.source_prefix

    def _labels(self, texts: list[str]) -> list[list[int]]:
        """Return the target tokens with an end token, which not every tokenizer adds by itself."""
        limit = token_limit(self.processor, self.max_target_length, "max_target_length")
        end = end_token(self.processor)
        missing = [] if end is None or end in self.processor(text_target="a")["input_ids"] else [end]
        length = limit - len(missing)
        ids = self.processor(text_target=texts, truncation=True, max_length=length, verbose=False)["input_ids"]
        return [[*row, *missing] for row in ids]

    def _forward(self, network: nn.Module, batch: Batch) -> Any:
        """Return the network's output for each target token, given the target tokens before it."""
        return network(**batch["inputs"], decoder_input_ids=decoder_inputs(network, batch["labels"]), use_cache=False)

    def _losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the loss of each target token, 0 at padding."""
        losses = F.cross_entropy(
            logits.flatten(0, 1).float(), labels.flatten(), ignore_index=_NO_TARGET, reduction="none",
            label_smoothing=self.label_smoothing,
        )  # fmt: skip
        return losses.view_as(labels)

    def _generate(self, network: Any, inputs: Mapping[str, Any]) -> Columns:
        settings = self._settings(network)
        generated = network.generate(**inputs, generation_config=settings).cpu().numpy()[:, 1:]
        ends = np.isin(generated, settings.eos_token_id)
        counts = np.where(ends.any(axis=1), ends.argmax(axis=1) + 1, generated.shape[1])
        texts = self.processor.batch_decode(generated, skip_special_tokens=True)
        return {"prediction": [text.strip() for text in texts], "tokens": counts}

    def _settings(self, network: Any) -> Any:
        options = {name: getattr(self, name) for name in _GENERATION_OPTIONS}
        options["max_new_tokens"] = self.max_new_tokens or self.max_target_length
        return generation_settings(network, self.processor, self._labels(["a"])[0], options)
