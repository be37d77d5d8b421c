"""Weights in bf16 alone: rounding without bias, updates that arrive, runs that go on to the bit."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_resume import everything, fit_until

from conftest import SMALL, Hone, journal, only_run, record
from harness import Training, same_bits
from hone.training.optim.adamw_bf16 import AdamWBf16, stochastic
from hone.training.optim.optimizers import Optimizer

BF16 = Optimizer(partial(AdamWBf16, seed=3), 2e-3, weight_decay=0.01)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("value", [1.0 + 1 / 1024, -1.0 - 3 / 1024, 3e-5, -7.7e11, 1e-40])
def test_rounding_is_unbiased_and_to_a_neighbour(value: float) -> None:
    exact = torch.full((200_000,), value)
    rounded = stochastic(exact, generator())
    neighbours = rounded.unique()
    assert torch.equal(neighbours, neighbours.bfloat16().float())
    assert len(neighbours) == 2
    assert neighbours.min() < value < neighbours.max()
    step = float(neighbours.max().double() - neighbours.min().double())
    assert abs(float(rounded.double().mean()) - float(exact[0].double())) < step / 200


def test_what_bf16_has_stays_and_what_is_no_number_stays_none() -> None:
    values = torch.tensor([0.0, 1.5, -2.0, torch.inf, -torch.inf])
    assert torch.equal(stochastic(values.clone(), generator()), values)
    odd = torch.tensor([0x7FFFFFFF, -1], dtype=torch.int32).view(torch.float32)  # NaNs that a carry would make zeros
    assert stochastic(odd, generator()).isnan().all()


def drift(make: Any, dtype: torch.dtype) -> float:
    """How far weights of 1 go in 200 steps of 1e-4, each a fortieth of what bf16 can tell there."""
    weight = torch.nn.Parameter(torch.ones(4096, dtype=dtype))
    optimizer = make([weight], lr=1e-4, weight_decay=0.0)
    for _ in range(200):
        weight.grad = torch.ones_like(weight)
        optimizer.step()
    return 1.0 - float(weight.detach().double().mean())


def test_tiny_updates_accumulate() -> None:
    assert drift(torch.optim.AdamW, torch.bfloat16) == 0.0, "what is rounded to the nearest stands still"
    assert drift(AdamWBf16, torch.bfloat16) == pytest.approx(200 * 1e-4, rel=0.02)
    assert drift(AdamWBf16, torch.float32) == pytest.approx(drift(torch.optim.AdamW, torch.float32), rel=1e-4)


def test_in_fp32_it_is_adamw(tmp_path: Path) -> None:
    ours = Training(tmp_path / "a", optimizer=Optimizer(AdamWBf16, 1e-3, weight_decay=0.01)).start().fit()
    theirs = Training(tmp_path / "b").start().fit()
    assert ours.losses == pytest.approx(theirs.losses, abs=1e-4)


def test_it_goes_on_to_the_bit(tmp_path: Path) -> None:
    straight = Training(tmp_path / "a", precision="bf16-true", optimizer=BF16).start().fit()
    told = Training(tmp_path / "b", precision="bf16-true", optimizer=BF16)
    for step in (3, 11):
        fit_until(told.start(), step)
    resumed = told.start().fit()
    assert same_bits(everything(resumed), everything(straight))
    kept = everything(resumed)
    assert {tensor.dtype for name, tensor in kept.items() if "exp_avg" in name} == {torch.float32}
    assert kept["weights/classifier.weight"].dtype == torch.bfloat16


@pytest.mark.slow
def test_it_trains_through_the_command(hone: Hone) -> None:
    done = hone("train", *SMALL, "optimizer=adamw_bf16", "precision=bf16-true", "epochs=10", "log_every=1")
    assert done.code == 0, done.said
    assert "lose every update" not in done.err
    losses = [row["train/loss"] for row in journal(only_run()) if "train/loss" in row]
    assert sum(losses[-6:]) < 0.7 * sum(losses[:6])
    assert all(tensor.dtype == torch.bfloat16 for tensor in load_file(only_run() / "model/model.safetensors").values())
    assert record(only_run())["precision"] == "bf16-true"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("precision=bf16-true",), "optimizer=adamw_bf16 rounds stochastically"),
        (("precision=32-true", "optimizer=adamw_bf16"), "It is made for precision=bf16-true"),
    ],
)
def test_half_of_it_works_and_is_warned_of(words: tuple[str, ...], said: str, hone: Hone) -> None:
    done = hone("train", *SMALL, *words)
    assert done.code == 0, done.said
    assert said in done.err
