"""Every kind of training, continued from each of its steps: not one bit differs in the end.

A kill leaves the checkpoints of the steps before it. So a training saves each step, and one goes on from each of them.
What is compared: weights, averages, the optimiser's state, the schedule, what was decided, and for every pass its rows
and the state of the random generators.
"""

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from datasets import Dataset

import figures
from harness import ADAMW, Started, Training
from hone.core.errors import Pruned
from hone.data.batching import Buckets
from hone.data.sources.local import Local
from hone.models.adapters import Frozen, Lora, TopLayers
from hone.models.heads.linear_probe import LinearProbe
from hone.runs.snapshots import Snapshot, Snapshots
from hone.training.optim.adamw_bf16 import AdamWBf16
from hone.training.optim.optimizers import Optimizer
from hone.training.prefetch import ahead
from hone.training.pruning import Referee
from resuming import awkward, digests, in_child, trace

pytestmark = pytest.mark.slow

Trace = dict[int, list[str]]
SMALL = {"rows": 18, "batch_size": 4, "evaluate_every": 2, "lr": 2e-3}
"""Five steps an epoch, the last with a short batch."""
KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "frozen": {"adapter": Frozen()},
    "top layers": {"adapter": TopLayers(1), "hyperparameters": {"num_hidden_layers": 2}},
    "lora": {"adapter": Lora(rank=2, alpha=4, dropout=0.1)},
    "probe": {"head": LinearProbe("mean", dropout=0.1)},
    "patience": {"patience": 2, "lr": 1e-12, "epochs": 4.0, "evaluate_every": 3},
    "bf16-mixed": {"precision": "bf16-mixed"},
    "bf16-true": {"precision": "bf16-true", "optimizer": Optimizer(AdamWBf16, 2e-3, weight_decay=0.01)},
    "tokens": {"batching": Buckets(pool=2, by="tokens"), "batch_size": 160, "rows": 24},
}


def train(training: Training, kept: Path | None = None) -> tuple[Started, Trace]:
    """Trains to the end; with `kept`, each checkpoint is copied there as soon as it is written."""
    started = training.start()
    passes, save = trace(started), started.run.save

    def keep(*parts: Any) -> None:
        save(*parts)
        if kept and started.fabric.is_global_zero:
            shutil.copytree(training.folder, kept / str(started.run.step))

    started.run.save = keep
    return started.fit(), passes


def last(folder: Path) -> Snapshot:
    snapshot = Snapshots(folder, "test").newest()
    assert snapshot is not None
    return snapshot


def require_exact(training: Training, tmp_path: Path) -> int:
    """Goes on from every step of a training; returns how many times that was."""
    straight, passes = train(replace(training, folder=tmp_path / "straight", save_every=1), tmp_path / "kept")
    expected, steps = digests(last(tmp_path / "straight")), straight.run.step
    require_different_steps(tmp_path / "kept", passes)
    for step in range(1, steps + 1):
        resumed, again = train(replace(training, folder=tmp_path / "kept" / str(step), save_every=1))
        assert resumed.notebook.steps == list(range(step + 1, steps + 1))
        assert again == {number: rows for number, rows in passes.items() if number > step}, f"from step {step}"
        assert digests(last(resumed.training.folder)) == expected, f"from step {step}"
        assert resumed.run.best == straight.run.best
    return steps


def require_different_steps(kept: Path, passes: Trace) -> None:
    """Guards against comparing nothing: any two steps differ in weights, optimiser, state and passes."""
    first, second = (digests(last(kept / step)) for step in ("1", "2"))
    assert first.keys() == second.keys()
    differing = {name.partition("/")[0] for name in first if first[name] != second[name]}
    assert differing >= {"weights", "optimizer", "state"}
    assert len({str(rows) for rows in passes.values()}) == len(passes)


@pytest.fixture(scope="module", autouse=True)
def count() -> Iterator[list[int]]:
    resumes: list[int] = []
    begun = sum(os.times()[:4])  # forks included
    yield resumes
    figures.report(f"{sum(resumes)} resumes, 0 differing bits, {sum(os.times()[:4]) - begun:.0f} s of one core")


@pytest.mark.parametrize("kind", KINDS)
def test_from_every_step(tmp_path: Path, kind: str, count: list[int]) -> None:
    count.append(require_exact(Training(tmp_path, **{**SMALL, **KINDS[kind]}), tmp_path))


def test_from_every_step_with_all_that_is_awkward(tmp_path: Path, count: list[int]) -> None:
    """Accumulation that does not divide the epoch, buckets, averaged weights, dropout, warm-up."""
    count.append(require_exact(awkward(tmp_path), tmp_path))


def test_from_every_step_of_a_stream(tmp_path: Path, count: list[int]) -> None:
    rows = [{"text": f"so {'very ' * (row * 7 % 12)}happy {row}", "label": "ab"[row % 2]} for row in range(30)]
    Dataset.from_list(rows[:20]).to_json(tmp_path / "data" / "train.jsonl")
    Dataset.from_list(rows[20:]).to_json(tmp_path / "data" / "validation.jsonl")
    source = Local(str(tmp_path / "data"), streaming=True, shuffle_buffer=8)
    count.append(require_exact(Training(tmp_path, **{**SMALL, "dataset": source}), tmp_path))


def test_from_every_step_with_batches_that_a_thread_makes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: list[int]
) -> None:
    """As on a GPU."""
    monkeypatch.setattr("hone.training.loop.prefetched", lambda steps, device: ahead(steps, lambda tensor: tensor))
    count.append(require_exact(Training(tmp_path, **SMALL), tmp_path))


def test_killed_in_every_step_again_and_again(tmp_path: Path, count: list[int]) -> None:
    """Every start takes one step, so that several stops fall into one epoch."""
    expected = digests(last(train(awkward(tmp_path / "straight", save_every=1))[0].training.folder))
    training = awkward(tmp_path / "killed", save_every=1)
    for step in range(1, 9):
        started = training.start()
        save = started.run.save

        def killing(*parts: Any, save: Any = save) -> None:
            save(*parts)
            raise SystemError

        started.run.save = killing
        with pytest.raises(SystemError):
            started.fit()
        assert started.notebook.steps == [step]
    assert digests(last(training.folder)) == expected
    count.append(7)


class StopsAtFour(Referee):
    def stops(self, step: int, value: float) -> bool:
        return step == 4


def test_pruned_and_revived(tmp_path: Path, count: list[int]) -> None:
    training = Training(tmp_path / "whole", **SMALL, save_every=1)
    expected = digests(last(train(training)[0].training.folder))
    pruned = replace(training, folder=tmp_path / "pruned", referee=StopsAtFour())
    for _ in range(2):
        with pytest.raises(Pruned):
            train(pruned)
        assert last(pruned.folder).step == 4
    revived = pruned.start()
    revived.run.revived = True
    assert revived.fit().notebook.steps == [5, 6, 7, 8, 9, 10]
    assert digests(last(pruned.folder)) == expected
    count.append(2)


def test_from_steps_of_two_processes(tmp_path: Path, count: list[int]) -> None:
    training = Training(
        tmp_path / "straight", **SMALL, devices=2, save_every=1, optimizer=Optimizer(ADAMW, 2e-3, ema=0.9)
    )
    kept = tmp_path / "kept"
    in_processes(training, kept)
    expected = digests(last(training.folder))
    steps = last(training.folder).step
    for step in range(1, steps + 1):
        in_processes(replace(training, folder=kept / str(step)))
        assert digests(last(kept / str(step))) == expected, f"from step {step}"
    count.append(steps)


def in_processes(training: Training, kept: Path | None = None) -> None:
    """Trains in forks, which cost no imports, one for each device."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(training.devices):
        env = {
            "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0", "GLOO_SOCKET_IFNAME": "lo",
            "LOCAL_RANK": str(rank), "WORLD_SIZE": str(training.devices),
        }  # fmt: skip
        children.append(in_child(lambda env=env: (os.environ.update(env), train(training, kept))))
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * training.devices
