"""The random draws of rows: the same however rows come together in batches, and different wherever they should be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from datasets import Dataset
from transformers import BertTokenizer

from hone.core.draws import Draws, row_keys
from hone.core.task import Batch, Facts
from hone.data.batching import Buckets, Random
from hone.data.encoded_rows import EncodedRows
from hone.data.module import DataModule
from hone.models.checkpoints.tiny import TinyBert
from hone.tasks.text.masked_lm import MaskedLM

TEXTS = [f"word number {'many ' * (place % 7)}and then some more of them" for place in range(30)]


def masked_tokens(data: DataModule, steps: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the example of each row of the first training steps, and the row with its masks."""
    for step in islice(data.steps(1), steps):
        for batch in step.batches:
            yield from zip(map(int, batch["id"]), map(tuple, unpadded(batch)), strict=True)


def unpadded(batch: Batch) -> Iterator[list[int]]:
    inputs = batch["inputs"]
    for ids, mask in zip(inputs["input_ids"], inputs["attention_mask"], strict=True):
        yield ids[mask.bool()].tolist()


@pytest.fixture(scope="module")
def task() -> MaskedLM:
    tokenizer: BertTokenizer = TinyBert(lr=1e-3).processor("AutoTokenizer", Facts("texts"))
    return MaskedLM(probability=0.4).bind(tokenizer, Facts("texts"))


@pytest.fixture(scope="module")
def rows(task: MaskedLM) -> EncodedRows:
    encoded = task.encode({"id": [*range(len(TEXTS))], "text": TEXTS})
    return EncodedRows.of(Dataset.from_dict(encoded), None, task)


def test_a_row_draws_the_same_in_any_batch(task: MaskedLM, rows: EncodedRows) -> None:
    """Whole batches, accumulated ones, parts of similar length, buckets, and two processes."""
    ways = [
        DataModule({"train": rows}, task, Random(), 10),
        DataModule({"train": rows}, task, Random(), 5, accumulate=2),
        DataModule({"train": rows}, task, Buckets(pool=2), 10),
        DataModule({"train": rows}, task, Random(), 10),
    ]
    ways[-1].splits_batches = True
    epochs = [dict(masked_tokens(data, 3)) for data in ways]
    halves = [DataModule({"train": rows}, task, Random(), 5, rank=rank, world=2) for rank in range(2)]
    epochs.append(dict(masked_tokens(halves[0], 3)) | dict(masked_tokens(halves[1], 3)))
    for epoch in epochs:
        assert epoch == epochs[0]
        assert len(epoch) == len(TEXTS)


def test_rows_epochs_and_seeds_draw_differently(task: MaskedLM, rows: EncodedRows) -> None:
    whole = DataModule({"train": rows}, task, Random(), 30)
    drawn = list(masked_tokens(whole, 2))
    first, second = dict(drawn[:30]), dict(drawn[30:])
    other_seed = dict(masked_tokens(DataModule({"train": rows}, task, Random(), 30, seed=1), 1))
    assert sum(first[row] != second[row] for row in first) > 20
    assert sum(first[row] != other_seed[row] for row in first) > 20
    assert first[0] != first[7]  # the same text in another row


def test_windows_of_an_example_draw_differently() -> None:
    keys = row_keys(np.array([4, 4, 2, 4, 2]))
    assert keys.tolist() == [[4, 0], [4, 1], [2, 0], [4, 2], [2, 1]]
    draws = Draws(keys=keys)
    assert len({draws.row(place).integers(2**62) for place in range(5)}) == 5
    assert draws.row(1).integers(2**62) == Draws(keys=keys[1:]).row(0).integers(2**62)
    assert replace(draws, epoch=1).row(1).integers(2**62) != draws.row(1).integers(2**62)
