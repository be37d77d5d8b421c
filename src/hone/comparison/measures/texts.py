"""Metrics of spans, answers and written texts; what they compare is computed once a record, by the task's own rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Literal

import numpy as np

from hone.comparison.measures.base import Array, Maker, Measure, Read, Told, mean_of, share_of
from hone.tagging.entities import find_spans, read_tag


def _spans(read: Read, told: Told, finish: Callable[[Array], Any]) -> Measure:
    """How many spans of a record are predicted, true, and both."""
    tags = [read_tag(label) for label in told.labels]
    rows = []
    for guess, truth in zip(read("prediction"), read("label"), strict=True):
        guessed, true = (set(find_spans(tags[place] for place in row)) for row in (guess, truth))
        rows.append((len(guessed), len(true), len(guessed & true)))
    return Measure(np.array(rows, dtype=np.float64), finish)


def _f1(sums: Array) -> Any:
    return 2 * sums[..., 2] / np.maximum(sums[..., 0] + sums[..., 1], 1)


def _precision(sums: Array) -> Any:
    return sums[..., 2] / np.maximum(sums[..., 0], 1)


def _recall(sums: Array) -> Any:
    return sums[..., 2] / np.maximum(sums[..., 1], 1)


def _answers(read: Read, told: Told, measure: Literal["exact", "f1"], version: Literal[1, 2]) -> Measure:
    """By the rules of one version of SQuAD; whether they were the task's, the score shows."""
    from hone.reading.squad import Squad  # torch comes with it

    rules = Squad(version)
    pairs = zip(read("prediction"), read("answers"), strict=True)
    return mean_of([rules.score(measure, said, references) for said, references in pairs])


def _exact(read: Read, told: Told) -> Measure:
    return mean_of([ours.split() == theirs.split() for ours, theirs in _texts(read)])


def _rouge(read: Read, told: Told, name: str) -> Measure:
    from hone.overlap import rouge

    score = getattr(rouge, name)
    return mean_of([score(ours, theirs) for ours, theirs in _texts(read)])


def _ter(read: Read, told: Told) -> Measure:
    from hone.overlap.ter import count_edits

    pairs = [(ours.lower().split(), theirs.lower().split()) for ours, theirs in _texts(read)]
    edits = [100 * count_edits(ours, theirs) for ours, theirs in pairs]
    return share_of(edits, [len(theirs) for _, theirs in pairs])


def _bleu(read: Read, told: Told) -> Measure:
    from hone.overlap.bleu import of_counts, pair_counts

    tokens = told.options.get("bleu_tokens", "13a")
    counts = [pair_counts(ours, theirs, tokens) for ours, theirs in _texts(read)]
    return Measure(np.array(counts, dtype=np.float64), partial(_one_by_one, of_counts))


def _chrf(read: Read, told: Told) -> Measure:
    from hone.overlap.chrf import of_counts, pair_counts

    counts = [pair_counts(ours, theirs) for ours, theirs in _texts(read)]
    return Measure(np.array(counts, dtype=np.float64), partial(_one_by_one, of_counts))


def _one_by_one(score: Callable[[Sequence[float]], float], sums: Array) -> Array:
    """A score of single sums, for many."""
    rows = sums.reshape(-1, sums.shape[-1]).tolist()
    return np.array([score(row) for row in rows]).reshape(sums.shape[:-1])


def _texts(read: Read) -> list[tuple[str, str]]:
    return list(zip(read("prediction"), read("target"), strict=True))


MEASURES: Mapping[str, tuple[Maker, ...]] = {
    "f1": (*(partial(_answers, measure="f1", version=version) for version in (1, 2)), partial(_spans, finish=_f1)),
    "precision": (partial(_spans, finish=_precision),),
    "recall": (partial(_spans, finish=_recall),),
    "exact_match": tuple(partial(_answers, measure="exact", version=version) for version in (1, 2)),
    "exact": (_exact,),
    "bleu": (_bleu,),
    "chrf": (_chrf,),
    "ter": (_ter,),
    **{
        name: (partial(_rouge, name=function),)
        for name, function in {
            "rouge1": "rouge_1", "rouge2": "rouge_2", "rougeL": "rouge_l", "rougeLsum": "rouge_lsum",
        }.items()
    },
}  # fmt: skip
