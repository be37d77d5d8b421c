"""How well texts find their partners by the cosine of their embeddings."""

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

_AT_ONCE = 512
_ROUNDING = 1e-6
"""By so much the cosines of equal embeddings may differ."""


def text_key(ids: Sequence[int]) -> int:
    """A number for a text as the network sees it: texts of the same tokens have the same one."""
    digest = hashlib.blake2b(np.asarray(ids, dtype=np.int64).tobytes(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


@final
class Rights:
    """Which texts do not compete with a row's own partner: the query itself and whatever else is its partner.

    A key stands for a text; rows may ask the same query and have different partners.
    """

    def __init__(self, queries: Array, partners: Array, candidates: Array) -> None:
        columns = defaultdict(list)
        for column, key in enumerate(candidates.tolist()):
            columns[key].append(column)
        self.columns: dict[int, list[int]] = {}
        for query, partner in zip(queries.tolist(), partners.tolist(), strict=True):
            self.columns.setdefault(query, list(columns.get(query, ()))).extend(columns.get(partner, ()))

    def mark(self, marks: Array, queries: Array) -> Array:
        """The marks (queries, candidates) without those of candidates that do not compete."""
        for row, query in enumerate(queries.tolist()):
            marks[row, self.columns[query]] = False
        return marks


def partner_ranks(queries: Array, partners: Array, query_keys: Array, partner_keys: Array, most: int) -> Array:
    """The place of each row's own partner, from 1, among those of the first `most` different texts that are partners.

    A rival that is just as like stands before it, so that nothing is gained by one embedding for all texts.
    """
    pool = np.sort(np.unique(partner_keys, return_index=True)[1])[:most]
    rights = Rights(query_keys, partner_keys, partner_keys[pool])
    ranks = np.empty(len(queries), dtype=np.int64)
    for start in range(0, len(queries), _AT_ONCE):
        rows = slice(start, start + _AT_ONCE)
        own = np.einsum("rd,rd->r", queries[rows], partners[rows])
        before = queries[rows] @ partners[pool].T >= own[:, None] - _ROUNDING
        ranks[rows] = 1 + rights.mark(before, query_keys[rows]).sum(axis=1)
    return ranks


def competitors(keys: Array) -> Array:
    """What each row's own partner competes with, itself included, by the keys of a batch's parts."""
    candidates = np.concatenate(keys[1:])
    marks = np.ones((keys.shape[1], len(candidates)), dtype=bool)
    marks = Rights(keys[0], keys[1], candidates).mark(marks, keys[0])
    np.fill_diagonal(marks, True)
    return marks


def embedding_metrics(kind: str) -> Mapping[str, Metric]:
    """How well cosines follow scores, or how well partners are found."""
    if kind == "scores":
        return {"spearman": rank_correlation("similarity"), "pearson": correlation("similarity")}
    recalls = {f"recall@{count}": recall_at(count) for count in (1, 5, 10)}
    triplets = {"triplet_accuracy": TRIPLET_ACCURACY} if kind == "triplets" else {}
    return {"mrr": MEAN_RECIPROCAL_RANK, **recalls, **triplets}


def recall_at(count: int) -> SumMetric:
    """The share of the rows whose partner is among the first `count`."""
    return SumMetric(lambda records: np.asarray(records["rank"]) <= count)


MEAN_RECIPROCAL_RANK = SumMetric(lambda records: 1 / np.asarray(records["rank"]))
"""1 where every partner comes first."""
TRIPLET_ACCURACY = SumMetric(
    lambda records: np.asarray(records["similarity"]) > np.asarray(records["negative_similarity"])
)
"""The share of the triplets whose partner is nearer than their negative."""
