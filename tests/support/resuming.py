"""Trainings that are stopped and go on, and everything that must be the same in the end."""

import hashlib
import os
import random
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from harness import ADAMW, Started, Training
from hone.core.errors import Preempted
from hone.core.signals import Stop
from hone.data.batching import Buckets
from hone.runs.snapshots import Snapshot
from hone.training.optim.optimizers import Optimizer


def awkward(folder: Path, **changes: Any) -> Training:
    """Shuffling, dropout, accumulation that does not divide the epoch, a short last batch, warm-up, averaging."""
    told = {
        "rows": 42, "batch_size": 4, "accumulate": 3, "epochs": 2.0, "batching": Buckets(pool=2),
        "optimizer": Optimizer(ADAMW, 2e-3, weight_decay=0.01, ema=0.9), "evaluate_every": 3, **changes,
    }  # fmt: skip
    return Training(folder, **told)


def everything(started: Started) -> dict[str, torch.Tensor]:
    """All tensors that a checkpoint holds."""
    tensors, _ = started.train_state.state_dict(started.fabric)
    return {f"{file}/{name}": tensor.clone() for file, content in tensors.items() for name, tensor in content.items()}


def numbers(started: Started) -> list[dict[str, Any]]:
    """The journal without what depends on the clock."""
    clocked = ("time", "seconds", "train/memory_gb", "train/samples_per_second", "train/tokens_per_second")
    return [{key: value for key, value in row.items() if key not in clocked} for row in started.notebook.rows]


def fit_until(started: Started, step: int) -> Started:
    """Trains until it is asked to stop during a step, as a pre-emption would."""
    stop, advance, resume = Stop(), started.run.advance, started.run.resume

    def ask_after(move: Callable[..., None]) -> Callable[..., None]:
        def moved(*parts: Any) -> None:
            move(*parts)
            stop.asked = signal.SIGTERM if started.run.step == step - 1 else stop.asked

        return moved

    started.run.advance, started.run.resume = ask_after(advance), ask_after(resume)
    with pytest.raises(Preempted):
        started.fit(stop)
    return started


def in_child(work: Any) -> int:
    """Runs the work in a fork, which costs no imports; returns its process id."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return child


def trace(started: Started) -> dict[int, list[str]]:
    """Fills up, while it trains, with the rows of each pass and the state of every random generator before it."""
    passes: dict[int, list[str]] = {}
    forward = started.module.training_step

    def traced(batch: Any, index: int) -> torch.Tensor:
        state = (torch.get_rng_state().numpy().tobytes(), str(np.random.get_state()[1:]), str(random.getstate()))
        drawn = hashlib.sha256(repr(state).encode()).hexdigest()
        passes.setdefault(started.run.step + 1, []).append(f"{list(batch['id'])} {drawn}")
        return forward(batch, index)

    started.module.training_step = traced
    return passes


def digests(snapshot: Snapshot) -> dict[str, str]:
    """The SHA-256 of everything in a checkpoint, but for the seconds."""
    rest = {name: value for name, value in snapshot.state.items() if name != "seconds"}
    tensors = {
        f"{file}/{name}": f"{tensor.dtype} {tensor.shape} {sha256(tensor)}"
        for file, content in snapshot.tensors.items()
        for name, tensor in content.items()
    }
    return {**tensors, "state": repr(sorted(rest.items()))}


def sha256(tensor: torch.Tensor) -> str:
    return hashlib.sha256(tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()).hexdigest()
