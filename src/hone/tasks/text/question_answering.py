"""Extractive question answering: the answer is a part of the context, or the question has no answer."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.draws import Draws
from hone.core.errors import UnsuitableRows, UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, Task
from hone.core.value_types import Count, Index
from hone.tasks.metrics.squad import squad_metrics
from hone.tasks.padding import pad_inputs
from hone.tasks.text.shared.answers import (
    answer_faults,
    choose_answers,
    find_window_spans,
    read_all_answers,
    readable_answers,
)
from hone.tasks.text.shared.span_scores import merge_windows, span_logits, span_losses
from hone.tasks.text.shared.texts import require_padded_room, text_faults, token_limit
from hone.tasks.text.shared.windows import split_into_windows, windows_to_columns
from hone.tasks.usage_snippets import question_answering_snippet

_WINDOW = 384
"""The usual most tokens of a window."""
_ALWAYS, _SOMETIMES = "spans", "spans_or_none"
"""The kinds of facts: whether all training rows have an answer."""


@final
@dataclass(eq=False)
class QuestionAnswering(Task):
    """The question answering task. Its fields are the options in `conf/task/question_answering.yaml`."""

    max_length: Count | None = None
    stride: Index | None = None
    max_answer_length: Count = 30
    n_best: Count = 20
    null_threshold: float | None = None
    pad_to_multiple_of: Count | None = None

    roles: ClassVar[tuple[str, ...]] = ("question", "context", "answers")
    optional_roles: ClassVar[tuple[str, ...]] = ("answer_start",)
    targets: ClassVar[tuple[str, ...]] = ("answers", "answer_start")
    auto_model: ClassVar[str] = "AutoModelForQuestionAnswering"
    pipeline: ClassVar[str] = "question-answering"
    monitor: ClassVar[str] = "f1"

    @property
    def threshold(self) -> float | None:
        """By how much "no answer" must beat the best answer to be predicted; None if there always is an answer."""
        default = 0.0 if self.facts.kind == _SOMETIMES else None
        return default if self.null_threshold is None else self.null_threshold

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        answered = [bool(answers) for answers in readable_answers(rows)]
        return Facts(_ALWAYS if all(answered) else _SOMETIMES, numbers={"answered": sum(answered)})

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        for role in ("question", "context"):
            yield from text_faults(rows, role)
        if "answers" in rows.column_names:
            yield from answer_faults(rows)

    def check(self, facts: Facts) -> None:
        if not facts.numbers.get("answered", 1):
            raise UnsuitableRows("no training row has an answer, so there is nothing to learn.")

    def configure_processor(self, processor: Any) -> None:
        if not getattr(processor, "is_fast", False):
            raise UserError(
                f"task=question_answering: {type(processor).__name__} cannot say which characters a token stands for; "
                f"choose a checkpoint with a fast tokenizer (checkpoint.tokenizer)."
            )
        limit = self._window(processor)
        if self.stride is not None and self.stride >= limit:
            raise UserError(f"task.stride={self.stride}: windows have {limit} tokens and must overlap by fewer.")
        require_padded_room(processor, limit, self.pad_to_multiple_of)
        processor.padding_side = processor.truncation_side = "right"

    def model_config(self) -> dict[str, Any]:
        return {}

    def encode(self, rows: Columns) -> Columns:
        length = self._window(self.processor)
        overlap = length // 3 if self.stride is None else self.stride
        windows = split_into_windows(self.processor, rows["id"], rows["question"], rows["context"], length, overlap)
        encoded = windows_to_columns(windows, rows["id"], rows["context"])
        if "answers" not in rows:
            return encoded
        answers = read_all_answers(rows)
        spans = [window.answer_tokens(next(iter(answers[window.row]), None)) for window in windows]
        # As JSON, because arrow cannot infer a type from lists that are all empty.
        texts = [json.dumps([answer.text for answer in row_answers]) for row_answers in answers]
        return encoded | {
            "answers": [texts[window.row] for window in windows],
            "begin": [first for first, _ in spans],
            "end": [last for _, last in spans],
        }

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        inputs = pad_inputs(rows, self.processor, None, self.pad_to_multiple_of)
        width = inputs["input_ids"].shape[1]
        first = np.asarray(rows["first"])
        after = first + np.array([len(offsets) // 2 for offsets in rows["offsets"]])
        places = np.arange(width)
        in_context = (places >= first[:, None]) & (places < after[:, None])
        allowed = in_context | (places == np.asarray(rows["null"])[:, None])
        kept = {name: rows[name] for name in ("id", "null", "first", "offsets", "text", "text_at")}
        batch: Batch = {**kept, "inputs": inputs, "allowed": torch.from_numpy(allowed)}
        if "answers" not in rows:
            return batch
        labels = {name: torch.from_numpy(np.array(rows[name], dtype=np.int64)) for name in ("begin", "end")}
        return batch | {"answers": [json.loads(texts) for texts in rows["answers"]], "labels": labels}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return span_losses(*span_logits(network, batch), batch["labels"]).mean()

    def count_targets(self, batch: Batch) -> float:
        return float(len(batch["id"]))

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        begin, end = span_logits(network, batch)
        nbest, nulls = find_window_spans(
            begin.cpu().numpy(), end.cpu().numpy(), batch, count=self.n_best, longest=self.max_answer_length
        )
        predictions = {"id": batch["id"], "nbest": nbest, "null": nulls, **choose_answers(nbest, nulls, self.threshold)}
        if "labels" not in batch:
            return predictions
        losses = span_losses(begin, end, batch["labels"]).cpu().double().numpy()
        return predictions | {"answers": batch["answers"], "loss": losses, "targets": np.ones(len(losses))}

    def merge(self, predictions: Columns) -> Columns:
        records = merge_windows(predictions, self.n_best)
        return records | choose_answers(records["nbest"], records["null"], self.threshold)

    def metrics(self) -> Mapping[str, Metric]:
        return squad_metrics(may_lack_answer=self.threshold is not None)

    def baseline(self, records: Columns) -> Columns | None:
        nothing = [""] * len(records["id"])
        return None if self.threshold is None else records | {"prediction": nothing, "span": nothing}

    def describe(self, record: Mapping[str, Any]) -> str:
        return f"{record['prediction'] or 'no answer'} ({float(record['score']):.2f})"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        place = {name: int(record[name]) if record[name] >= 0 else None for name in ("start", "end")}
        return {"answer": str(record["prediction"]), "score": float(record["score"]), **place}

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        return Facts(_ALWAYS)

    def example(self, place: str) -> str:
        return question_answering_snippet(place, **self.question(), longest=self.max_answer_length)

    @classmethod
    def sample(cls) -> Columns:
        aside = "it has been raining all week and the house is quiet and i made coffee and sat down by the window so "
        names = ["Anna", "Bob", "Carl", "Dora", "Emil", "Fred", "Gina", "Hans"]
        contexts = [aside * (2 * (place % 3)) + f"my friend is {name} these days" for place, name in enumerate(names)]
        answers = [
            {"text": [name], "answer_start": [text.index(name)]} for name, text in zip(names, contexts, strict=True)
        ]
        answers[3] = {"text": [], "answer_start": []}
        questions = ["who is my friend"] * 3 + ["who is my sister"] + ["who is my friend"] * 4
        return {"question": questions, "context": contexts, "answers": answers}

    def _window(self, processor: Any) -> int:
        """Return how many tokens a window has."""
        limit = token_limit(processor, self.max_length)
        return limit if self.max_length is not None else min(limit, _WINDOW)
