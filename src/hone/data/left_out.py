"""Rows that only decoding shows to be bad: left out of their batches, reported once each, and counted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import final

import numpy as np

from hone.core.columns import RowIndices
from hone.core.errors import RowError, UserError
from hone.core.task import Batch
from hone.data.bad_rows import find_bad_rows

log = logging.getLogger(__name__)

REMEDY = "Fix or remove it, or leave out such rows with dataset.on_bad_row=skip."
MakeBatch = Callable[[RowIndices], Batch]


@final
@dataclass
class LeftOut:
    """How often rows were left out of training batches, and how many of each split's last evaluation."""

    counts: dict[str, int] = field(default_factory=dict)
    reported: set[str] = field(default_factory=set)

    def report(self, errors: Iterable[RowError]) -> None:
        """Log the rows that no earlier call had."""
        for error in errors:
            if str(error) not in self.reported:
                self.reported.add(str(error))
                log.warning("%s The row is left out.", error)

    def count_training(self, errors: Iterable[RowError], rows: int) -> None:
        """Count rows that all processes left out of a training step, of which this process knows what is wrong."""
        self.report(errors)
        if rows:
            self.counts["train"] = self.counts.get("train", 0) + rows

    def count_evaluation(self, split: str, rows: int) -> None:
        """Count the rows that all processes left out of an evaluation."""
        if rows or split in self.counts:
            self.counts[split] = rows


@final
@dataclass(frozen=True)
class UsableBatch:
    """A batch of the rows that can be decoded, None where none can, the places of these rows, and what is wrong with
    the others."""

    batch: Batch | None
    places: RowIndices
    errors: tuple[RowError, ...] = ()


def make_usable(make: MakeBatch, places: RowIndices, split: str, skip: bool) -> UsableBatch:
    """Makes a batch. Rows that cannot be decoded are left out where `skip`, and raise RowError otherwise."""
    try:
        return UsableBatch(make(places), places)
    except RowError as error:
        if not skip:
            raise error.within(split) from error
    bad = dict(find_bad_rows(lambda start, stop: make(places[start:stop]), len(places)))
    kept = np.delete(places, list(bad))
    return UsableBatch(make(kept) if len(kept) else None, kept, tuple(error.within(split) for error in bad.values()))


def make_substitute(make: MakeBatch, places: RowIndices, size: int, split: str) -> tuple[Batch, RowIndices]:
    """Makes a batch of the first row after these that can be decoded, for a pass that must have a row."""
    error: RowError | None = None
    for place in range(int(places[0]) + 1, int(places[0]) + size):
        row = np.array([place % size])
        try:
            return make(row), row
        except RowError as problem:
            error = problem
    raise error.within(split) if error else UserError(f"{split} split: the only row cannot be used.")
