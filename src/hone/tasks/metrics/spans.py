"""Spans of words that tags mark (B-LOC I-LOC), and how well predicted spans match the true ones.

Tags are read as the CoNLL evaluation does: whatever the scheme (IOB1, IOB2, IOBES, BILOU), a span goes on as long as
the type stays the same and no tag begins or ends one. A span is right when its type and both its ends are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np

from hone.core.metric import Array, Columns, SumMetric
from hone.tasks.metrics import classes

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


def span_metrics(labels: Sequence[str]) -> dict[str, SumMetric]:
    """F1 of all spans and of each type that occurs, precision and recall."""
    types = sorted({kind for mark, kind in map(read_tag, labels) if mark != "O"})
    return classes.spans(partial(_count_spans, labels=labels, types=types), types)


def _count_spans(records: Columns, labels: Sequence[str], types: Sequence[str]) -> Array:
    """How many spans of a record are right, predicted and true, a column a type each."""
    tags = [read_tag(label) for label in labels]
    column = {kind: place for place, kind in enumerate(types)}
    counts = np.zeros((len(records["label"]), 3, len(types)), dtype=np.int64)
    for row, pair in enumerate(zip(records["prediction"], records["label"], strict=True)):
        predicted, true = (set(find_spans(tags[place] for place in places)) for places in pair)
        for part, spans in enumerate((predicted & true, predicted, true)):
            for kind, _, _ in spans:
                counts[row, part, column[kind]] += 1
    return counts.reshape(len(counts), -1)


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
