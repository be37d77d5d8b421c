"""How answers are scored by the published rules of SQuAD, as shares instead of percentages.

They differ where nothing is left of a text once articles and punctuation are gone, and in that a question of version 2
may have no answer. Functions of records read `prediction`, `answers` (the references), `span` (the best answer that
is one) and `null_gap` (by how much no answer beats it).
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
"""By the names of their metrics."""

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


@lru_cache(maxsize=100_000)
def normalised(text: str) -> str:
    """Lower case, without ASCII punctuation, articles and superfluous space."""
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_NO_PUNCTUATION)).split())


@final
@dataclass(frozen=True)
class Squad:
    """The rules of one version."""

    version: Literal[1, 2]

    def score(self, measure: Measure, prediction: str, references: Sequence[str]) -> float:
        """The best that the prediction reaches with any reference; without one, saying nothing is right."""
        if self.version == 2:  # a reference that is nothing but articles is none
            references = [reference for reference in references if normalised(reference)]
        one = self._exact if measure == "exact" else self._f1
        return max(one(prediction, reference) for reference in references or [""])

    def mean(self, measure: Measure) -> SumMetric:
        """Of all records."""
        return SumMetric(partial(self._scores, measure))

    def mean_where(self, answerable: bool) -> SumMetric:
        """The means of both measures over the records that have an answer, or over those that have none."""

        def codes(records: Columns) -> Any:
            chosen = _answerable(records) == answerable
            scores = (self._scores(measure, records) * chosen for measure in _MEASURES.values())
            return np.stack([*scores, chosen], axis=1)

        return SumMetric(codes, ratios, parts=tuple(_MEASURES))

    def best(self, measure: Measure) -> PlainMetric:
        """The score with the best threshold for saying that there is no answer."""
        return PlainMetric(lambda records: self._tuned(measure, records)[0])

    def best_threshold(self, measure: Measure) -> PlainMetric:
        """That threshold: an answer is none where `null_gap` is above it."""
        return PlainMetric(lambda records: self._tuned(measure, records)[1])

    def _scores(self, measure: Measure, records: Columns) -> Any:
        pairs = zip(records["prediction"], records["answers"], strict=True)
        return np.array([self.score(measure, prediction, references) for prediction, references in pairs])

    def _tuned(self, measure: Measure, records: Columns) -> tuple[float, float]:
        """From saying nothing at all to answering everything, the surest first: where the sum is highest."""
        gaps, answerable = np.asarray(records["null_gap"], dtype=np.float64), _answerable(records)
        gains = [
            self.score(measure, span, references) if references else -float(bool(span))
            for span, references in zip(records["span"], records["answers"], strict=True)
        ]
        order = np.argsort(gaps, kind="stable")
        sums = np.concatenate([[0.0], np.cumsum(np.array(gains)[order])]) + np.sum(~answerable)
        thresholds = np.concatenate([[np.nextafter(gaps.min(), -np.inf)], gaps[order]])
        sums[:-1][thresholds[:-1] == thresholds[1:]] = -np.inf  # no threshold parts what is equal
        best = int(np.argmax(sums))
        return float(sums[best]) / len(gaps), float(thresholds[best])

    def _exact(self, prediction: str, reference: str) -> float:
        return float(normalised(prediction) == normalised(reference))

    def _f1(self, prediction: str, reference: str) -> float:
        said, meant = normalised(prediction).split(), normalised(reference).split()
        if self.version == 2 and not (said and meant):
            return float(said == meant)
        shared = sum((Counter(said) & Counter(meant)).values())
        if shared == 0:
            return 0.0
        precision, recall = shared / len(said), shared / len(meant)
        return 2 * precision * recall / (precision + recall)


def _answerable(records: Columns) -> Any:
    return np.array([bool(len(references)) for references in records["answers"]])


def metrics(may_be_none: bool) -> dict[str, Metric]:
    """Version 1, or version 2 where there may be no answer."""
    rules = Squad(2 if may_be_none else 1)
    always: dict[str, Metric] = {"exact_match": rules.mean("exact"), "f1": rules.mean("f1")}
    if not may_be_none:
        return always
    return always | {
        "has_answer": rules.mean_where(answerable=True),
        "no_answer": rules.mean_where(answerable=False),
        "best_exact": rules.best("exact"),
        "best_exact_thresh": rules.best_threshold("exact"),
        "best_f1": rules.best("f1"),
        "best_f1_thresh": rules.best_threshold("f1"),
    }
