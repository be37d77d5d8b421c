"""Memory that runs out: passes get smaller, the steps stay the same, and training and evaluation do not share sizes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from conftest import Hone, only_run
from harness import Started, Training, same_bits
from hone.core.errors import RunError
from hone.data.batching import Buckets, Random
from hone.tasks.text.text_classification import TextClassification
from hone.training.evaluation import predict
from hone.training.module import Module

CPU = "[enforce fail at alloc_cpu.cpp:127] err == 0. DefaultCPUAllocator: can't allocate memory: you tried to allocate"
ERRORS = {"gpu": torch.OutOfMemoryError("CUDA out of memory."), "cpu": RuntimeError(CPU)}
WHOLE = Random(split=False)


def room_for(started: Started, rows: int, what: str = "training_step", error: str = "gpu", first: int = 1) -> list[int]:
    """Lets memory run out for batches of more rows, from a step on; returns the sizes that are tried."""
    forward, tried = getattr(started.module, what), []

    def bounded(batch: Any, index: int = 0) -> Any:
        tried.append(len(batch["id"]))
        result = forward(batch, index)
        if tried[-1] > rows and started.run.step + 1 >= first:
            raise ERRORS[error]
        return result

    setattr(started.module, what, bounded)
    return tried


@pytest.mark.parametrize(("error", "weights"), [("gpu", None), pytest.param("cpu", "balanced", marks=pytest.mark.slow)])
def test_halved_passes_give_the_weights_of_the_setting(
    tmp_path: Path, error: str, weights: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Dropout, a short last batch, class weights and accumulation; every bit is that of batch_size=4 accumulate=8."""
    shape = {"rows": 70, "batching": WHOLE, "task": TextClassification(class_weights=weights)}
    started = Training(tmp_path / "a", batch_size=16, accumulate=2, **shape).start()
    tried = room_for(started, 7, error=error)
    started.fit()
    assert tried[:5] == [16, 8, 4, 4, 4]
    assert set(tried[2:]) == {4, 2}, "70 rows are two steps of 32 and one of 6"
    by_hand = Training(tmp_path / "b", batch_size=4, accumulate=8, **shape).start().fit()
    assert started.notebook.steps == by_hand.notebook.steps == list(range(1, 7))
    assert same_bits(started.weights, by_hand.weights)
    assert started.losses == by_hand.losses
    warnings = [record.getMessage() for record in caplog.records]
    assert [warning for warning in warnings if "16 examples" in warning and "at most 8" in warning] == warnings[:1]
    assert len(warnings) == 2


def test_a_resumed_run_begins_with_the_size_that_fits(tmp_path: Path) -> None:
    """Memory runs out late, in the middle of an epoch, while buckets are divided further by length."""
    shape = {"rows": 64, "batch_size": 16, "evaluate_every": 4, "batching": Buckets(pool=2, split=True)}
    straight = Training(tmp_path / "a", **shape).start()
    room_for(straight, 8, first=3)
    straight.fit()
    killed = Training(tmp_path / "b", **shape).start()
    room_for(killed, 8, first=3)
    killed.run.listeners.step = lambda step: 1 / 0 if step == 6 else None
    with pytest.raises(ZeroDivisionError):
        killed.fit()
    resumed = killed.training.start()
    tried = room_for(resumed, 8)
    resumed.fit()
    assert resumed.notebook.steps == [5, 6, 7, 8]
    assert max(tried) <= 8, "nothing is tried that did not fit before"
    assert same_bits(resumed.weights, straight.weights)


def test_evaluation_has_a_size_of_its_own(tmp_path: Path) -> None:
    started = Training(tmp_path, rows=24, batch_size=8, batching=WHOLE).start()
    whole = predict(started.fabric, started.train_state.wrapped, started.data, "validation")
    tried = room_for(started, 5, "predict_step")
    halved = predict(started.fabric, started.train_state.wrapped, started.data, "validation")
    assert tried == [16, 8, 4, 4, 4, 4, 4, 4]
    assert list(halved["id"]) == list(whole["id"])
    assert list(halved["prediction"]) == list(whole["prediction"])
    assert halved["loss"] == pytest.approx(whole["loss"], abs=1e-5)
    training = room_for(started, 8)
    started.fit()
    assert set(training) == {8}
    assert set(tried[2:]) == {4}


def test_a_single_row_that_does_not_fit_ends_the_run(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = []

    def full(module: Module, batch: Any, index: int = 0) -> Any:
        tried.append(len(batch["id"]))
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(Module, "training_step", full)
    words = ("tracker=none", "dataset.train=64", "dataset.validation=16", "dataset.test=16", "batch.split=false")
    failed = hone("train", *words, "batch_size=6")
    assert failed.code == 1
    assert tried == [6, 3, 1]
    assert "hone: Out of memory in step 1, with a single row per forward pass; use a shorter max_length" in failed.err
    assert "Traceback" not in failed.said
    assert not list((only_run() / "checkpoints").glob("step-*"))


def test_rows_that_depend_on_each_other_are_not_divided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TextClassification, "independent_rows", False)
    started = Training(tmp_path, batching=WHOLE).start()
    room_for(started, 2)
    with pytest.raises(RunError, match="compares the rows of a batch"):
        started.fit()


def test_an_evaluation_in_which_padding_counts_is_halved_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    started = Training(tmp_path, rows=24, batch_size=8, batching=WHOLE).start()
    room_for(started, 8, "predict_step")
    started.module.over_time = nn.Sequential(nn.Conv1d(1, 2, 3), nn.GroupNorm(2, 2))
    predict(started.fabric, started.train_state.wrapped, started.data, "validation")
    assert "it has at most 8. Scores change a little: group norm averages over padding." in caplog.text


def test_an_update_without_memory_is_not_repeated(tmp_path: Path) -> None:
    started = Training(tmp_path).start()

    def full() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    started.train_state.optimizer.step = full
    with pytest.raises(RunError, match="Out of memory in the update of step 1, which smaller batches would not change"):
        started.fit()
