"""Answers that are parts of a context: reading them from data sets, and finding them in the network's scores."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from datasets import Dataset

from hone.core.columns import read_column
from hone.core.task import Fault

AnswerSpan = dict[str, Any]
"""`text`, `score`, and `start` and `end` in characters."""

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]


@final
@dataclass(frozen=True)
class Answer:
    """A text and where it starts in its context, in characters."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def stands_in(self, context: str) -> bool:
        return self.start >= 0 and context[self.start : self.end] == self.text


def read_answers(value: Any, start: Any = None) -> list[Answer]:
    """Return the answers of a row, none if its context has none; raise ValueError with what is wrong with them.

    They come as {text: […], answer_start: […]}, as a list of {text, answer_start}, or as one text with its `start`.
    """
    if isinstance(value, str) or (value is None and start is not None):
        return _read_single(value, start)
    if value is None:
        raise ValueError("the answers are missing (where the context has none, give empty lists)")
    if isinstance(value, Mapping):
        pairs = _pair_lists(value)
    elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        pairs = [(item.get("text"), item.get("answer_start")) for item in value]
    else:
        raise ValueError(
            "expected {text: […], answer_start: […]}, or one text with its offset in the role answer_start"
        )
    return [_check_answer(text, offset) for text, offset in pairs]


def _read_single(text: str | None, start: Any) -> list[Answer]:
    """Read one text with its offset; an empty text or a negative offset means that there is no answer."""
    if text == "" or (isinstance(start, int | float) and start < 0):
        return []
    if start is None:
        raise ValueError("the answer has no offset: name its column with dataset.columns.answer_start=…")
    return [_check_answer(text, start)]


def _pair_lists(value: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    texts, starts = value.get("text"), value.get("answer_start")
    if isinstance(texts, str):
        texts, starts = [texts], [starts]
    if not isinstance(texts, list) or not isinstance(starts, list):
        raise ValueError("expected the answers as {text: […], answer_start: […]}")
    if len(texts) != len(starts):
        raise ValueError("the numbers of answers and of offsets differ")
    return list(zip(texts, starts, strict=True))


def _check_answer(text: Any, start: Any) -> Answer:
    if not isinstance(text, str) or not text.strip():
        raise ValueError("an answer is empty (where the context has none, give empty lists)")
    if isinstance(start, bool) or not isinstance(start, int | float) or start != int(start):
        raise ValueError("an offset is not a whole number")
    return Answer(text, int(start))


def read_all_answers(rows: Mapping[str, Sequence[Any]]) -> list[list[Answer]]:
    """Return the answers of rows that are known to have no faults."""
    starts = rows.get("answer_start") or [None] * len(rows["answers"])
    return [read_answers(value, start) for value, start in zip(rows["answers"], starts, strict=True)]


def readable_answers(rows: Dataset) -> Iterator[list[Answer]]:
    """Yield the answers of the rows whose answers can be read."""
    for value, start in _raw_answers(rows):
        try:
            yield read_answers(value, start)
        except ValueError:
            continue


def answer_faults(rows: Dataset) -> Iterator[Fault]:
    """Yield the rows whose answers are missing, malformed, or not in the context at their offsets."""
    for row, ((value, start), context) in enumerate(zip(_raw_answers(rows), read_column(rows, "context"), strict=True)):
        try:
            answers = read_answers(value, start)
        except ValueError as error:
            yield Fault(row, "answers", str(error))
            continue
        if isinstance(context, str) and not all(answer.stands_in(context) for answer in answers):
            problem = "an answer does not stand in the context at its offset (in characters, counted from 0)"
            yield Fault(row, "answers", problem)


def _raw_answers(rows: Dataset) -> Iterator[tuple[Any, Any]]:
    starts = read_column(rows, "answer_start") if "answer_start" in rows.column_names else [None] * len(rows)
    return zip(read_column(rows, "answers"), starts, strict=True)


def find_best_spans(begin: Floats, end: Floats, offsets: Any, count: int, longest: int) -> list[tuple[float, int, int]]:
    """Return the `count` best spans of up to `longest` tokens, best first: score, and start and end in characters.

    All spans compete. A span can be among the best even if neither its first nor its last token is.
    """
    offsets = np.asarray(offsets).reshape(-1, 2)
    if not len(offsets):
        return []
    # A row per first token, a column per length: spans that run past the end or cover no character score -inf.
    first = np.arange(len(offsets))[:, None]
    last = first + np.arange(min(longest, len(offsets)))
    inside, last = last < len(offsets), np.minimum(last, len(offsets) - 1)
    real = inside & (offsets[last, 1] > offsets[first, 0])
    scores = np.where(real, begin.astype(np.float64)[:, None] + end.astype(np.float64)[last], -np.inf).reshape(-1)
    best = np.argpartition(-scores, count - 1)[:count] if count < len(scores) else np.arange(len(scores))
    order = best[np.lexsort((best, -scores[best]))]  # of equal scores, the earlier span comes first
    starts, ends = np.broadcast_to(offsets[first, 0], last.shape).reshape(-1), offsets[last, 1].reshape(-1)
    return [(float(scores[cell]), int(starts[cell]), int(ends[cell])) for cell in order if np.isfinite(scores[cell])]


def find_window_spans(
    begin: Floats, end: Floats, windows: Mapping[str, Any], count: int, longest: int
) -> tuple[list[list[AnswerSpan]], Floats]:
    """Return the best spans of each window, and the score of its having no answer."""
    nbest: list[list[AnswerSpan]] = []
    for row, (first, offsets) in enumerate(zip(windows["first"], windows["offsets"], strict=True)):
        inside = slice(first, first + len(offsets) // 2)  # offsets are stored flat, start and end by turns
        text, text_start = windows["text"][row], windows["text_at"][row]
        spans = find_best_spans(begin[row, inside], end[row, inside], offsets, count, longest)
        nbest.append(
            [
                {"text": text[start - text_start : stop - text_start], "score": score, "start": start, "end": stop}
                for score, start, stop in spans
            ]
        )
    rows, nulls = np.arange(len(nbest)), np.asarray(windows["null"])
    return nbest, (begin[rows, nulls] + end[rows, nulls]).astype(np.float64)


def merge_spans(windows: Iterable[Sequence[AnswerSpan]], count: int) -> list[AnswerSpan]:
    """Return the best spans of several windows; a span that is in two of them keeps its better score."""
    best: dict[tuple[int, int], AnswerSpan] = {}
    for spans in windows:
        for span in spans:
            place = (span["start"], span["end"])
            if place not in best or span["score"] > best[place]["score"]:
                best[place] = span
    return sorted(best.values(), key=lambda span: (-span["score"], span["start"], span["end"]))[:count]


def softmax(scores: Sequence[float]) -> list[float]:
    """Return scores as probabilities."""
    exponentials = np.exp(np.array(scores, dtype=np.float64) - max(scores, default=0.0))
    return [float(share) for share in exponentials / exponentials.sum()] if len(scores) else []


def choose_answers(
    nbest: Sequence[Sequence[AnswerSpan]], nulls: Iterable[float], threshold: float | None
) -> dict[str, list[Any]]:
    """Return the columns of the predicted answers.

    The prediction is a row's best span, or nothing if "no answer" beats it by more than the threshold (None: never).
    `score` is its probability among the spans that are left, `span` the best span whatever the threshold.
    """
    columns: dict[str, list[Any]] = {name: [] for name in ("prediction", "score", "start", "end", "span", "null_gap")}
    for spans, null in zip(nbest, nulls, strict=True):
        for name, value in _choose_answer(spans, float(null), threshold).items():
            columns[name].append(value)
    return columns


def _choose_answer(spans: Sequence[AnswerSpan], null: float, threshold: float | None) -> dict[str, Any]:
    scores = [span["score"] for span in spans]
    gap = null - scores[0] if spans else 0.0
    unanswered = not spans or (threshold is not None and gap > threshold)
    probabilities = softmax(scores if threshold is None else [*scores, null])
    answer = {"text": "", "start": -1, "end": -1} if unanswered else spans[0]
    return {
        "prediction": answer["text"],
        "score": probabilities[-1 if unanswered else 0] if probabilities else 0.0,
        "start": answer["start"],
        "end": answer["end"],
        "span": spans[0]["text"] if spans else "",
        "null_gap": gap,
    }
