"""How answers are scored by the published rules of SQuAD, as shares instead of percentages.

They differ where nothing is left of a text once articles and punctuation are gone, and in that a question of version 2
may have no answer. Functions of records read `prediction`, `answers` (the references), `span` (the best answer that
is one) and `null_gap` (by how much no answer beats it).
"""

from __future__ import annotations

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, final

import numpy as np

from hone.tasks.base import Columns, Metric

Measure = Literal["exact", "f1"]

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

    def exact_match(self, records: Columns) -> float:
        return float(np.mean(self._scores("exact", records)))

    def f1(self, records: Columns) -> float:
        return float(np.mean(self._scores("f1", records)))

    def of_those(self, answered: bool) -> Callable[[Columns], dict[str, float]]:
        """Both measures of the records that have an answer, or of those that have none."""

        def compute(records: Columns) -> dict[str, float]:
            chosen = _answered(records) == answered
            scores = {"exact_match": self._scores("exact", records), "f1": self._scores("f1", records)}
            return {name: float(each[chosen].mean()) if chosen.any() else math.nan for name, each in scores.items()}

        return compute

    def best(self, measure: Measure) -> Callable[[Columns], float]:
        """What the best threshold for saying that there is no answer would give."""
        return lambda records: self._tuned(measure, records)[0]

    def best_threshold(self, measure: Measure) -> Callable[[Columns], float]:
        """That threshold: an answer is none where `null_gap` is above it."""
        return lambda records: self._tuned(measure, records)[1]

    def _scores(self, measure: Measure, records: Columns) -> Any:
        pairs = zip(records["prediction"], records["answers"], strict=True)
        return np.array([self.score(measure, prediction, references) for prediction, references in pairs])

    def _tuned(self, measure: Measure, records: Columns) -> tuple[float, float]:
        """From saying nothing at all to answering everything, the surest first: where the sum is highest."""
        gaps, answered = np.asarray(records["null_gap"], dtype=np.float64), _answered(records)
        gains = [
            self.score(measure, span, references) if references else -float(bool(span))
            for span, references in zip(records["span"], records["answers"], strict=True)
        ]
        order = np.argsort(gaps, kind="stable")
        sums = np.concatenate([[0.0], np.cumsum(np.array(gains)[order])]) + np.sum(~answered)
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


def _answered(records: Columns) -> Any:
    return np.array([bool(len(references)) for references in records["answers"]])


def metrics(may_be_none: bool) -> dict[str, Metric]:
    """Version 1, or version 2 where there may be no answer."""
    rules = Squad(2 if may_be_none else 1)
    always = {"exact_match": Metric(rules.exact_match), "f1": Metric(rules.f1)}
    if not may_be_none:
        return always
    return always | {
        "has_answer": Metric(rules.of_those(True)),
        "no_answer": Metric(rules.of_those(False)),
        "best_exact": Metric(rules.best("exact")),
        "best_exact_thresh": Metric(rules.best_threshold("exact")),
        "best_f1": Metric(rules.best("f1")),
        "best_f1_thresh": Metric(rules.best_threshold("f1")),
    }
