"""The likeliest spans of a text, from what a network says of each token as a beginning and as an end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

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
