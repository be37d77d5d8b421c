"""Answers that are parts of a context, as data sets write them, read into one form."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from datasets import Dataset

from hone.core.columns import read_column
from hone.core.task import Fault


@final
@dataclass(frozen=True)
class Answer:
    """A text and where it begins in its context, in characters."""

    text: str
    start: int

    @property
    def end(self) -> int:
        return self.start + len(self.text)

    def stands_in(self, context: str) -> bool:
        return self.start >= 0 and context[self.start : self.end] == self.text


def read_answers(value: Any, start: Any = None) -> list[Answer]:
    """The answers of a row, none where the context has none; a ValueError says what is wrong with them.

    They come as {text: […], answer_start: […]}, as a list of {text, answer_start}, or as one text with its `start`.
    """
    if isinstance(value, str) or (value is None and start is not None):
        return _one(value, start)
    if value is None:
        raise ValueError("the answers are missing (where the context has none, give empty lists)")
    if isinstance(value, Mapping):
        pairs = _paired(value)
    elif isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        pairs = [(item.get("text"), item.get("answer_start")) for item in value]
    else:
        raise ValueError(
            "expected {text: […], answer_start: […]}, or one text with its offset in the role answer_start"
        )
    return [_answer(text, place) for text, place in pairs]


def _one(text: str | None, start: Any) -> list[Answer]:
    """An empty text, or an offset below 0, stands for no answer."""
    if text == "" or (isinstance(start, int | float) and start < 0):
        return []
    if start is None:
        raise ValueError("the answer has no offset: name its column with dataset.columns.answer_start=…")
    return [_answer(text, start)]


def _paired(value: Mapping[str, Any]) -> list[tuple[Any, Any]]:
    texts, starts = value.get("text"), value.get("answer_start")
    if isinstance(texts, str):
        texts, starts = [texts], [starts]
    if not isinstance(texts, list) or not isinstance(starts, list):
        raise ValueError("expected the answers as {text: […], answer_start: […]}")
    if len(texts) != len(starts):
        raise ValueError("there are not as many offsets as answers")
    return list(zip(texts, starts, strict=True))


def _answer(text: Any, start: Any) -> Answer:
    if not isinstance(text, str) or not text.strip():
        raise ValueError("an answer is empty (where the context has none, give empty lists)")
    if isinstance(start, bool) or not isinstance(start, int | float) or start != int(start):
        raise ValueError("an offset is no whole number")
    return Answer(text, int(start))


def answers_of(rows: Mapping[str, Sequence[Any]]) -> list[list[Answer]]:
    """Those of faultless rows."""
    starts = rows.get("answer_start") or [None] * len(rows["answers"])
    return [read_answers(value, start) for value, start in zip(rows["answers"], starts, strict=True)]


def readable_answers(rows: Dataset) -> Iterator[list[Answer]]:
    """Those of the rows where they can be read."""
    for value, start in _raw(rows):
        try:
            yield read_answers(value, start)
        except ValueError:
            continue


def answer_faults(rows: Dataset) -> Iterator[Fault]:
    """Answers that are missing, written some other way, or do not stand where they should."""
    for row, ((value, start), context) in enumerate(zip(_raw(rows), read_column(rows, "context"), strict=True)):
        try:
            answers = read_answers(value, start)
        except ValueError as error:
            yield Fault(row, "answers", str(error))
            continue
        if isinstance(context, str) and not all(answer.stands_in(context) for answer in answers):
            problem = "an answer does not stand in the context at its offset (in characters, counted from 0)"
            yield Fault(row, "answers", problem)


def _raw(rows: Dataset) -> Iterator[tuple[Any, Any]]:
    starts = read_column(rows, "answer_start") if "answer_start" in rows.column_names else [None] * len(rows)
    return zip(read_column(rows, "answers"), starts, strict=True)


Span = dict[str, Any]
"""`text`, `score`, and `start` and `end` in characters."""

Floats = np.ndarray[Any, np.dtype[np.floating[Any]]]


def best_spans(begin: Floats, end: Floats, offsets: Any, count: int, longest: int) -> list[tuple[float, int, int]]:
    """The `count` best of all spans of up to `longest` tokens, best first: score, and start and end in characters.

    Nothing is left out beforehand: a span is found though neither of its ends is among the best by itself.
    """
    offsets = np.asarray(offsets).reshape(-1, 2)
    if not len(offsets):
        return []
    first = np.arange(len(offsets))[:, None]
    last = first + np.arange(min(longest, len(offsets)))
    inside, last = last < len(offsets), np.minimum(last, len(offsets) - 1)
    real = inside & (offsets[last, 1] > offsets[first, 0])  # some tokens stand for no character
    scores = np.where(real, begin.astype(np.float64)[:, None] + end.astype(np.float64)[last], -np.inf).reshape(-1)
    few = np.argpartition(-scores, count - 1)[:count] if count < len(scores) else np.arange(len(scores))
    order = few[np.lexsort((few, -scores[few]))]
    starts, ends = np.broadcast_to(offsets[first, 0], last.shape).reshape(-1), offsets[last, 1].reshape(-1)
    return [(float(scores[at]), int(starts[at]), int(ends[at])) for at in order if np.isfinite(scores[at])]


def of_windows(
    begin: Floats, end: Floats, windows: Mapping[str, Any], count: int, longest: int
) -> tuple[list[list[Span]], Floats]:
    """For each window its best spans, and the score of there being no answer in it."""
    nbest: list[list[Span]] = []
    for row, (first, offsets) in enumerate(zip(windows["first"], windows["offsets"], strict=True)):
        inside, text, at = slice(first, first + len(offsets) // 2), windows["text"][row], windows["text_at"][row]
        found = best_spans(begin[row, inside], end[row, inside], offsets, count, longest)
        nbest.append([{"text": text[a - at : b - at], "score": score, "start": a, "end": b} for score, a, b in found])
    rows, nulls = np.arange(len(nbest)), np.asarray(windows["null"])
    return nbest, (begin[rows, nulls] + end[rows, nulls]).astype(np.float64)


def pooled(windows: Iterable[Sequence[Span]], count: int) -> list[Span]:
    """The best of several windows; a span that two of them have counts with its better score."""
    best: dict[tuple[int, int], Span] = {}
    for span in (span for spans in windows for span in spans):
        place = (span["start"], span["end"])
        if place not in best or span["score"] > best[place]["score"]:
            best[place] = span
    return sorted(best.values(), key=lambda span: (-span["score"], span["start"], span["end"]))[:count]


def shares(scores: Sequence[float]) -> list[float]:
    """Scores as probabilities."""
    raised = np.exp(np.array(scores, dtype=np.float64) - max(scores, default=0.0))
    return [float(share) for share in raised / raised.sum()] if len(scores) else []


def decided(nbest: Sequence[Sequence[Span]], nulls: Iterable[float], threshold: float | None) -> dict[str, list[Any]]:
    """The best span of each row, or nothing where no answer beats it by more than the threshold (None: never).

    `score` is the probability among all spans that are left, `span` what would be said if something had to be.
    """
    columns: dict[str, list[Any]] = {name: [] for name in ("prediction", "score", "start", "end", "span", "null_gap")}
    for spans, null in zip(nbest, nulls, strict=True):
        scores = [span["score"] for span in spans]
        gap = float(null) - scores[0] if spans else 0.0
        none = not spans or (threshold is not None and gap > threshold)
        likely = shares([*scores, *([] if threshold is None else [float(null)])])
        said = {"text": "", "start": -1, "end": -1} if none else spans[0]
        values = (
            said["text"], likely[-1 if none else 0] if likely else 0.0, said["start"], said["end"],
            spans[0]["text"] if spans else "", gap,
        )  # fmt: skip
        for name, value in zip(columns, values, strict=True):
            columns[name].append(value)
    return columns
