"""Processes that make batches: the same steps and weights with any number of them, and none that outlives its run."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from conftest import PROTOTYPES, Hone, only_run, record, runs
from hone.core.errors import RowError, RunError, UserError
from hone.data.batching import Random
from hone.data.encoded import encode
from hone.data.module import DataModule, Step
from hone.data.rows import load_rows
from hone.data.sources.media_folders import ImageFolder
from hone.training.workers import count_workers, steps_made
from prototypes.pictures import Pictures, ToyVit, picture

WORDS = (
    "--config-dir", str(PROTOTYPES / "conf"), "trust=[prototypes]", "tracker=none", "precision=32-true", "batch_size=4",
    "task=pictures", "checkpoint=toy_vit", "dataset=imagefolder", "dataset.path=album", "epochs=2",
)  # fmt: skip


@pytest.fixture
def album(own_folder: None) -> Path:
    for split in ("train", "validation"):
        for row in range(14):
            file = Path("album", split, ["dark", "bright"][row % 2], f"{row:02}.ppm")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(picture(bool(row % 2), row))
    return Path("album")


@pytest.fixture
def data(album: Path) -> DataModule:
    source = ImageFolder(str(album))
    rows = load_rows(source, Pictures())
    task = Pictures().bind(ToyVit().make_processor("", rows.facts), rows.facts)
    return DataModule(encode(rows, task, source)[1], task, Random(), batch_size=4, accumulate=2)


@pytest.fixture
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker imports the prototypes as the tests do."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(PROTOTYPES), os.environ.get("PYTHONPATH")])))


def content(steps: Iterator[Step]) -> list[tuple[Any, ...]]:
    return [
        (step.number, step.targets, step.rows, *(tuple(batch["id"]) for batch in step.batches),
         *(batch["inputs"]["pixel_values"].numpy().tobytes() for batch in step.batches))
        for step in steps
    ]  # fmt: skip


@pytest.mark.slow
def test_any_number_of_workers_makes_the_same_steps(data: DataModule, importable: None) -> None:
    """From the third step on, over the end of an epoch, in turn."""
    made = {}
    for workers in (0, 2):
        with steps_made(data, 3, 5, workers) as steps:
            made[workers] = content(steps)
    assert [step[0] for step in made[0]] == [3, 4, 5, 6, 7]
    assert made[2] == made[0]


@pytest.mark.slow
def test_any_number_of_workers_gives_the_same_weights(hone: Hone, album: Path, importable: None) -> None:
    weights = []
    for workers in (0, 1, 3):
        assert hone("train", *WORDS, f"workers={workers}", f"output_root=by{workers}").code == 0
        weights.append(load_file(only_run(f"by{workers}") / "model/model.safetensors"))
    for name, weight in weights[0].items():
        assert torch.equal(weights[1][name], weight)
        assert torch.equal(weights[2][name], weight)


@pytest.mark.slow
def test_an_error_of_a_worker_is_reported_like_one_of_the_loop(data: DataModule, importable: None, album: Path) -> None:
    for file in album.glob("train/*/*.ppm"):
        file.write_bytes(file.read_bytes()[:-30])
    with steps_made(data, 1, 5, 1) as steps, pytest.raises(RowError, match=r"train split, row \d+ .* damaged"):
        next(steps)


@pytest.mark.slow
def test_rows_that_are_left_out_arrive_with_their_step(data: DataModule, importable: None, album: Path) -> None:
    (album / "train/dark/04.ppm").write_bytes((album / "train/dark/04.ppm").read_bytes()[:-30])
    data.skips_bad_rows = True
    with steps_made(data, 1, 2, 1) as steps:
        errors = [error for step in steps for error in step.left_out]
    assert [Path(error.problem.partition(":")[0]).name for error in errors] == ["04.ppm"]


@pytest.mark.slow
def test_a_worker_that_dies_ends_the_run(data: DataModule, importable: None) -> None:
    with steps_made(data, 1, 50, 1) as steps:
        next(steps)
        (worker,) = children(os.getpid())
        os.kill(worker, signal.SIGKILL)
        with pytest.raises(RunError, match="exit code -9"):
            list(steps)


@pytest.mark.slow
def test_workers_are_gone_when_no_more_steps_are_wanted(data: DataModule, importable: None) -> None:
    with steps_made(data, 1, 50, 1) as steps:
        next(steps)
        assert children(os.getpid())
    assert not children(os.getpid())


def test_a_task_that_cannot_be_sent_is_refused(data: DataModule) -> None:
    data.task.fails = lambda: None  # type: ignore[attr-defined]
    with pytest.raises(UserError, match=r"workers=2: .*workers=0"), steps_made(data, 1, 5, 2):
        pytest.fail("no worker can start")


def test_auto_is_no_worker_where_the_loop_computes_on_the_cpu(data: DataModule) -> None:
    data.workers = 2
    assert count_workers(torch.device("cpu"), data) == 2
    data.workers = "auto"
    assert count_workers(torch.device("cpu"), data) == 0
    assert count_workers(torch.device("cuda"), data) == min(len(os.sched_getaffinity(0)) - 1, 4)


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_killed_run_leaves_no_worker_behind(album: Path, number: signal.Signals) -> None:
    """The signal goes to the command alone; a worker that reads a file for ever is ended all the same."""
    words = [*WORDS, "workers=2", "epochs=null", "steps=100000", "log_every=1"]
    run = subprocess.Popen(
        [sys.executable, "-m", "hone", "train", *words], env=os.environ | {"PYTHONPATH": path_of_tests()},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        wait_for(
            lambda: any(
                (folder / "metrics.jsonl").exists() and (folder / "metrics.jsonl").stat().st_size for folder in runs()
            )
        )
        workers = children(run.pid)
        assert len(workers) >= 2
        run.send_signal(number)
        assert run.wait(60) == (75 if number == signal.SIGTERM else -9)
        wait_for(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    finally:
        run.kill()
    if number == signal.SIGTERM:
        assert record(only_run())["state"] == "preempted"


@pytest.mark.slow
def test_a_killed_run_with_workers_and_augmentation_ends_with_the_same_weights(hone: Hone, album: Path) -> None:
    """Killed with two workers, it goes on with two; an undisturbed run has none."""
    words = [
        "dataset=imagefolder", "dataset.path=album", "checkpoint=tiny_resnet", "task.crop=0.5",
        "task.flip=both", "task.rotate=20", "epochs=60",
        "precision=32-true", "tracker=none", "batch_size=4", "log_every=1",
        "save_every=3", "evaluate_every=null", "resume=auto",
    ]  # fmt: skip
    assert hone("train", *words, "output_root=straight").code == 0
    words += ["workers=2", "output_root=killed"]
    run = subprocess.Popen(
        [sys.executable, "-m", "hone", "train", *words], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        wait_for(lambda: any(len(steps_logged(folder)) >= 20 for folder in runs("killed")))
    finally:
        run.kill()
    assert run.wait() == -signal.SIGKILL
    kept = len(steps_logged(only_run("killed")))
    assert hone("train", *words).code == 0
    assert 20 <= kept < len(steps_logged(only_run("killed"))) == len(steps_logged(only_run("straight")))
    straight, killed = (load_file(only_run(root) / "model/model.safetensors") for root in ("straight", "killed"))
    for name, weight in straight.items():
        assert torch.equal(killed[name], weight), name


def steps_logged(folder: Path) -> list[bytes]:
    journal = folder / "metrics.jsonl"
    return journal.read_bytes().splitlines() if journal.exists() else []


def path_of_tests() -> str:
    return os.pathsep.join(filter(None, [str(PROTOTYPES), os.environ.get("PYTHONPATH")]))


def children(parent: int) -> list[int]:
    """The worker processes of a process, without the one that multiprocessing has for its own resources."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent and b"spawn_main" in (folder / "cmdline").read_bytes():
                    found.append(int(folder.name))
            except (OSError, IndexError):
                continue
    return found


def wait_for(condition: Any, seconds: float = 90) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.1)
