"""Long contexts in windows: each has the whole question and as much of the context as fits; neighbours overlap."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np

from hone.core.errors import RowError, UserError
from hone.tasks.text.shared.answers import Answer

_LEAST_ROOM = 8
"""Tokens of a context in each of its windows, without which reading it makes no sense."""

Offsets = np.ndarray[Any, np.dtype[np.int64]]


@final
@dataclass(frozen=True)
class Window:
    """The tokens from `first` on are the context's, from `offsets[:, 0]` to `offsets[:, 1]` in its characters."""

    row: int
    input_ids: list[int]
    token_type_ids: list[int] | None
    null: int
    """The token that stands for no answer."""
    first: int
    offsets: Offsets
    begins: bool
    """Whether it has the context's first token,"""
    ends: bool
    """and whether its last one."""

    @property
    def characters(self) -> tuple[int, int]:
        """What it has of the context."""
        return (int(self.offsets[0, 0]), int(self.offsets[-1, 1])) if len(self.offsets) else (0, 0)

    def places(self, answer: Answer | None) -> tuple[int, int]:
        """The first and last token of an answer that it has as a whole, else twice the one for no answer."""
        if answer is None or not len(self.offsets):
            return self.null, self.null
        starts, stops = self.offsets.T
        blank = len(answer.text) - len(answer.text.lstrip())
        start, stop = answer.start + blank, answer.start + len(answer.text.rstrip())
        whole = (self.begins or starts[0] <= start) and (self.ends or stops[-1] >= stop)
        one, last = int(np.searchsorted(stops, start, "right")), int(np.searchsorted(starts, stop, "left")) - 1
        return (self.first + one, self.first + last) if whole and one <= last else (self.null, self.null)


def cut(
    tokenizer: Any, ids: Sequence[int], questions: Sequence[str], contexts: Sequence[str], length: int, overlap: int
) -> list[Window]:
    """The windows of all rows, in their order; where a question leaves little room they overlap less."""
    rooms = _rooms(tokenizer, ids, questions, length)
    alike: dict[int, list[int]] = defaultdict(list)
    for row, room in enumerate(rooms):
        alike[min(overlap, room // 2)].append(row)
    found = [
        window
        for fitting, rows in alike.items()
        for window in _windows(tokenizer, rows, questions, contexts, length, fitting)
    ]
    return sorted(found, key=lambda window: window.row)


def as_columns(windows: Sequence[Window], ids: Sequence[int], contexts: Sequence[str]) -> dict[str, list[Any]]:
    """What is kept of each window, with its own part of the context."""
    parts = [window.characters for window in windows]
    types = [window.token_type_ids for window in windows]
    columns: dict[str, list[Any]] = {
        "id": [ids[window.row] for window in windows],
        "length": [len(window.input_ids) for window in windows],
        "input_ids": [window.input_ids for window in windows],
        "null": [window.null for window in windows],
        "first": [window.first for window in windows],
        "offsets": [window.offsets.reshape(-1).tolist() for window in windows],
        "text": [contexts[window.row][slice(*part)] for window, part in zip(windows, parts, strict=True)],
        "text_at": [start for start, _ in parts],
    }
    return columns | ({} if None in types else {"token_type_ids": types})


def _rooms(tokenizer: Any, ids: Sequence[int], questions: Sequence[str], length: int) -> list[int]:
    """The tokens that each question leaves for its context."""
    read = tokenizer(list(questions), add_special_tokens=False, verbose=False)["input_ids"]
    own = tokenizer.num_special_tokens_to_add(pair=True)
    most = length - own - _LEAST_ROOM
    if most < 1:
        raise UserError(
            f"task.max_length={length}: too short for a question and its context; give at least {length + 1 - most}."
        )
    rooms = [length - own - len(tokens) for tokens in read]
    for row, room in enumerate(rooms):
        if room < _LEAST_ROOM:
            raise RowError(
                ids[row],
                "question",
                f"it makes more than {most} tokens, which leaves no room for its context in "
                f"windows of {length} (task.max_length, if the model allows more)",
            )
    return rooms


def _windows(
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
    for place, owner in enumerate(owners):
        ids = tokens["input_ids"][place]
        inside = [at for at, part in enumerate(tokens.sequence_ids(place)) if part == 1]
        first = inside[0] if inside else len(ids)
        offsets = np.array(tokens["offset_mapping"][place][first : first + len(inside)], dtype=np.int64).reshape(-1, 2)
        yield Window(
            rows[owner], ids, tokens["token_type_ids"][place] if "token_type_ids" in tokens else None,
            ids.index(tokenizer.cls_token_id) if tokenizer.cls_token_id in ids else 0, first, offsets,
            begins=place == 0 or owners[place - 1] != owner,
            ends=place == len(owners) - 1 or owners[place + 1] != owner,
        )  # fmt: skip
