"""Retrieval metrics: how well texts find their partners by the cosine of their embeddings."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, final

import numpy as np

from hone.core.metric import Metric, SumMetric
from hone.tasks.metrics.ranks import rank_correlation
from hone.tasks.metrics.scalars import correlation

Array = np.ndarray[Any, Any]

_ROWS_AT_ONCE = 512
_ROUNDING = 1e-6
"""The most that the cosines of equal embeddings differ through rounding."""


def text_key(ids: Sequence[int]) -> int:
    """Return a number that identifies a text by its tokens: equal tokens give equal keys."""
    digest = hashlib.blake2b(np.asarray(ids, dtype=np.int64).tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@final
class RivalMarker:
    """Marks which candidates are rivals of a row's own partner: all but the query itself and any of its partners.

    Texts are given by their keys. Rows may have the same query and different partners.
    """

    def __init__(self, queries: Array, partners: Array, candidates: Array) -> None:
        columns = defaultdict(list)
        for column, key in enumerate(candidates.tolist()):
            columns[key].append(column)
        self.exempt: dict[int, list[int]] = {}
        for query, partner in zip(queries.tolist(), partners.tolist(), strict=True):
            exempt = self.exempt.setdefault(query, list(columns.get(query, ())))
            exempt.extend(columns.get(partner, ()))

    def clear_marks(self, marks: Array, queries: Array) -> Array:
        """Clear, in place, the marks (queries, candidates) of candidates that are not rivals, and return the marks."""
        for row, query in enumerate(queries.tolist()):
            marks[row, self.exempt[query]] = False
        return marks


def partner_ranks(queries: Array, partners: Array, query_keys: Array, partner_keys: Array, most: int) -> Array:
    """Return the rank of each row's own partner, from 1, among the first `most` different partner texts.

    A rival with an equal cosine ranks before the partner, so that giving all texts the same embedding gains nothing.
    """
    pool = np.sort(np.unique(partner_keys, return_index=True)[1])[:most]
    rivals = RivalMarker(query_keys, partner_keys, partner_keys[pool])
    ranks = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), _ROWS_AT_ONCE):
        rows = slice(start, start + _ROWS_AT_ONCE)
        own = np.einsum("rd,rd->r", queries[rows], partners[rows])
        before = queries[rows] @ partners[pool].T >= own[:, None] - _ROUNDING
        ranks[rows] = 1 + rivals.clear_marks(before, query_keys[rows]).sum(axis=1)
    return ranks


def mark_rivals(keys: Array) -> Array:
    """Mark the candidates that each row's partner competes with, itself included.

    `keys` has one row per part of a batch: the queries, their partners and, if there are any, negatives.
    """
    candidates = np.concatenate(keys[1:])
    marks = np.ones((keys.shape[1], len(candidates)), dtype=bool)
    marks = RivalMarker(keys[0], keys[1], candidates).clear_marks(marks, keys[0])
    np.fill_diagonal(marks, True)
    return marks


def embedding_metrics(kind: str) -> Mapping[str, Metric]:
    """Return the metrics for pairs with scores, or for pairs and triplets: correlations or retrieval metrics."""
    if kind == "scores":
        return {"spearman": rank_correlation("similarity"), "pearson": correlation("similarity")}
    recalls = {f"recall@{count}": recall_at(count) for count in (1, 5, 10)}
    triplets = {"triplet_accuracy": TRIPLET_ACCURACY} if kind == "triplets" else {}
    return {"mrr": MEAN_RECIPROCAL_RANK, **recalls, **triplets}


def recall_at(count: int) -> SumMetric:
    """Return the metric for the share of rows whose partner is among the first `count`."""
    return SumMetric(lambda records: np.asarray(records["rank"]) <= count)


MEAN_RECIPROCAL_RANK = SumMetric(lambda records: 1 / np.asarray(records["rank"]))
"""1 if every partner comes first."""
TRIPLET_ACCURACY = SumMetric(
    lambda records: np.asarray(records["similarity"]) > np.asarray(records["negative_similarity"])
)
"""The share of triplets whose partner is nearer than their negative."""
