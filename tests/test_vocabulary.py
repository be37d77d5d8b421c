"""Leaving out the embedding rows that nobody reads changes nothing: not the weights, not what a checkpoint holds."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from harness import ADAMW, Started, Training, distance, same_bits
from hone.optim import Optimizer
from hone.vocabulary.base import Untrimmed
from hone.vocabulary.choice import vocabulary_for
from hone.vocabulary.trimmed import Trimmed

FREE = {"clip_norm": None, "rows": 24, "lr": 1e-2}
"""Without clipping: the norm of fewer numbers is rounded differently."""


def everything(started: Started) -> dict[str, torch.Tensor]:
    tensors, _ = started.trainee.take_down(started.fabric)
    return {f"{file}/{name}": tensor for file, content in tensors.items() for name, tensor in content.items()}


def untrimmed(folder: Path, **changes: Any) -> Started:
    started = Training(folder, **changes).start()
    size = started.network.get_input_embeddings().num_embeddings
    started = Training(folder, **{**changes, "seen": range(size)}).start()
    assert isinstance(started.trainee.vocabulary, Untrimmed)
    return started


@pytest.mark.parametrize("changes", [{}, {"evaluate_every": 2}, {"seen": [0, 5]}, {"seen": [0], "accumulate": 3}])
def test_the_same_bits_with_and_without_idle_rows(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Also with evaluations in between, and where rows turn up that nobody expected, even between two passes."""
    dense = untrimmed(tmp_path / "a", **FREE, **changes).fit()
    trimmed = Training(tmp_path / "b", **FREE, **changes).start()
    assert isinstance(trimmed.trainee.vocabulary, Trimmed)
    before = trimmed.network.get_input_embeddings().weight.detach().clone()
    assert same_bits(everything(trimmed.fit()), everything(dense))
    after = trimmed.network.get_input_embeddings().weight
    idle = ~trimmed.trainee.vocabulary.read
    assert idle.sum() > 10
    assert not torch.equal(after[idle], before[idle])  # they decay


def test_clipping_sees_the_same_norm(tmp_path: Path) -> None:
    told = {"rows": 24, "clip_norm": 0.1}
    dense, trimmed = untrimmed(tmp_path / "a", **told).fit(), Training(tmp_path / "b", **told).start().fit()
    theirs, ours = ([row["train/grad_norm"] for row in each.notebook.rows[:6]] for each in (dense, trimmed))
    assert ours == pytest.approx(theirs, rel=1e-4)
    assert distance(dense.weights, trimmed.weights) < 1e-5


def test_while_it_trains_the_embedding_is_small(tmp_path: Path) -> None:
    started = Training(tmp_path, rows=8).start()
    weight = started.network.get_input_embeddings().weight
    whole = weight.shape
    with started.trainee.at_work():
        assert weight.shape[0] < 0.8 * whole[0]
        with started.trainee.vocabulary.whole():
            assert weight.shape == whole
    assert weight.shape == whole


@pytest.mark.parametrize("reason", ["ema", "sgd", "frozen", "tied", "bf16", "all rows read", "unknown"])
def test_whoever_would_notice_keeps_all_rows(tmp_path: Path, reason: str) -> None:
    recipe = Optimizer(partial(torch.optim.SGD), 1e-2) if reason == "sgd" else Optimizer(ADAMW, 1e-2)
    network = Training(tmp_path).start().network
    embedding = network.get_input_embeddings()
    embedding.weight.requires_grad_(reason != "frozen")
    if reason == "tied":
        network.decoder = torch.nn.Linear(1, 1)
        network.decoder.weight = embedding.weight
    if reason == "bf16":
        network = network.bfloat16()
    optimizer = recipe.algorithm(network.parameters(), lr=1e-2)
    seen = None if reason == "unknown" else range(embedding.num_embeddings if reason == "all rows read" else 9)
    assert isinstance(vocabulary_for(network, optimizer, seen, averaged=reason == "ema"), Untrimmed)
