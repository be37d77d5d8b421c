"""Answers scored by the published rules of SQuAD, as shares instead of percentages.

Versions 1 and 2 differ when nothing remains of a text without its articles and punctuation, and only in version 2 may a
question have no answer. Metrics read the columns `prediction`, `answers` (the references), `span` (the best answer
other than "no answer") and `null_gap` (by how much "no answer" scores higher than `span`).
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any, Literal, final

import numpy as np

from hone.core.metric import Columns, Metric, PlainMetric, SumMetric, ratios

Measure = Literal["exact", "f1"]

_MEASURES: dict[str, Measure] = {"exact_match": "exact", "f1": "f1"}
"""The measures by the names of their metrics."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@lru_cache(maxsize=100_000)
def normalise(text: str) -> str:
    """Return the text in lower case, without ASCII punctuation, articles and superfluous spaces."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


@final
@dataclass(frozen=True)
class Squad:
    """Scores answers by the rules of one version."""

    version: Literal[1, 2]

    def score(self, measure: Measure, prediction: str, references: Sequence[str]) -> float:
        """Return the best score of the prediction against any reference; without references, an empty text is right."""
        if self.version == 2:  # a reference of articles and punctuation alone does not count
            references = [reference for reference in references if normalise(reference)]
        score_pair = self._exact if measure == "exact" else self._f1
        return max(score_pair(prediction, reference) for reference in references or [""])

    def mean(self, measure: Measure) -> SumMetric:
        """Return the metric for the mean over all records."""
        return SumMetric(partial(self._scores, measure))

    def mean_where(self, answerable: bool) -> SumMetric:
        """Return the metric for the means of both measures over the records with an answer, or those without."""

        def codes(records: Columns) -> Any:
            chosen = _is_answerable(records) == answerable
            scores = (self._scores(measure, records) * chosen for measure in _MEASURES.values())
            return np.stack([*scores, chosen], axis=1)

        return SumMetric(codes, ratios, parts=tuple(_MEASURES))

    def best(self, measure: Measure) -> PlainMetric:
        """Return the metric for the score at the best threshold for predicting "no answer"."""
        return PlainMetric(lambda records: self._tune_threshold(measure, records)[0])

    def best_threshold(self, measure: Measure) -> PlainMetric:
        """Return the metric for that threshold; "no answer" is predicted where `null_gap` is above it."""
        return PlainMetric(lambda records: self._tune_threshold(measure, records)[1])

    def _scores(self, measure: Measure, records: Columns) -> Any:
        pairs = zip(records["prediction"], records["answers"], strict=True)
        return np.array([self.score(measure, prediction, references) for prediction, references in pairs])

    def _tune_threshold(self, measure: Measure, records: Columns) -> tuple[float, float]:
        """Return the best mean score and its threshold.

        Thresholds go from answering nothing to answering everything, with the most certain answers first. An answer
        gains its score; answering a question that has no answer loses the point for "no answer".
        """
        gaps, answerable = np.asarray(records["null_gap"], dtype=np.float64), _is_answerable(records)
        gains = [
            self.score(measure, span, references) if references else -float(bool(span))
            for span, references in zip(records["span"], records["answers"], strict=True)
        ]
        order = np.argsort(gaps, kind="stable")
        sums = np.concatenate([[0.0], np.cumsum(np.array(gains)[order])]) + np.sum(~answerable)
        thresholds = np.concatenate([[np.nextafter(gaps.min(), -np.inf)], gaps[order]])
        sums[:-1][thresholds[:-1] == thresholds[1:]] = -np.inf  # no threshold lies between equal gaps
        best = int(np.argmax(sums))
        return float(sums[best]) / len(gaps), float(thresholds[best])

    def _exact(self, prediction: str, reference: str) -> float:
        return float(normalise(prediction) == normalise(reference))

    def _f1(self, prediction: str, reference: str) -> float:
        predicted, true = normalise(prediction).split(), normalise(reference).split()
        if self.version == 2 and not (predicted and true):
            return float(predicted == true)
        shared = sum((Counter(predicted) & Counter(true)).values())
        if shared == 0:
            return 0.0
        precision, recall = shared / len(predicted), shared / len(true)
        return 2 * precision * recall / (precision + recall)


def _is_answerable(records: Columns) -> Any:
    return np.array([bool(len(references)) for references in records["answers"]])


def squad_metrics(may_lack_answer: bool) -> dict[str, Metric]:
    """Return the metrics of version 1, or of version 2 if a question may have no answer."""
    rules = Squad(2 if may_lack_answer else 1)
    always: dict[str, Metric] = {"exact_match": rules.mean("exact"), "f1": rules.mean("f1")}
    if not may_lack_answer:
        return always
    return always | {
        "has_answer": rules.mean_where(answerable=True),
        "no_answer": rules.mean_where(answerable=False),
        "best_exact": rules.best("exact"),
        "best_exact_thresh": rules.best_threshold("exact"),
        "best_f1": rules.best("f1"),
        "best_f1_thresh": rules.best_threshold("f1"),
    }
