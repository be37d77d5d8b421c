"""Answers that are parts of a context, as data sets write them, read into one form."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from datasets import Dataset

from hone.core.columns import values
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
    for row, ((value, start), context) in enumerate(zip(_raw(rows), values(rows, "context"), strict=True)):
        try:
            answers = read_answers(value, start)
        except ValueError as error:
            yield Fault(row, "answers", str(error))
            continue
        if isinstance(context, str) and not all(answer.stands_in(context) for answer in answers):
            problem = "an answer does not stand in the context at its offset (in characters, counted from 0)"
            yield Fault(row, "answers", problem)


def _raw(rows: Dataset) -> Iterator[tuple[Any, Any]]:
    starts = values(rows, "answer_start") if "answer_start" in rows.column_names else [None] * len(rows)
    return zip(values(rows, "answers"), starts, strict=True)
