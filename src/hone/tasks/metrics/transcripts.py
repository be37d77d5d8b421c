"""How far transcripts are from what was said: errors in words and in characters, counted by jiwer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from hone.core.errors import UserError
from hone.core.metric import Array, Columns, SumMetric


def transcript_metrics() -> dict[str, SumMetric]:
    """Return the metrics of records with a `prediction` and the true `text`: errors by what was said in the split."""
    return {
        "wer": SumMetric(partial(_count, unit="words"), higher_is_better=False),
        "cer": SumMetric(partial(_count, unit="characters"), higher_is_better=False),
    }


def require_jiwer() -> None:
    """Raise UserError where the extra that brings jiwer is missing."""
    try:
        import jiwer  # noqa: F401
    except ImportError as error:
        raise UserError(
            f"speech recognition needs the package jiwer ({error}). Install it with: pip install 'hone-lab[audio]'"
        ) from error


def _count(records: Columns, unit: str) -> Array:
    """Return the errors of each record, and how many words or characters were said: their sums give the rate."""
    import jiwer

    compare: Callable[..., Any] = jiwer.process_words if unit == "words" else jiwer.process_characters
    counts = []
    for prediction, text in zip(records["prediction"], records["text"], strict=True):
        result = compare(text, prediction)
        errors = result.substitutions + result.deletions + result.insertions
        counts.append((errors, result.hits + result.substitutions + result.deletions))
    return np.array(counts, dtype=np.float64).reshape(-1, 2)
