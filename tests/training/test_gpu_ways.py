"""What is done for GPUs, done on the CPU: steps made ahead, a check that waits, TF32 where there is any."""

import logging
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from test_resume import everything, fit_until

from harness import Training, same_bits
from hone.core.errors import RunError
from hone.core.signals import Stop
from hone.data.module import Step
from hone.training import fabric as devices
from hone.training import nonfinite as health
from hone.training.precision import resolve_precision
from hone.training.prefetch import ahead, prefetched


@pytest.fixture
def pinned(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Steps are made ahead; returns the threads that made each tensor ready."""
    threads: list[str] = []

    def pin(tensor: torch.Tensor) -> torch.Tensor:
        threads.append(threading.current_thread().name)
        return tensor.clone()

    monkeypatch.setattr("hone.training.loop.prefetched", lambda steps, device: ahead(steps, pin))
    return threads


@pytest.fixture
def lazy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hone.training.loop.make_finite_check", health.DeferredFiniteCheck)


def fetching() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("hone-prefetch")]


@pytest.mark.parametrize(("device", "threads"), [("cpu", 0), ("cuda", 1)])
def test_only_a_gpu_is_fed_ahead(device: str, threads: int) -> None:
    steps = prefetched(iter([Step(number, [], [], 0, 0, 0) for number in range(3)]), torch.device(device))
    assert next(steps).number == 0
    assert len(fetching()) == threads
    assert [step.number for step in steps] == [1, 2]
    assert not fetching()


def test_steps_made_ahead_are_the_same_steps(tmp_path: Path, pinned: list[str]) -> None:
    """With dropout, accumulation, and a stop in between."""
    told = {"accumulate": 2, "evaluate_every": 4}
    fed = Training(tmp_path / "a", **told)
    fit_until(fed.start(), 5)
    ours = fed.start().fit()
    assert set(pinned) == {"hone-prefetch_0"}
    assert not fetching(), "a training that ended early leaves no thread behind"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hone.training.loop.prefetched", prefetched)
        plain = Training(tmp_path / "b", **told).start().fit()
    assert ours.losses == plain.losses[5:]
    assert same_bits(everything(ours), everything(plain))


def test_the_next_step_is_made_during_this_one_and_no_other() -> None:
    made: list[int] = []

    def steps() -> Iterator[Step]:
        for number in range(5):
            made.append(number)
            yield Step(number, [], [], 0, 0, 0)

    served = ahead(steps(), torch.Tensor.clone)
    assert next(served).number == 0
    assert next(served).number == 1
    served.close()
    assert made in ([0, 1], [0, 1, 2])
    assert not fetching()


def test_an_error_in_making_a_step_reaches_the_loop(tmp_path: Path, pinned: list[str]) -> None:
    started = Training(tmp_path).start()
    collate, calls = started.data.task.collate, []

    def failing(*parts: Any) -> Any:
        calls.append(1)
        return collate(*parts) if len(calls) < 4 else 1 / 0

    object.__setattr__(started.data.task, "collate", failing)
    with pytest.raises(ZeroDivisionError):
        started.fit()
    assert started.run.step == 3, "what was made before is done"
    assert not fetching()


def poison(started: Any, step: int) -> None:
    """The loss of one step, and so all its gradients, are no numbers."""
    forward, calls = started.module.training_step, []

    def poisoned(batch: Any, index: int) -> torch.Tensor:
        calls.append(1)
        return forward(batch, index) * (math.nan if len(calls) == step else 1.0)

    started.module.training_step = poisoned


@pytest.mark.parametrize("clip_norm", [1.0, None])
def test_a_late_look_names_the_step_and_the_weights_are_sound(tmp_path: Path, lazy: None, clip_norm: Any) -> None:
    """Step 5 is bad and nobody looks before step 8, which is to be saved."""
    started = Training(tmp_path, save_every=4, epochs=1, clip_norm=clip_norm).start()
    object.__setattr__(started.course, "log_every", 100)
    poison(started, 5)
    with pytest.raises(RunError, match=r"The gradient of step 5 is nan \(summed loss nan, learning rate"):
        started.fit()
    assert started.run.step == 8
    assert all(torch.isfinite(weight).all() for weight in started.weights.values())
    assert started.run.snapshots.newest().step == 4
    moments = everything(started)
    assert all(torch.isfinite(tensor).all() for tensor in moments.values())
    assert {float(tensor) for name, tensor in moments.items() if name.endswith("/step")} == {7.0}


def test_a_bad_step_that_is_skipped_moves_nothing(tmp_path: Path, lazy: None) -> None:
    """Weight decay included; the next look is at the end of the course."""
    before, after = (
        Training(tmp_path / name, epochs=epochs).start() for name, epochs in (("a", 3 / 11), ("b", 4 / 11))
    )
    object.__setattr__(after.course.clock, "total_steps", 4)
    for started in (before, after):
        object.__setattr__(started.course, "log_every", 100)
    before.train_state.scheduler.lr_lambdas[:] = after.train_state.scheduler.lr_lambdas
    before.fit()
    poison(after, 4)
    with pytest.raises(RunError, match="step 4"):
        after.fit()
    assert same_bits(after.weights, before.weights)


def test_looking_late_changes_nothing(tmp_path: Path, lazy: None) -> None:
    late = Training(tmp_path / "a", evaluate_every=5).start().fit()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hone.training.loop.make_finite_check", health.EagerFiniteCheck)
        plain = Training(tmp_path / "b", evaluate_every=5).start().fit()
    assert late.losses == plain.losses
    assert same_bits(everything(late), everything(plain))


def test_asked_to_stop_it_looks_before_it_saves(tmp_path: Path, lazy: None) -> None:
    started, stop = Training(tmp_path).start(), Stop()
    object.__setattr__(started.course, "log_every", 100)
    poison(started, 2)
    advance = started.run.advance
    started.run.advance = lambda step: (advance(step), setattr(stop, "asked", 15 if step == 2 else stop.asked))
    with pytest.raises(RunError, match="step 2"):
        started.fit(stop)
    assert started.run.snapshots.newest() is None


def gpu(patch: pytest.MonkeyPatch, capability: tuple[int, int]) -> None:
    patch.setattr(torch.cuda, "is_available", lambda: True)
    patch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)
    patch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: capability >= (8, 0))


@pytest.mark.parametrize(
    ("capability", "found"), [((9, 0), "bf16-mixed"), ((8, 0), "bf16-mixed"), ((7, 0), "16-mixed"), ((6, 1), "32-true")]
)
def test_auto_on_gpus(capability: tuple[int, int], found: str, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu(monkeypatch, capability)
    narrow = torch.nn.Linear(8, 8)
    assert resolve_precision("auto", "auto", narrow) == found
    assert resolve_precision("auto", "cuda", narrow) == found


@pytest.mark.parametrize(
    ("device", "capability", "numbers", "found"),
    [
        ("cuda", (8, 0), "32-true", "high"),
        ("cuda", (9, 0), "bf16-mixed", "high"),
        ("cuda", (7, 5), "32-true", "highest"),
        ("cuda", (9, 0), "64-true", "highest"),
        ("cpu", (9, 0), "32-true", "highest"),
    ],
)
def test_tf32_is_used_where_there_is_any(
    device: str, capability: tuple[int, int], numbers: Any, found: str,
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    gpu(monkeypatch, capability)
    caplog.set_level(logging.INFO, "hone")
    before = torch.get_float32_matmul_precision()
    try:
        torch.set_float32_matmul_precision("medium")
        devices.set_matmul_precision(torch.device(device), numbers)
        assert torch.get_float32_matmul_precision() == found
    finally:
        torch.set_float32_matmul_precision(before)
    assert ("TF32" in caplog.text) == (found == "high")


def test_a_fabric_comes_with_its_products(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(devices, "set_matmul_precision", lambda *parts: asked.append(parts))
    devices.make_fabric("cpu", "bf16-mixed")
    assert asked == [(torch.device("cpu"), "bf16-mixed")]
