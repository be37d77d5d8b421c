"""The words of pages and their boxes: reading them from data sets, finding answers among them, and their windows.

Boxes are left, top, right and bottom in thousandths of the page's width and height, as the networks read them.
"""

from __future__ import annotations

import json
import string
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from datasets import Dataset

from hone.core.columns import read_column
from hone.core.errors import RowError, UserError
from hone.core.task import Fault

NO_OCR = (
    "hone reads no text from pictures: give the words of each page and their boxes, as a program for OCR finds them."
)
_LARGEST = 1000
_LEAST_ROOM = 8
"""The fewest tokens of a page per window with which reading it makes sense."""
_NORMALISERS: tuple[Callable[[str], str], ...] = (str.casefold, lambda word: word.casefold().strip(string.punctuation))
"""How words are compared with answers: as they are but for case, else without the punctuation around them."""


def read_list(value: Any) -> Any:
    """Return a list, which a file that has only text contains as JSON. What is no list stays as it is."""
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            return value
    return value


def read_answers(value: Any) -> list[str]:
    """Return the true answers of a question: a list of texts, or one text."""
    value = read_list(value)
    return [value] if isinstance(value, str) else list(value)


def page_faults(rows: Dataset) -> Iterator[Fault]:
    """Yield the rows whose words, boxes or answers cannot be used."""
    columns = [
        read_column(rows, role) if role in rows.column_names else [None] * len(rows) for role in ("words", "boxes")
    ]
    for row, (words, boxes) in enumerate(zip(*columns, strict=True)):
        problem = _problem(read_list(words), read_list(boxes))
        if problem is not None:
            yield Fault(row, *problem)
    for row, value in enumerate(read_column(rows, "answers") if "answers" in rows.column_names else ()):
        answers = read_list(value)
        texts = [answers] if isinstance(answers, str) else answers
        if (
            not isinstance(texts, list)
            or not all(isinstance(text, str) and text.strip() for text in texts)
            or not texts
        ):
            yield Fault(
                row, "answers", f"expected a text, or a list of texts that all are right, not {_shorten(value)}"
            )


def _problem(words: Any, boxes: Any) -> tuple[str, str] | None:
    """Return the role at fault and what is wrong with the words or the boxes of a page."""
    if words is None or words == []:
        return "words", f"the words are missing; {NO_OCR}"
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        return "words", f"expected a list of words, not {_shorten(words)}"
    if not isinstance(boxes, list) or len(boxes) != len(words):
        given = f"{len(boxes)} boxes" if isinstance(boxes, list) else _shorten(boxes)
        return "boxes", f"expected a box for each of the {len(words)} words, not {given}"
    wrong = next((box for box in boxes if not _is_box(box)), None)
    if wrong is not None:
        return "boxes", (
            f"{_shorten(wrong)} is no box: left, top, right and bottom, from 0 to {_LARGEST}, in thousandths of the "
            f"page's width and height"
        )
    return None


def _is_box(box: Any) -> bool:
    if not isinstance(box, list) or len(box) != 4 or not all(isinstance(side, int | float) for side in box):
        return False
    left, top, right, bottom = map(float, box)
    return 0 <= left <= right <= _LARGEST and 0 <= top <= bottom <= _LARGEST


def _shorten(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


def find_answer(words: Sequence[str], answers: Sequence[str]) -> tuple[int, int] | None:
    """Return the first and the last word of the first answer that stands among the words, or None."""
    for normalise in _NORMALISERS:
        letters = [normalise(word) for word in words]
        for answer in answers:
            wanted = "".join(normalise(part) for part in answer.split())
            for first in range(len(letters)):
                last = _match(letters, first, wanted)
                if last is not None:
                    return first, last
    return None


def _match(letters: Sequence[str], first: int, wanted: str) -> int | None:
    """Return the last of the words from `first` on that make up a text, spaces aside, or None."""
    rest = wanted
    for place in range(first, len(letters)):
        if not rest.startswith(letters[place]) or not (letters[place] or place > first):
            return None
        rest = rest[len(letters[place]) :]
        if not rest:
            return place
    return None


@final
@dataclass(frozen=True)
class PageWindow:
    """The tokens of a question and a part of the words of its page.

    The tokens from `first` on belong to the page; `words` has the number of the word of each."""

    row: int
    input_ids: list[int]
    token_type_ids: list[int] | None
    bbox: list[list[int]]
    null: int
    """The index of the token that stands for no answer in this window."""
    first: int
    words: np.ndarray[Any, np.dtype[np.int64]]
    begins: bool
    ends: bool

    @property
    def span(self) -> tuple[int, int]:
        """The first word in this window, and the word after its last one."""
        return (int(self.words[0]), int(self.words[-1]) + 1) if len(self.words) else (0, 0)

    def answer_tokens(self, answer: tuple[int, int]) -> tuple[int, int]:
        """Return the first and last token of an answer that is whole in this window, else `null` for both."""
        start, stop = answer
        if not len(self.words):
            return self.null, self.null
        whole = (self.begins or self.words[0] < start) and (self.ends or self.words[-1] > stop)
        tokens = np.flatnonzero((self.words >= start) & (self.words <= stop))
        if not whole or not len(tokens):
            return self.null, self.null
        return self.first + int(tokens[0]), self.first + int(tokens[-1])


@final
@dataclass(frozen=True)
class PageReader:
    """Splits pages into windows of up to `length` tokens, which overlap by up to `overlap` tokens."""

    tokenizer: Any
    length: int
    overlap: int

    def split(
        self, ids: Sequence[int], questions: Sequence[str], pages: Sequence[Sequence[str]], boxes: Sequence[Any]
    ) -> list[PageWindow]:
        """Return the windows of all rows in order."""
        rows_by_overlap: dict[int, list[int]] = defaultdict(list)
        for row, question in enumerate(questions):
            rows_by_overlap[min(self.overlap, self._room(ids[row], question) // 2)].append(row)
        windows = [
            window
            for overlap, rows in rows_by_overlap.items()
            for window in self._tokenise(rows, questions, pages, boxes, overlap)
        ]
        return sorted(windows, key=lambda window: window.row)

    def _room(self, identity: int, question: str) -> int:
        """Return how many tokens a question leaves for its page. Raise RowError if they are too few."""
        alone = self._call([question], [["a"]], [[[0, 0, 0, 0]]], truncation=False)
        room: int = self.length - sum(part != 1 for part in alone.sequence_ids(0))
        if room >= _LEAST_ROOM:
            return room
        if len(question.split()) <= 1:
            raise UserError(f"task.max_length={self.length}: too short for a question and a page.")
        raise RowError(
            identity, "question", f"it leaves no room for its page in windows of {self.length} tokens "
            f"(raise task.max_length if the model allows more)",
        )  # fmt: skip

    def _call(self, questions: list[str], pages: list[Any], boxes: list[Any], **options: Any) -> Any:
        """Return the tokens; a tokenizer that knows nothing of boxes reads a question as words, too."""
        types = "token_type_ids" in self.tokenizer.model_input_names
        if "bbox" in self.tokenizer.model_input_names:
            return self.tokenizer(text=questions, text_pair=pages, boxes=boxes, return_token_type_ids=types, **options)
        words = [question.split() for question in questions]
        return self.tokenizer(words, pages, is_split_into_words=True, return_token_type_ids=types, **options)

    def _tokenise(
        self, rows: list[int], questions: Sequence[str], pages: Sequence[Any], boxes: Sequence[Any], overlap: int
    ) -> Iterator[PageWindow]:
        tokens = self._call(
            [questions[row] for row in rows], [pages[row] for row in rows], [boxes[row] for row in rows],
            truncation="only_second", max_length=self.length, stride=overlap, return_overflowing_tokens=True,
            verbose=False,
        )  # fmt: skip
        owners = tokens["overflow_to_sample_mapping"]
        for index, owner in enumerate(owners):
            ids, parts, words = tokens["input_ids"][index], tokens.sequence_ids(index), tokens.word_ids(index)
            inside = [place for place, part in enumerate(parts) if part == 1]
            yield PageWindow(
                row=rows[owner],
                input_ids=ids,
                token_type_ids=tokens["token_type_ids"][index] if "token_type_ids" in tokens else None,
                bbox=[self._box(*token, boxes[rows[owner]]) for token in zip(ids, parts, words, strict=True)],
                null=ids.index(self.tokenizer.cls_token_id),
                first=inside[0] if inside else len(ids),
                words=np.array([words[place] for place in inside], dtype=np.int64),
                begins=index == 0 or owners[index - 1] != owner,
                ends=index == len(owners) - 1 or owners[index + 1] != owner,
            )

    def _box(self, token: int, part: int | None, word: int | None, boxes: Sequence[Sequence[float]]) -> list[int]:
        """Return the box of a token: that of its word, nothing for a question, and what the network was taught for a
        separator."""
        if part == 1 and word is not None:
            return [round(side) for side in boxes[word]]
        if token == self.tokenizer.sep_token_id:
            return list(getattr(self.tokenizer, "sep_token_box", [_LARGEST] * 4))
        return [0, 0, 0, 0]
