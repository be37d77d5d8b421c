"""Splits of a data set that has training rows alone: a function of the rows' number and labels, not of the run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from datasets import Dataset

from hone.core.columns import read_column
from hone.core.errors import UserError

_DATA_SEED = 0


def divide_rows(rows: Dataset, shares: Mapping[str, float], column: str, name: str) -> dict[str, Dataset]:
    """Returns the rows in several splits, each with its share of all rows and of every label; the rest is "train"."""
    labels = read_column(rows, column) if column in rows.column_names else [None] * len(rows)
    order = np.random.default_rng(_DATA_SEED).permutation(len(rows)).tolist()
    order.sort(key=lambda row: str(labels[row]))
    places = np.full(len(rows), -1)
    for number, share in enumerate(shares.values()):
        # Rows at equal distances in the order of their labels have every label in proportion.
        left = [row for row in order if places[row] < 0]
        count = round(share * len(rows))
        if count >= len(left):
            raise UserError(f"{name}: {len(rows)} rows are too few to divide them into splits.")
        chosen = np.linspace(0, len(left) - 1, count + 2).round().astype(int)[1:-1]
        places[np.array(left)[chosen]] = number
    parts = {split: np.flatnonzero(places == number) for number, split in enumerate(shares)}
    return {"train": rows.select(np.flatnonzero(places < 0))} | {
        split: rows.select(part) for split, part in parts.items() if len(part)
    }
