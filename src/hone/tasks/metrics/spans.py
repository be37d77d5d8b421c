"""Spans of words marked by tags (B-LOC I-LOC), and how well predicted spans match the true ones.

Tags are read like in the CoNLL evaluation: whatever the scheme (IOB1, IOB2, IOBES, BILOU), a span continues while its
type stays the same and no tag begins or ends a span. A span is correct if its type and both of its ends are.
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
"""Type, index of the first word, and index after the last word."""

_TAG = re.compile(r"O|([BIESLU])(?:-(.+))?")
_BEGIN, _END = frozenset("BSU"), frozenset("ESLU")


def read_tag(tag: str) -> tuple[str, str]:
    """Split a tag into its mark and its type, such as ("B", "LOC"); the type of a bare mark is "_"."""
    return tag[:1], tag[2:] or "_"


def find_odd_tags(tags: Iterable[str]) -> list[str]:
    """Return the tags that belong to no scheme: neither O nor one of B, I, E, S, L, U with or without a type."""
    return [tag for tag in tags if not _TAG.fullmatch(tag)]


def mark_spans(tags: Sequence[str]) -> bool:
    """Return whether these tags mark spans; others, such as parts of speech, stand for single words."""
    return not find_odd_tags(tags) and any(tag != "O" for tag in tags)


def find_spans(tags: Iterable[tuple[str, str]]) -> list[Span]:
    """Return the spans of one row in order, from the marks and types of its tags."""
    spans: list[Span] = []
    start, last_mark, last_type = 0, "O", ""
    for index, (mark, kind) in enumerate([*tags, ("O", "")]):  # the extra O closes a span at the end of the row
        begins = mark in _BEGIN or last_mark in _END or kind != last_type
        if last_mark != "O" and (mark == "O" or begins):
            spans.append((last_type, start, index))
        if last_mark == "O" or begins:
            start = index
        last_mark, last_type = mark, kind
    return spans


def span_metrics(labels: Sequence[str]) -> dict[str, SumMetric]:
    """Return F1 over all spans and by type, precision and recall."""
    types = sorted({kind for mark, kind in map(read_tag, labels) if mark != "O"})
    return classes.span_metrics_from_counts(partial(_count_spans, labels=labels, types=types), types)


def _count_spans(records: Columns, labels: Sequence[str], types: Sequence[str]) -> Array:
    """Count the correct, predicted and true spans of each record, with one column per type each."""
    tags = [read_tag(label) for label in labels]
    column = {kind: index for index, kind in enumerate(types)}
    counts = np.zeros((len(records["label"]), 3, len(types)), dtype=np.int64)
    for row, pair in enumerate(zip(records["prediction"], records["label"], strict=True)):
        predicted, true = (set(find_spans(tags[label] for label in row_labels)) for row_labels in pair)
        for part, spans in enumerate((predicted & true, predicted, true)):
            for kind, _, _ in spans:
                counts[row, part, column[kind]] += 1
    return counts.reshape(len(counts), -1)


def group_entities(
    tags: Iterable[tuple[str, str]], words: Sequence[str], scores: Sequence[float]
) -> list[dict[str, Any]]:
    """Return the spans of one row in the format of transformers' pipeline, with start and end counted in words."""
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
