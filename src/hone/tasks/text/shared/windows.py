"""Long contexts split into overlapping windows, each with the whole question and as much of the context as fits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from hone.core.errors import RowError, UserError
from hone.tasks.text.shared.answers import Answer

_MIN_ROOM = 8
"""The fewest tokens of context per window with which reading it makes sense."""

Offsets = np.ndarray[Any, np.dtype[np.int64]]


@final
@dataclass(frozen=True)
class Window:
    """The tokens of a question and a part of its context.

    The tokens from `first` on belong to the context; `offsets` has their start and end in its characters.
    """

    row: int
    input_ids: list[int]
    token_type_ids: list[int] | None
    null: int
    """The index of the token that stands for "no answer"."""
    first: int
    offsets: Offsets
    begins: bool
    """Whether the window has the first token of the context."""
    ends: bool
    """Whether the window has the last token of the context."""

    @property
    def characters(self) -> tuple[int, int]:
        """The start and end, in characters, of the part of the context in this window."""
        return (int(self.offsets[0, 0]), int(self.offsets[-1, 1])) if len(self.offsets) else (0, 0)

    def answer_tokens(self, answer: Answer | None) -> tuple[int, int]:
        """Return the first and last token of an answer that is whole in this window, else `null` for both."""
        if answer is None or not len(self.offsets):
            return self.null, self.null
        starts, stops = self.offsets.T
        leading_blanks = len(answer.text) - len(answer.text.lstrip())
        start, stop = answer.start + leading_blanks, answer.start + len(answer.text.rstrip())
        whole = (self.begins or starts[0] <= start) and (self.ends or stops[-1] >= stop)
        first = int(np.searchsorted(stops, start, "right"))
        last = int(np.searchsorted(starts, stop, "left")) - 1
        if not whole or first > last:
            return self.null, self.null
        return self.first + first, self.first + last


def split_into_windows(
    tokenizer: Any, ids: Sequence[int], questions: Sequence[str], contexts: Sequence[str], length: int, overlap: int
) -> list[Window]:
    """Return the windows of all rows in order.

    Windows overlap by `overlap` tokens, but at most by half of the room that their question leaves.
    """
    rows_by_overlap: dict[int, list[int]] = defaultdict(list)
    for row, room in enumerate(_measure_rooms(tokenizer, ids, questions, length)):
        rows_by_overlap[min(overlap, room // 2)].append(row)  # the tokenizer takes one overlap per call
    windows = [
        window
        for row_overlap, rows in rows_by_overlap.items()
        for window in _tokenise_windows(tokenizer, rows, questions, contexts, length, row_overlap)
    ]
    return sorted(windows, key=lambda window: window.row)


def windows_to_columns(windows: Sequence[Window], ids: Sequence[int], contexts: Sequence[str]) -> dict[str, list[Any]]:
    """Return the windows as encoded columns, each with its own part of the context."""
    spans = [window.characters for window in windows]
    types = [window.token_type_ids for window in windows]
    columns: dict[str, list[Any]] = {
        "id": [ids[window.row] for window in windows],
        "length": [len(window.input_ids) for window in windows],
        "input_ids": [window.input_ids for window in windows],
        "null": [window.null for window in windows],
        "first": [window.first for window in windows],
        "offsets": [window.offsets.reshape(-1).tolist() for window in windows],
        "text": [contexts[window.row][slice(*span)] for window, span in zip(windows, spans, strict=True)],
        "text_at": [start for start, _ in spans],
    }
    return columns | ({} if None in types else {"token_type_ids": types})


def _measure_rooms(tokenizer: Any, ids: Sequence[int], questions: Sequence[str], length: int) -> list[int]:
    """Return how many tokens each question leaves for its context."""
    question_ids = tokenizer(list(questions), add_special_tokens=False, verbose=False)["input_ids"]
    special = tokenizer.num_special_tokens_to_add(pair=True)
    longest = length - special - _MIN_ROOM
    if longest < 1:
        raise UserError(
            f"task.max_length={length}: too short for a question and its context; give at least {length + 1 - longest}."
        )
    rooms = [length - special - len(tokens) for tokens in question_ids]
    for row, room in enumerate(rooms):
        if room < _MIN_ROOM:
            raise RowError(
                ids[row],
                "question",
                f"it makes more than {longest} tokens, which leaves no room for its context in windows of {length} "
                f"(raise task.max_length if the model allows more)",
            )
    return rooms


def _tokenise_windows(
    tokenizer: Any, rows: Sequence[int], questions: Sequence[str], contexts: Sequence[str], length: int, overlap: int
) -> Iterator[Window]:
    tokens = tokenizer(
        [questions[row] for row in rows],
        [contexts[row] for row in rows],
        truncation="only_second",
        max_length=length,
        stride=overlap,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_attention_mask=False,
        return_token_type_ids="token_type_ids" in tokenizer.model_input_names,
        verbose=False,
    )
    owners = tokens["overflow_to_sample_mapping"]
    for index, owner in enumerate(owners):
        ids = tokens["input_ids"][index]
        context_tokens = [place for place, part in enumerate(tokens.sequence_ids(index)) if part == 1]
        first = context_tokens[0] if context_tokens else len(ids)
        offsets = tokens["offset_mapping"][index][first : first + len(context_tokens)]
        yield Window(
            row=rows[owner],
            input_ids=ids,
            token_type_ids=tokens["token_type_ids"][index] if "token_type_ids" in tokens else None,
            null=ids.index(tokenizer.cls_token_id) if tokenizer.cls_token_id in ids else 0,
            first=first,
            offsets=np.array(offsets, dtype=np.int64).reshape(-1, 2),
            begins=index == 0 or owners[index - 1] != owner,
            ends=index == len(owners) - 1 or owners[index + 1] != owner,
        )
