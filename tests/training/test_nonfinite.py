"""Losses, gradients and scores that are NaN or infinite: the run stops before the step, or leaves the step out."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import Hone, journal, only_run, record
from harness import Started, Training, same_bits
from hone.core.errors import RunError
from hone.training.module import Module


def poison(started: Started, steps: set[int], spoil: Callable[[torch.Tensor], torch.Tensor]) -> Started:
    """Spoils the loss of some steps."""
    forward = started.module.training_step

    def spoiled(batch: Any, index: int) -> torch.Tensor:
        loss = forward(batch, index)
        return spoil(loss) if started.run.step + 1 in steps else loss

    started.module.training_step = spoiled
    return started


SPOILS = {
    "nan": lambda loss: loss * math.nan,
    "infinite": lambda loss: loss * math.inf,
    "nan loss, finite gradient": lambda loss: loss + math.nan,
    "finite loss, nan gradient": lambda loss: loss + (loss - loss.detach()).abs().sqrt(),
}


@pytest.mark.parametrize("spoil", SPOILS)
def test_it_stops_before_the_step(tmp_path: Path, spoil: str) -> None:
    started = poison(Training(tmp_path, rows=24, epochs=1, save_every=1).start(), {5}, SPOILS[spoil])
    with pytest.raises(RunError, match=r"of step 5 is -?(nan|inf).*learning rate .*training rows \d+, \d+") as caught:
        started.fit()
    assert "\n" not in str(caught.value)
    assert started.run.step == 4
    newest = started.run.snapshots.newest()
    assert newest.step == 4
    assert all(tensor.isfinite().all() for tensors in newest.tensors.values() for tensor in tensors.values())


def test_a_skipped_step_changes_neither_weights_nor_schedule(tmp_path: Path) -> None:
    """The first step is skipped, two in a row, and the last; a resumed run counts on."""
    shape = {"rows": 32, "epochs": 1, "evaluate_every": 4, "on_nonfinite": "skip"}
    bad = {1, 3, 4, 8}
    straight = poison(Training(tmp_path / "a", **shape).start(), bad, SPOILS["nan"]).fit()
    rows = {row["step"]: row for row in straight.notebook.rows if "train/loss" in row}
    assert [rows[step].get("train/skipped_steps", 0) for step in range(1, 9)] == [1, 1, 2, 3, 3, 3, 3, 4]
    whole = Training(tmp_path / "b", rows=32, epochs=1).start().fit()
    rates = [row["train/lr"] for row in whole.notebook.rows if "train/lr" in row]
    assert [row["train/lr"] for row in rows.values()] == rates
    assert all(math.isfinite(row["train/loss"]) for row in rows.values())

    begun = Training(tmp_path / "c", **shape).start()
    begun.run.listeners.evaluated = lambda *parts: 1 / 0 if begun.run.step == 8 else None
    with pytest.raises(ZeroDivisionError):
        poison(begun, bad, SPOILS["nan"]).fit()
    resumed = poison(Training(tmp_path / "c", **shape).start(), bad, SPOILS["nan"]).fit()
    assert resumed.notebook.steps == [5, 6, 7, 8]
    assert resumed.run.skipped == 4
    assert same_bits(resumed.weights, straight.weights)


def test_too_many_skipped_steps_in_a_row_end_the_run(tmp_path: Path) -> None:
    started = Training(tmp_path, rows=64, epochs=1, on_nonfinite="skip").start()
    with pytest.raises(RunError, match="last of 10 steps in a row"):
        poison(started, set(range(3, 20)), SPOILS["nan"]).fit()
    assert started.run.step == 11
    assert all(weight.isfinite().all() for weight in started.weights.values())


@pytest.mark.parametrize("score", [math.nan, math.inf, -math.inf])
def test_such_a_score_is_never_the_best(tmp_path: Path, score: float) -> None:
    started = Training(tmp_path).start()
    for value, best in ((score, None), (0.1, 0.1), (score, 0.1)):
        started.run.evaluated({"id": [0]}, {"f1_macro": value}, started.train_state)
        assert (started.run.best or {}).get("value") == best


def test_the_command_counts_what_it_skips(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    forward, calls = Module.training_step, []

    def spoiled(module: Module, batch: Any, index: int = 0) -> torch.Tensor:
        calls.append(1)
        return forward(module, batch, index) * (math.nan if len(calls) in (2, 5) else 1.0)

    words = (
        "tracker=none",
        "dataset.train=64",
        "dataset.validation=16",
        "dataset.test=16",
        "epochs=1",
        "batch.split=false",
    )
    monkeypatch.setattr(Module, "training_step", spoiled)
    done = hone("train", *words, "batch_size=8", "on_nonfinite=skip")
    assert done.code == 0, done.said
    assert "2 steps whose loss or gradient was NaN or infinite" in done.out
    assert record(only_run())["skipped_steps"] == 2
    assert journal(only_run())[-1]["step"] == 8
    calls.clear()
    stopped = hone("train", *words, "batch_size=8", "name=stopped")
    assert stopped.code == 1
    assert "The gradient of step 2 is nan" in stopped.err
    assert "Traceback" not in stopped.said
    assert record(only_run("outputs/stopped"))["state"] == "failed"
