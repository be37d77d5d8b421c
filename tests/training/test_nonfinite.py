"""Losses, gradients and scores that are NaN or infinite: the run stops, leaves the step out, or goes back."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import TWO_CHECKPOINTS, Hone, journal, only_run, record
from harness import ADAMW, Started, Training, overflow, same_bits
from hone.core.errors import RunError
from hone.runs.snapshots import Snapshot, Snapshots
from hone.training import loop
from hone.training.module import Module
from hone.training.optim.optimizers import Optimizer


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
    assert resumed.run.counts == (4, 0)
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


def test_a_retry_from_the_beginning_is_the_run_with_half_the_learning_rate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    overflow(monkeypatch, {2, 3}, above=0.3e-3)
    retried = Training(tmp_path / "a", lr=1e-3, on_nonfinite="retry", optimizer=ema(1e-3)).start().fit()
    by_hand = Training(tmp_path / "b", lr=0.25e-3, optimizer=ema(0.25e-3)).start().fit()
    assert retried.notebook.steps[:4] == [1, 1, 1, 2], "two retries, both before the second step"
    assert retried.run.counts == (0, 2)
    assert same_bits(retried.weights, by_hand.weights)
    assert same_bits(retried.train_state.average.state(), by_hand.train_state.average.state())
    rates = [[row["train/lr"] for row in run.notebook.rows if "train/lr" in row] for run in (retried, by_hand)]
    assert rates[0] == rates[1]


def ema(lr: float) -> Any:
    return Optimizer(ADAMW, lr, weight_decay=0.01, head_lr_factor=2.0, ema=0.9)


def test_after_three_retries_the_run_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    overflow(monkeypatch, {4}, above=0)
    started = Training(tmp_path, save_every=3, on_nonfinite="retry").start()
    with pytest.raises(RunError, match=r"loss|gradient of step 4 is nan.*training rows .* went back 3 times") as caught:
        started.fit()
    assert "\n" not in str(caught.value)
    assert started.notebook.steps == [1, 2, 3]
    assert started.run.snapshots.newest().state["retries"]["total"] == 3


def test_a_score_that_is_no_number_is_a_reason_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It leaves no trace: neither a row nor a report to the pruner."""
    compute, scores = loop.compute_scores, iter([0.5, math.nan])
    monkeypatch.setattr(loop, "compute_scores", lambda *parts: {**compute(*parts), "f1_macro": next(scores, 0.7)})
    started = Training(tmp_path, evaluate_every=4, save_every=3, on_nonfinite="retry").start().fit()
    assert started.notebook.steps[6:10] == [7, 8, 7, 8], "back from step 8 to 6"
    assert started.notebook.evaluations[:3] == [4, 8, 12]
    assert started.run.best == {"step": 8, "metric": "validation/f1_macro", "value": 0.7}


def test_fp16_goes_back_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its scaler has prepared the step that is not taken."""
    overflow(monkeypatch, {5}, above=0.6e-3)
    started = Training(tmp_path, save_every=3, precision="16-mixed", on_nonfinite="retry").start().fit()
    assert started.notebook.steps[:6] == [1, 2, 3, 4, 4, 5]
    assert started.run.counts == (0, 1)


RETRIED = (
    *TWO_CHECKPOINTS, "limit=64", "batch_size=8", "save_every=3", "on_nonfinite=retry", "optimizer.lr=1e-3",
    "tracker=csv",
)  # fmt: skip
_OF_THE_CLOCK = ("time", "seconds", "train/samples_per_second", "train/tokens_per_second", "train/memory_gb")


def results(run: Path) -> tuple[bytes, list[dict[str, Any]], str]:
    """What must not depend on a kill: the weights, and the journal and the table of it without the clock."""
    rows = [{key: value for key, value in row.items() if key not in _OF_THE_CLOCK} for row in journal(run)]
    steps = [line.partition(",")[0] for line in (run / "metrics.csv").read_text().splitlines()]
    return (run / "model/model.safetensors").read_bytes(), rows, " ".join(steps)


class Killed(Exception): ...


def kill_at(patch: pytest.MonkeyPatch, save: int, before: bool) -> None:
    """Ends a run before or after it has written its n-th checkpoint."""
    write, count = Snapshots.save, iter(range(1, 99))

    def killed(snapshots: Snapshots, snapshot: Snapshot) -> None:
        last = next(count) == save
        if not (last and before):
            write(snapshots, snapshot)
        if last:
            raise Killed

    patch.setattr(Snapshots, "save", killed)


def test_the_command_tries_again(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints of steps 0, 3, 3 again with half the learning rate, 6 and 8."""
    overflow(monkeypatch, {5}, above=0.6e-3)
    done = hone("train", *RETRIED)
    assert done.code == 0, done.said
    said = " ".join(done.err.split())
    assert "The loss of step 5 is nan" in said
    assert "goes back to step 3, and on with the learning rate times 0.5 (retry 1 of 3)" in said
    assert "1 times with half the learning rate" in done.out
    run = only_run()
    assert record(run)["retries"] == 1
    rows = journal(run)
    assert [row["step"] for row in rows if "train/loss" in row] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [row for row in rows if len(row) == 1] == [{"step": 3}] * 2, "two numbers that W&B has, or may have"
    assert [row.get("train/retries", 0) for row in rows if "train/loss" in row] == [0] * 3 + [1] * 5


@pytest.mark.slow
@pytest.mark.parametrize("before", [True, False])
def test_a_kill_around_any_checkpoint_changes_nothing(
    before: bool, hone: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    overflow(monkeypatch, {5}, above=0.6e-3)
    assert hone("train", *RETRIED, "name=whole").code == 0
    expected = results(only_run("outputs/whole"))
    for save in (2, 3, 4, 5):
        words = (*RETRIED, f"name=killed{save}")
        with monkeypatch.context() as patch:
            kill_at(patch, save, before)
            assert hone("train", *words).code == 1
        again = hone("train", *words, "resume=auto")
        assert again.code == 0, again.said
        run = only_run(f"outputs/killed{save}")
        assert record(run)["retries"] == 1
        assert results(run) == expected, save
