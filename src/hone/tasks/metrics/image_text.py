"""How well pictures and texts find each other: recall in both directions, and accuracy among a few."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np

from hone.core.metric import Columns, Metric, SumMetric, ratio
from hone.tasks.metrics.retrieval import mark_rivals, partner_ranks

Array = np.ndarray[Any, Any]

_RANKS = (1, 5, 10)
_PICTURES, _PAIRS = 6, 7
"""The places of the counts among the codes, after the hits of texts and of pictures."""
_GROUP_HITS = 8
_ROUNDING = 1e-6


def pair_records(predictions: Columns, candidates: int, group: int) -> Columns:
    """Return a record for each picture, given the vectors and keys of pairs of a picture and one of its texts.

    A picture's text is found at the rank of its best text. Each of its texts looks for the picture alone. Ranks are
    among the first `candidates` different texts or pictures; the accuracy is among `group` consecutive pairs. What
    also belongs to a picture or a text does not compete.
    """
    pictures, texts = np.asarray(predictions["prediction"]), np.asarray(predictions["text_vector"])
    image_keys, text_keys = (np.asarray(predictions[name]) for name in ("image_key", "text_key"))
    keys = np.stack([image_keys, text_keys])
    text_ranks = _best_of_each(partner_ranks(pictures, texts, image_keys, text_keys, candidates), image_keys)
    image_ranks = partner_ranks(texts, pictures, text_keys, image_keys, candidates)
    ids, first, rows = np.unique(predictions["id"], return_index=True, return_inverse=True)
    return {
        "id": ids,
        "text_rank": text_ranks[first],
        "image_hits": _sums(image_ranks[:, None] <= _RANKS, rows),
        "group_hits": _sums(group_hits(pictures, texts, keys, group), rows),
        "similarity": _sums(np.einsum("rd,rd->r", pictures, texts), rows) / np.bincount(rows),
        "loss": _sums(np.asarray(predictions["loss"]), rows),
        "targets": _sums(np.asarray(predictions["targets"]), rows),
    }


def group_hits(pictures: Array, texts: Array, keys: Array, group: int) -> Array:
    """Return for each pair 1 if picture and text choose each other among `group` consecutive pairs, 0.5 if one does.

    The last pairs are compared with those before them, so that all groups have one size.
    """
    hits = np.empty(len(pictures))
    for start in range(0, len(pictures), group):
        begin = max(0, min(start, len(pictures) - group))
        rows = slice(begin, start + group)
        chosen = (
            _chosen(texts[rows], pictures[rows], keys[::-1, rows]),
            _chosen(pictures[rows], texts[rows], keys[:, rows]),
        )
        hits[start : start + group] = np.mean(chosen, axis=0)[start - begin :]
    return hits


def _chosen(queries: Array, partners: Array, keys: Array) -> Array:
    """Return which rows' own partner is nearer than all that it competes with. A tie is lost."""
    cosines = queries @ partners.T
    near: Array = cosines >= np.diag(cosines)[:, None] - _ROUNDING
    rivals = mark_rivals(keys)
    np.fill_diagonal(rivals, False)
    return np.asarray(~(near & rivals).any(axis=1))


def image_text_metrics() -> Mapping[str, Metric]:
    """Return the metrics of the records of `pair_records`."""
    recalls = {
        f"{name}_recall@{rank}": SumMetric(pair_codes, partial(share, part=place + offset, whole=whole))
        for name, offset, whole in (("text", 0, _PICTURES), ("image", 3, _PAIRS))
        for place, rank in enumerate(_RANKS)
    }
    accuracy = SumMetric(pair_codes, partial(share, part=_GROUP_HITS, whole=_PAIRS))
    return {"mean_recall": SumMetric(pair_codes, mean_recall), **recalls, "accuracy": accuracy}


def pair_codes(records: Columns) -> Array:
    """Return the hits of each record: of texts and of pictures, with the counts of both, and in its groups."""
    text_hits = np.asarray(records["text_rank"])[:, None] <= _RANKS
    image_hits, targets = np.asarray(records["image_hits"]), np.asarray(records["targets"])
    counts = np.stack([np.ones(len(targets)), targets, records["group_hits"]], axis=1)
    return np.concatenate([text_hits, image_hits, counts], axis=1)


def share(sums: Array, part: int, whole: int) -> Any:
    """Return one column of the sums divided by another."""
    return ratio(sums[..., [part, whole]])


def mean_recall(sums: Array) -> Any:
    """Return the mean of the recalls at all ranks in both directions."""
    return np.mean([share(sums, place, _PICTURES if place < len(_RANKS) else _PAIRS) for place in range(6)], axis=0)


def _best_of_each(ranks: Array, keys: Array) -> Array:
    """Return the lowest rank among the rows with the same key."""
    _, groups = np.unique(keys, return_inverse=True)
    best = np.full(groups.max(initial=-1) + 1, np.iinfo(np.int64).max)
    np.minimum.at(best, groups, ranks)
    return np.asarray(best[groups])


def _sums(values: Array, rows: Array) -> Array:
    """Return the sums of the values of each record."""
    sums = np.zeros((rows.max(initial=-1) + 1, *values.shape[1:]))
    np.add.at(sums, rows, values)
    return sums
