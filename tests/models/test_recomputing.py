"""Gradient checkpointing: what is computed twice is the same both times."""

from pathlib import Path

import pytest
import torch
from transformers import modeling_utils

from conftest import SMALL, Hone, journal, only_run
from harness import Training, same_bits
from hone.data.batching import Random


@pytest.mark.parametrize("pack", [True, False])
def test_it_changes_no_bit(tmp_path: Path, pack: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Dropout is on: the second time it drops what it dropped the first time."""
    told = {"hyperparameters": {"num_hidden_layers": 2}, "batching": Random(pack=pack), "epochs": 1.0}
    plain = Training(tmp_path / "a", **told).start().fit()
    twice, checkpoint = [], torch.utils.checkpoint.checkpoint
    sparing = Training(tmp_path / "b", gradient_checkpointing=True, **told).start()
    for layer in sparing.network.bert.encoder.layer:
        layer._gradient_checkpointing_func = lambda *parts: (
            twice.append(1), checkpoint(*parts, use_reentrant=False)
        )[1]  # fmt: skip
    sparing.fit()
    assert len(twice) == 2 * len(plain.losses), "every layer, every step"
    assert sparing.losses == plain.losses
    assert same_bits(sparing.weights, plain.weights)


@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_through_the_command(adapter: str, hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    twice, checkpoint = [], modeling_utils.checkpoint
    monkeypatch.setattr(
        modeling_utils, "checkpoint", lambda *parts, **how: (twice.append(1), checkpoint(*parts, **how))[1]
    )
    words = ("train", *SMALL, f"adapter={adapter}", "log_every=1")
    assert hone(*words, "name=plain").code == 0
    assert not twice
    done = hone(*words, "name=sparing", "gradient_checkpointing=true")
    assert done.code == 0, done.said
    plain, sparing = only_run("outputs/plain"), only_run("outputs/sparing")
    keys = ("train/loss", "train/grad_norm", "validation/loss")
    ours, theirs = ([[row.get(key) for key in keys] for row in journal(run)] for run in (plain, sparing))
    assert ours == theirs
    assert len(twice) == 2 * 6
    assert (plain / "log.txt").read_text().count("batches are packed") == 1
    assert (sparing / "log.txt").read_text().count("batches are packed") == 1
    assert plain.name.split("-")[2] == sparing.name.split("-")[2], "the same run, as far as results go"
