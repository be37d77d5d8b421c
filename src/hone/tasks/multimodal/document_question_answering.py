"""Document question answering: find the words of a page that answer a question, by words, boxes and picture."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.columns import read_column
from hone.core.draws import Draws
from hone.core.errors import UnsuitableRows, UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, MediaKind, Task
from hone.core.value_types import Count, Index
from hone.data.media.images import decode, image_faults
from hone.data.tiny.forms import form_examples
from hone.models.processors import position_limit
from hone.tasks.metrics.anls import page_answer_metrics
from hone.tasks.multimodal.shared.pages import (
    NO_OCR,
    PageReader,
    PageWindow,
    find_answer,
    page_faults,
    read_answers,
    read_list,
)
from hone.tasks.padding import pad_inputs
from hone.tasks.text.shared.answers import AnswerSpan, choose_answers, find_window_spans
from hone.tasks.text.shared.span_scores import merge_windows, span_logits, span_losses
from hone.tasks.text.shared.texts import require_padded_room, text_faults
from hone.tasks.usage_snippets import document_question_answering_snippet
from hone.tasks.vision.shared.pixels import to_pixels

log = logging.getLogger(__name__)

_WINDOW = 512
"""The usual most tokens of a window."""


@final
@dataclass(eq=False)
class DocumentQuestionAnswering(Task):
    """The task of LayoutLM. Its fields are the options in `conf/task/document_question_answering.yaml`."""

    max_length: Count | None = None
    stride: Index | None = None
    max_answer_length: Count = 30
    n_best: Count = 20
    pad_to_multiple_of: Count | None = None

    roles: ClassVar[tuple[str, ...]] = ("question", "words", "boxes", "answers")
    optional_roles: ClassVar[tuple[str, ...]] = ("image",)
    targets: ClassVar[tuple[str, ...]] = ("answers",)
    lists: ClassVar[tuple[str, ...]] = ("words", "boxes", "answers")
    media: ClassVar[Mapping[str, MediaKind]] = {"image": "image"}
    advice: ClassVar[Mapping[str, str]] = {"words": NO_OCR, "boxes": NO_OCR}
    auto_model: ClassVar[str] = "AutoModelForDocumentQuestionAnswering"
    auto_processor: ClassVar[str] = "AutoProcessor"
    pipeline: ClassVar[str] = "document-question-answering"
    monitor: ClassVar[str] = "anls"

    @property
    def tokenizer(self) -> Any:
        return _tokenizer_of(self.processor)

    @property
    def images(self) -> Any:
        """The processor of pictures, or None for a network that reads none."""
        return getattr(self.processor, "image_processor", None)

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        """Count the rows whose answer is among the words of the page. Other rows teach nothing."""
        located = 0
        for words, value in zip(read_column(rows, "words"), read_column(rows, "answers"), strict=True):
            try:
                located += find_answer(read_list(words), read_answers(value)) is not None
            except (TypeError, AttributeError):
                continue  # reported by `find_faults`
        pictures = "image" in rows.column_names
        return Facts("spans", numbers={"rows": len(rows), "located": located, "pictures": float(pictures)})

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from text_faults(rows, "question")
        yield from page_faults(rows)
        if "image" in rows.column_names:
            yield from image_faults(rows, "image")

    def check(self, facts: Facts) -> None:
        if not facts.numbers.get("located", 1):
            raise UnsuitableRows("no training row has an answer that stands among the words of its page.")

    def configure_processor(self, processor: Any) -> None:
        tokenizer = _tokenizer_of(processor)
        images: Any = getattr(processor, "image_processor", None)
        if not getattr(tokenizer, "is_fast", False):
            raise UserError(
                f"task=document_question_answering: {type(tokenizer).__name__} cannot say which word a token belongs "
                f"to; choose a checkpoint with a fast tokenizer, such as checkpoint=layoutlmv3."
            )
        if hasattr(images, "apply_ocr"):
            images.apply_ocr = False
        tokenizer.padding_side = tokenizer.truncation_side = "right"
        limit = self._window(tokenizer)
        if self.stride is not None and self.stride >= limit:
            raise UserError(f"task.stride={self.stride}: windows have {limit} tokens and must overlap by fewer.")
        require_padded_room(tokenizer, limit, self.pad_to_multiple_of)

    def model_config(self) -> dict[str, Any]:
        return {"num_labels": 2}  # a begin and an end, whatever the checkpoint was trained for

    def read_config(self, config: PretrainedConfig) -> None:
        """Limit windows to the positions of the network, and warn of answers that are not on their page."""
        self.tokenizer.model_max_length = min(self.tokenizer.model_max_length, position_limit(config))
        self._window(self.tokenizer)
        rows, located = (int(self.facts.numbers.get(name, 0)) for name in ("rows", "located"))
        if located < rows:
            log.warning(
                "%d of %d training rows have no answer among the words of their page; they teach nothing.",
                rows - located, rows,
            )  # fmt: skip

    def encode(self, rows: Columns) -> Columns:
        pages, boxes = ([read_list(value) for value in rows[role]] for role in ("words", "boxes"))
        length = self._window(self.tokenizer)
        reader = PageReader(self.tokenizer, length, length // 3 if self.stride is None else self.stride)
        windows = reader.split(rows["id"], rows["question"], pages, boxes)
        encoded = _to_columns(windows, rows["id"], pages, boxes)
        if "answers" not in rows:
            return encoded
        answers = [read_answers(value) for value in rows["answers"]]
        places = [find_answer(*pair) for pair in zip(pages, answers, strict=True)]
        spans = [_label(window, places[window.row]) for window in windows]
        return encoded | {
            "answers": [answers[window.row] for window in windows],
            "begin": [first for first, _ in spans],
            "end": [last for _, last in spans],
        }

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        inputs = pad_inputs(rows, self.tokenizer, None, self.pad_to_multiple_of)
        shape = inputs["input_ids"].shape
        bbox = np.zeros((*shape, 4), dtype=np.int64)
        allowed = np.zeros(shape, dtype=bool)
        for row, (first, offsets, null) in enumerate(zip(rows["first"], rows["offsets"], rows["null"], strict=True)):
            token_boxes = np.asarray(rows["bbox"][row]).reshape(-1, 4)
            bbox[row, : len(token_boxes)] = token_boxes
            allowed[row, first : first + len(offsets) // 2] = True
            allowed[row, null] = True
        inputs["bbox"] = torch.from_numpy(bbox)
        if "image" in rows and self.images is not None:
            inputs["pixel_values"] = to_pixels(self.images, [decode(file) for file in rows["image"]])
        kept = {name: rows[name] for name in ("id", "null", "first", "offsets", "text_at", "word_boxes")}
        kept["text"] = [json.loads(words) for words in rows["text"]]
        batch: Batch = {**kept, "inputs": inputs, "allowed": torch.from_numpy(allowed)}
        if "answers" not in rows:
            return batch
        labels = {name: torch.from_numpy(np.array(rows[name], dtype=np.int64)) for name in ("begin", "end")}
        return batch | {"answers": rows["answers"], "labels": labels}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        weights = _weights(batch)
        losses = _losses(*span_logits(network, batch), batch)
        return (losses * weights).sum() / weights.sum().clamp(min=1)

    def count_targets(self, batch: Batch) -> float:
        return float(_weights(batch).sum())

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        begin, end = span_logits(network, batch)
        # As probabilities in a window, as transformers has them, so that windows can be compared.
        begin_scores, end_scores = (logits.log_softmax(dim=1).cpu().numpy() for logits in (begin, end))
        nbest, nulls = find_window_spans(
            begin_scores, end_scores, batch, count=self.n_best, longest=self.max_answer_length
        )
        for row, spans in enumerate(nbest):
            boxes = np.asarray(batch["word_boxes"][row]).reshape(-1, 4)
            nbest[row] = [_finish(span, boxes, batch["text_at"][row]) for span in spans]
        predictions = {"id": batch["id"], "nbest": nbest, "null": nulls, **_choose(nbest, nulls)}
        if "labels" not in batch:
            return predictions
        weights = _weights(batch)
        return predictions | {
            "answers": batch["answers"],
            "loss": (_losses(begin, end, batch) * weights).cpu().double().numpy(),
            "targets": weights.cpu().double().numpy(),
        }

    def merge(self, predictions: Columns) -> Columns:
        records = merge_windows(predictions, self.n_best)
        return records | _choose(records["nbest"], records["null"])

    def metrics(self) -> Mapping[str, Metric]:
        return page_answer_metrics()

    def describe(self, record: Mapping[str, Any]) -> str:
        return f"{record['prediction'] or 'no answer'} ({float(record['score']):.2f})"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return the answer with its first and last word, counted from 0, and the box around its words."""
        places = {name: int(record[name]) if record[name] >= 0 else None for name in ("start", "end")}
        if places["end"] is not None:
            places["end"] -= 1
        spans = record["nbest"]
        box = [int(side) for side in spans[0]["box"]] if len(spans) else None
        return {"answer": str(record["prediction"]), "score": float(record["score"]), **places, "box": box}

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        return Facts("spans", numbers={"pictures": 1.0})

    def question(self) -> dict[str, Any]:
        row = super().question()
        facts: Facts | None = getattr(self, "facts", None)
        return row | ({"image": "page.png"} if facts is None or facts.numbers.get("pictures") else {})

    def example(self, place: str) -> str:
        row = self.question()
        if self.images is None:
            row.pop("image", None)
        return document_question_answering_snippet(place, **row, longest=self.max_answer_length)

    @classmethod
    def sample(cls) -> Columns:
        return form_examples(8)

    def _window(self, tokenizer: Any) -> int:
        """Return how many tokens a window has."""
        limit = int(tokenizer.model_max_length)
        if self.max_length is not None and self.max_length > limit:
            raise UserError(f"task.max_length={self.max_length}: the model takes at most {limit} tokens.")
        return self.max_length or min(limit, _WINDOW)


def _tokenizer_of(processor: Any) -> Any:
    """Return the tokenizer of a processor of pages, which is one itself where the network reads no pictures."""
    return getattr(processor, "tokenizer", processor)


def _to_columns(windows: list[PageWindow], ids: Any, pages: Any, boxes: Any) -> Columns:
    """Return the windows as encoded columns, each with its own words and their boxes. Offsets are counted in words."""
    types = [window.token_type_ids for window in windows]
    columns: Columns = {
        "id": [ids[window.row] for window in windows],
        "length": [len(window.input_ids) for window in windows],
        "input_ids": [window.input_ids for window in windows],
        "bbox": [np.array(window.bbox, dtype=np.int64).reshape(-1) for window in windows],
        "null": [window.null for window in windows],
        "first": [window.first for window in windows],
        "offsets": [np.stack([window.words, window.words + 1], axis=1).reshape(-1) for window in windows],
        "text": [json.dumps(pages[window.row][slice(*window.span)], ensure_ascii=False) for window in windows],
        "text_at": [window.span[0] for window in windows],
        "word_boxes": [
            np.array(boxes[window.row][slice(*window.span)], dtype=np.float64).reshape(-1) for window in windows
        ],
    }
    return columns | ({} if None in types else {"token_type_ids": types})


def _label(window: PageWindow, answer: tuple[int, int] | None) -> tuple[int, int]:
    """Return the tokens of the answer, those of "no answer" if another window has it, or -1 where none has it."""
    return (-1, -1) if answer is None else window.answer_tokens(answer)


def _losses(begin: Tensor, end: Tensor, batch: Batch) -> Tensor:
    """Return the loss of each window; that of a page without its answer is of no use."""
    nulls = torch.tensor(np.array(batch["null"]), device=begin.device)
    labels = {name: torch.where(values < 0, nulls, values) for name, values in batch["labels"].items()}
    return span_losses(begin, end, labels)


def _weights(batch: Batch) -> Tensor:
    """Return 1 for each window of a page whose answer was found, else 0."""
    weights: Tensor = (batch["labels"]["begin"] >= 0).float()
    return weights


def _finish(span: AnswerSpan, boxes: Any, first: int) -> AnswerSpan:
    """Return a span with its words as a text, and the box around them."""
    inside = boxes[span["start"] - first : span["end"] - first]
    box = [*inside[:, :2].min(axis=0).tolist(), *inside[:, 2:].max(axis=0).tolist()]
    return span | {"text": " ".join(span["text"]), "box": box}


def _choose(nbest: Any, nulls: Any) -> dict[str, list[Any]]:
    """Return the columns of the predicted answers. The score is the probability of the first and the last token."""
    scores = [float(np.exp(spans[0]["score"])) if spans else 0.0 for spans in nbest]
    return choose_answers(nbest, nulls, None) | {"score": scores}
