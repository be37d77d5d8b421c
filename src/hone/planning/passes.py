"""The passes of a run through its network: which are the heaviest, and in how many sizes they come."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Self, final

import numpy as np

from hone.batching import parts as cut_up
from hone.data.columns import Index
from hone.data.plan import sorted_batches
from hone.hardware import device_of
from hone.packing.layout import rounded
from hone.packing.packed import Packed, Packing
from hone.planning.preflight import Feasible

_LOOKED_AT = 2_000
"""Training passes that stand for all."""


@final
@dataclass(frozen=True)
class Passes:
    """`heaviest` has the rows of training passes, and whether there are gradients before them."""

    packing: Packing
    heaviest: list[tuple[Index, bool]]
    sizes: int
    longest: Index
    """The validation rows that are evaluated together first."""
    sizes_evaluated: int

    @classmethod
    def of(cls, job: Feasible, packing: Packing) -> Self:
        lengths, packed = job.outline.pools["train"].lengths, isinstance(packing, Packed)
        again, in_parts = job.job.settings.accumulate > 1, _in_parts(job, packed)
        heaviest = []
        for _, micro in job.outline.heaviest():
            pieces = _pieces(micro.rows, lengths, in_parts)
            worst = max(pieces, key=lambda rows: len(rows) * int(lengths[rows].max()))
            heaviest.append((worst, again or len(pieces) > 1))
        trained = islice(_trained(job), _LOOKED_AT)
        widths = {_size(lengths[rows], packed) for whole in trained for rows in _pieces(whole, lengths, in_parts)}
        evaluated = {split: _evaluated(job, split) for split in job.outline.pools if split != "train"}
        of_split = {split: job.outline.pools[split].lengths for split in evaluated}
        read = {_size(of_split[split][rows], False) for split, batches in evaluated.items() for rows in batches}
        return cls(packing, heaviest, len(widths), evaluated["validation"][0], len(read))


def _in_parts(job: Feasible, packed: bool) -> bool:
    return (
        not packed
        and job.parts.batch.splits_on(device_of(job.job.settings.accelerator))
        and job.draft.task.independent_rows
    )


def _pieces(rows: Index, lengths: Index, in_parts: bool) -> list[Index]:
    return [rows[piece] for piece in cut_up(lengths[rows])] if in_parts else [rows]


def _trained(job: Feasible) -> Iterator[Index]:
    steps = islice(job.outline.plan.steps(1), job.outline.course.steps)
    return (micro.rows for _, step in steps for micro in step)


def _evaluated(job: Feasible, split: str) -> list[Index]:
    return sorted_batches(job.outline.pools[split].lengths, 2 * job.job.settings.batch_size, job.parts.batch)


def _size(lengths: Index, packed: bool) -> int:
    """The tokens that the layers compute, filling included."""
    return rounded(int(lengths.sum())) if packed else len(lengths) * int(np.max(lengths))
