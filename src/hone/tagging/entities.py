"""Spans of words that tags mark (B-LOC I-LOC), and how well predicted spans match the true ones.

Tags are read as the CoNLL evaluation does: whatever the scheme (IOB1, IOB2, IOBES, BILOU), a span goes on as long as
the type stays the same and no tag begins or ends one. A span is right when its type and both its ends are.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import Any

Columns = dict[str, Any]
Span = tuple[str, int, int]
"""Type, first word, and the word behind the last one."""

_TAG = re.compile(r"O|([BIESLU])(?:-(.+))?")
_BEGIN, _END = frozenset("BSU"), frozenset("ESLU")


def read_tag(tag: str) -> tuple[str, str]:
    """The mark of a tag and the type behind it: ("B", "LOC"), or "_" where there are no types."""
    return tag[:1], tag[2:] or "_"


def odd_tags(tags: Iterable[str]) -> list[str]:
    """Those that are none of a scheme's: neither O nor one of B, I, E, S, L, U with or without a type."""
    return [tag for tag in tags if not _TAG.fullmatch(tag)]


def mark_spans(tags: Sequence[str]) -> bool:
    """Whether these tags mark spans; others, such as parts of speech, stand for themselves."""
    return not odd_tags(tags) and any(tag != "O" for tag in tags)


def find_spans(tags: Iterable[tuple[str, str]]) -> list[Span]:
    """The spans of one row, in order."""
    found: list[Span] = []
    start, last_mark, last_type = 0, "O", ""
    for place, (mark, kind) in enumerate([*tags, ("O", "")]):
        begins = mark in _BEGIN or last_mark in _END or kind != last_type
        if last_mark != "O" and (mark == "O" or begins):
            found.append((last_type, start, place))
        if last_mark == "O" or begins:
            start = place
        last_mark, last_type = mark, kind
    return found


def precision(labels: Sequence[str]) -> Callable[[Columns], float]:
    """The share of the predicted spans that are right."""
    return lambda records: _score(_added(_tally(records, labels)))[0]


def recall(labels: Sequence[str]) -> Callable[[Columns], float]:
    """The share of the true spans that are found."""
    return lambda records: _score(_added(_tally(records, labels)))[1]


def f1(labels: Sequence[str]) -> Callable[[Columns], dict[str, float]]:
    """The harmonic mean of both: of all spans, and of each type that occurs."""

    def compute(records: Columns) -> dict[str, float]:
        tally = _tally(records, labels)
        by_type = {kind: _score(counts)[2] for kind, counts in sorted(tally.items()) if counts[1]}
        return {"": _score(_added(tally))[2], **by_type}

    return compute


def _tally(records: Columns, labels: Sequence[str]) -> dict[str, list[int]]:
    """For each type how many spans are predicted, true, and both."""
    tags = [read_tag(label) for label in labels]
    tally: dict[str, list[int]] = {}
    for guess, truth in zip(records["prediction"], records["label"], strict=True):
        guessed = set(find_spans(tags[place] for place in guess))
        true = set(find_spans(tags[place] for place in truth))
        for column, spans in enumerate((guessed, true, guessed & true)):
            for kind, _, _ in spans:
                tally.setdefault(kind, [0, 0, 0])[column] += 1
    return tally


def _added(tally: dict[str, list[int]]) -> list[int]:
    return [sum(column) for column in zip(*tally.values(), strict=True)] or [0, 0, 0]


def _score(counts: Sequence[int]) -> tuple[float, float, float]:
    """Precision, recall and F1; 0 where there is nothing to divide by."""
    predicted, true, right = counts
    return right / max(predicted, 1), right / max(true, 1), 2 * right / max(predicted + true, 1)


def entities(tags: Iterable[tuple[str, str]], words: Sequence[str], scores: Sequence[float]) -> list[dict[str, Any]]:
    """The spans of one row as transformers' pipeline puts them; start and end count words."""
    return [
        {
            "entity_group": kind,
            "score": sum(scores[start:end]) / (end - start),
            "word": " ".join(words[start:end]),
            "start": start,
            "end": end,
        }
        for kind, start, end in find_spans(tags)
    ]
