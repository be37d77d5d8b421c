"""What translation and summarization share: they read a text and generate another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, final

import numpy as np
from datasets import Dataset

from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.metric import Columns
from hone.core.task import Batch, Facts, Fault
from hone.core.value_types import Count
from hone.models.compatibility import end_token
from hone.tasks.encoder_decoder import EncoderDecoder, pad_labels
from hone.tasks.generation import generation_settings
from hone.tasks.padding import pad_inputs
from hone.tasks.text.shared.generation import Languages, first_language_token
from hone.tasks.text.shared.texts import text_faults, token_limit
from hone.tasks.usage_snippets import seq2seq_snippet

_GENERATION_OPTIONS = ("min_new_tokens", "num_beams", "length_penalty", "no_repeat_ngram_size", "early_stopping")


@dataclass(eq=False)
class Seq2Seq(EncoderDecoder):
    """The base of sequence-to-sequence tasks. Its fields are the options in `conf/task/translation.yaml`."""

    source_prefix: str = ""
    source_language: str | None = None
    target_language: str | None = None
    max_source_length: Count | None = None
    max_target_length: Count | None = None
    min_new_tokens: Count | None = None
    length_penalty: float | None = None
    no_repeat_ngram_size: Count | None = None
    early_stopping: bool | None = None

    roles: ClassVar[tuple[str, ...]] = ("source", "target")
    targets: ClassVar[tuple[str, ...]] = ("target",)
    auto_model: ClassVar[str] = "AutoModelForSeq2SeqLM"

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
        return batch | {"labels": pad_labels(rows["labels"]), "target": rows["target"]}

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

    @final
    def generate(self, network: Any, inputs: Mapping[str, Any]) -> Columns:
        settings = self._settings(network)
        generated = network.generate(**inputs, generation_config=settings).cpu().numpy()[:, 1:]
        ends = np.isin(generated, settings.eos_token_id)
        counts = np.where(ends.any(axis=1), ends.argmax(axis=1) + 1, generated.shape[1])
        texts = self.processor.batch_decode(generated, skip_special_tokens=True)
        return {"prediction": [text.strip() for text in texts], "tokens": counts}

    def _settings(self, network: Any) -> Any:
        options = {name: getattr(self, name) for name in _GENERATION_OPTIONS}
        options["max_new_tokens"] = self.max_new_tokens or self.max_target_length
        limit, first = self.processor.model_max_length - 1, first_language_token(self.processor)
        return generation_settings(network, self.processor, self._labels(["a"])[0], options, limit, first)
