"""Launchers: what they lack is told, and whichever one ran the cells, the same command goes on with the sweep."""

import json
import os
import pickle
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from conftest import PROTOTYPES, SMALL, Hone, journal, record
from hone.core.errors import UserError
from hone.sweeps.jobs import Ready
from hone.sweeps.launchers.job_states import SlurmJobStates
from hone.sweeps.launchers.remote import RemoteJob, RemoteWorkers, RunningJob
from hone.sweeps.launchers.slurm import SubmititJob
from hone.training.stage_cache import StageCache

SWEEP = ("train", "-m", *SMALL, "limit=32", "sweep.name=there")
OURS = {"slurm": "slurm", "slurm_local": "slurm", "ray": "ray"}


def needs(*packages: str) -> pytest.MarkDecorator:
    missing = [package for package in packages if find_spec(package) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed: make launchers")


@pytest.mark.parametrize("launcher", OURS)
def test_a_missing_package_is_told_with_the_line_that_installs_it(
    launcher: str, hone: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hone.sweeps.launchers.launcher.find_spec", lambda name: None)
    done = hone(*SWEEP, "seed=0,1", f"hydra/launcher={launcher}")
    assert done.code == 2
    assert f"pip install 'hone-lab[{OURS[launcher]}]'" in done.err
    assert not Path("outputs").exists()


MISTAKES = {
    ("hydra/launcher=slurm",): "there is no sbatch here",
    ("hydra/launcher=slurm", "hydra.launcher.timeout_min=0"): "hydra.launcher.timeout_min=0",
    ("hydra/launcher=slurm", "hydra.launcher.partition='a\nrm b'"): "expected one line of text",
    ("hydra/launcher=slurm", "hydra.launcher.partitoin=gpu"): "Did you mean hydra.launcher.partition",
    ("hydra/launcher=ray", "sweep=tpe"): "sweep.workers=4",
    ("hydra/launcher=ray", "sweep.trials_per_gpu=2"): "leave it at 1",
    ("hydra/launcher=basic",): "hydra/launcher=basic: a launcher of Hydra's",
    ("hydra/launcher=slurm_loca",): "Did you mean slurm_local? The options are local, ray, slurm, slurm_local.",
    ("hydra.launcher._target_=hone.sweeps.sweep.Sweep",): "hydra.launcher.",
    ("hydra/sweeper=basic",): "hydra/sweeper=basic: hone train -m works with hydra/sweeper=hone alone",
}


@pytest.mark.parametrize("words", MISTAKES, ids=" ".join)
def test_mistakes_are_told(words: tuple[str, ...], hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hone.sweeps.launchers.launcher.find_spec", lambda name: True)
    monkeypatch.setattr("hone.sweeps.launchers.slurm.shutil.which", lambda name: None)
    done = hone(*SWEEP, "seed=0,1", *words)
    assert done.code == 2
    assert MISTAKES[words] in done.err


class Desk(RemoteWorkers):
    """Takes notes."""

    def __init__(self) -> None:
        super().__init__(limit=3, timeout=None, threads=1)
        self.handed: list[list[str]] = []
        self.cancelled: list[tuple[list[str], bool]] = []
        self.over: list[tuple[str, Mapping[str, Any]]] = []

    def submit(self, jobs: Mapping[str, RemoteJob]) -> None:
        self.handed.append([*jobs])

    def ended(self) -> Iterable[tuple[str, Mapping[str, Any]]]:
        ended, self.over = self.over, []
        return ended

    def cancel(self, keys: Iterable[str], gently: bool) -> None:
        self.cancelled.append((sorted(keys), gently))


def ready(work: Callable[[], Mapping[str, Any]] = dict) -> Ready:
    job: Any = None
    return Ready((), job, StageCache(), work)


def test_what_begins_together_is_handed_over_at_once_and_nothing_waits_for_the_rest() -> None:
    desk = Desk()
    for key in "abc":
        desk.start(key, ready(), Path("log"))
    assert not desk.free
    desk.over = [("b", {"state": "finished"})]
    assert [key for key, _, _ in desk.wait(0)] == ["b"]
    assert desk.free
    desk.start("d", ready(), Path("log"))
    assert desk.wait(0) == []
    assert desk.handed == [["a", "b", "c"], ["d"]]


def test_being_asked_to_stop_is_passed_on_and_what_was_not_begun_stays_so() -> None:
    desk = Desk()
    desk.start("a", ready(), Path("log"))
    desk.wait(0)
    desk.start("b", ready(), Path("log"))
    desk.signal_all(signal.SIGTERM)
    assert [(key, words["state"]) for key, words, _ in desk.wait(0)] == [("b", "preempted")]
    assert (desk.handed, desk.cancelled) == ([["a"]], [(["a"], True)])
    desk.over = [("a", {"state": "failed", "reason": "cancelled"})]
    assert [(key, words["state"]) for key, words, _ in desk.wait(0)] == [("a", "preempted")]


def patient() -> Mapping[str, Any]:
    """Saves itself when it is asked to end."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(Path("saved").touch()))
    Path("begun").touch()
    time.sleep(30)
    return {"state": "finished"}


def test_a_job_whose_time_is_up_saves_its_run_and_is_queued_again_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Delayed:
        def __init__(self, function: object) -> None:
            self.function = function

    helpers = ModuleType("submitit.helpers")
    vars(helpers)["DelayedSubmission"] = Delayed
    monkeypatch.setitem(sys.modules, "submitit", ModuleType("submitit"))
    monkeypatch.setitem(sys.modules, "submitit.helpers", helpers)
    remote = RemoteJob(ready(patient), tmp_path / "log", 1, None)
    job = SubmititJob(remote, notice=20.0, kill_wait=0.0)
    job.running = RunningJob(remote)
    until = time.monotonic() + 20
    while not Path("begun").exists() and time.monotonic() < until:
        time.sleep(0.05)
    again = job.checkpoint().function
    assert Path("saved").exists()
    assert not job.running.workers.working
    assert (again.job, again.running) == (remote, None)
    assert pickle.loads(pickle.dumps(again)).job.home == remote.home


def cells(name: str = "there") -> list[dict[str, Any]]:
    return json.loads(Path("outputs", name, "sweep.json").read_text())["cells"]


def scores(name: str = "there") -> dict[str, Any]:
    return {path.parent.name: record(path.parent)["scores"] for path in Path("outputs", name).glob("*/run.json")}


LAUNCHER = """
from dataclasses import dataclass
from pathlib import Path
from typing import final
from hone.sweeps.launchers.launcher import Launcher
from hone.sweeps.process import Slot
from hone.sweeps.sweep import Sweep
from hone.sweeps.workers import LocalWorkers

@final
@dataclass(frozen=True)
class Noted(Launcher):
    threads: int
    elsewhere = False

    def require(self, sweep: Sweep) -> None:
        Path("required").touch()

    def workers(self, sweep: Sweep, folder: Path, devices: int) -> LocalWorkers:
        Path("used").write_text(folder.name)
        return LocalWorkers([Slot(self.threads)], None)
"""


def test_a_new_launcher_is_a_class_and_its_yaml(hone: Hone, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "their_lab.py").write_text(LAUNCHER)
    (tmp_path / "conf/hydra/launcher").mkdir(parents=True)
    (tmp_path / "conf/hydra/launcher/noted.yaml").write_text("_target_: their_lab.Noted\nthreads: 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    words = (*SWEEP, "seed=0,1", f"--config-dir={tmp_path / 'conf'}", "hydra/launcher=noted")
    refused = hone(*words)
    assert refused.code == 2
    assert "hydra.launcher._target_=their_lab.Noted: not a trusted target" in refused.err
    assert not Path("required").exists()
    done = hone(*words, "trust=[their_lab]")
    assert done.code == 0, done.said
    assert Path("used").read_text() == "there"


class QueuedJob:
    """A job of submitit, as far as a queue knows it."""

    job_id = "7_0"


@pytest.fixture
def squeue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Sets what `squeue` prints; it fails with an error if that is empty."""
    program, answer = tmp_path / "bin" / "squeue", tmp_path / "answer"
    program.parent.mkdir()
    program.write_text(f"#!/bin/sh\ntest -s {answer} && exec cat {answer}\necho controller is down >&2; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    return lambda text: answer.write_text(text) and None


@pytest.mark.parametrize(
    ("line", "end"),
    [
        ("7_0 PENDING", None),
        ("7_0 SUSPENDED", None),
        ("7_0 REQUEUE_HOLD", None),
        ("7_0 CANCELLED", "CANCELLED"),
        ("7_1 RUNNING", "unknown to squeue"),
    ],
)
def test_a_job_has_ended_when_the_queue_has_said_so_twice(
    line: str, end: str | None, squeue: Callable[[str], None]
) -> None:
    states, job = SlurmJobStates(), QueuedJob()
    squeue(f"3 RUNNING\n{line}\n")
    assert states.ended(job) is None
    assert states.exists(job) == (end is None)
    states.answered = float("-inf")
    assert states.ended(job) == end


def test_a_queue_that_does_not_answer_ends_no_job_and_prints_nothing(
    squeue: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    states, job = SlurmJobStates(), QueuedJob()
    squeue("")
    for _ in range(3):
        states.answered = float("-inf")
        assert states.ended(job) is None
    states.answered = float("-inf")
    with pytest.raises(UserError, match="squeue does not say which jobs exist: controller is down"):
        states.exists(job)
    assert capfd.readouterr().err == ""


def started(*words: str) -> "subprocess.Popen[str]":
    """The command in a process of its own, left alone."""
    options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    return subprocess.Popen([sys.executable, "-m", "hone", *words], **options)


def until(found: Callable[[], Any], command: "subprocess.Popen[str]") -> Any:
    for _ in range(1200):
        if said := found():
            return said
        assert command.poll() is None, command.stdout and command.stdout.read()
        time.sleep(0.1)
    raise AssertionError("nothing came")


def runs() -> list[Path]:
    return [path.parent for path in Path("outputs/there").glob("*/metrics.jsonl")]


def evaluated(folder: Path) -> list[int]:
    return [row["step"] for row in journal(folder) if "validation/loss" in row]


@pytest.mark.slow
@needs("submitit")
def test_a_job_that_must_make_room_goes_on_in_the_same_folder_and_the_same_run_of_wandb(process: Hone) -> None:
    words = ("epochs=40", "evaluate_every=2 epochs", "tracker=wandb", "optimizer.lr=1e-3,3e-3")
    command = started(*SWEEP, *words, "hydra/launcher=slurm_local")
    first = until(
        lambda: [path.parent for path in Path("outputs/there").glob("*/metrics.jsonl") if evaluated(path.parent)],
        command,
    )[0]
    tracked = record(first)["tracker"]["id"]
    controller = Path("outputs/there/.submitit", f"{first.name}.job").read_text()
    task = int(Path(f"/proc/{controller}/task/{controller}/children").read_text().split()[0])
    os.kill(task, signal.SIGUSR2)
    out, _ = command.communicate(timeout=240)
    assert command.returncode == 0, out
    assert "Requeued" in Path(f"outputs/there/.submitit/{controller}_0_log.out").read_text()
    assert evaluated(first) == sorted(set(evaluated(first)))
    assert record(first)["tracker"]["id"] == tracked
    assert len([*Path("outputs/wandb").glob(f"offline-run-*-{tracked}")]) == 2
    assert not [*Path("outputs/there/.submitit").glob("*.pkl")]

    there = scores()
    assert process(*SWEEP, *words, "sweep.name=here").code == 0
    assert scores("here") == there
    assert "2 runs were finished before" in process(*SWEEP, *words, "hydra/launcher=slurm_local").out


def listening() -> set[str]:
    """The addresses at which Ray's processes and those that began it wait for somebody."""
    sockets = set()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if b"ray" in (folder / "cmdline").read_bytes():
                sockets |= {str(link.readlink()) for link in (folder / "fd").iterdir()}
        except OSError:
            continue
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    return {line[1].partition(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets}


@pytest.mark.slow
@needs("ray")
def test_ray_runs_cells_on_this_machine_alone_and_names_what_goes_wrong(
    process: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PROTOTYPES), os.environ.get("PYTHONPATH", "")]))
    mishaps = {
        "Fine": "",
        "Raises": "RuntimeError: it raised",
        "Killed": "ended by SIGKILL",
        "Hangs": "trial_timeout=40",
    }
    targets = ",".join(f"prototypes.mishaps.{name}" for name in mishaps)
    words = ("trust=[prototypes]", "sweep.trial_timeout=40", f"optimizer.algorithm._target_={targets}")
    command = started(*SWEEP, *words, "limit=64", "hydra/launcher=ray", "hydra.launcher.num_cpus=2")
    until(lambda: [*Path("outputs/there").glob("*/run.json")], command)
    assert listening() <= {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}
    assert listening()
    out, _ = command.communicate(timeout=240)
    assert command.returncode == 1, out
    for cell, (name, said) in zip(cells(), mishaps.items(), strict=True):
        assert cell["state"] == ("finished" if name == "Fine" else "failed"), cell
        assert said in (cell["reason"] or ""), cell


@pytest.mark.slow
@needs("ray")
def test_a_search_goes_on_through_ray_and_ends(process: Hone) -> None:
    words = (*SWEEP, "hydra/launcher=ray", "hydra.launcher.num_cpus=2", "sweep=tpe", "sweep.workers=2")
    done = process(*words, "sweep.sampler.trials=3", "optimizer.lr=tag(log,interval(1e-4,1e-2))")
    assert done.code == 0, done.said
    assert [cell["state"] for cell in cells()] == ["finished"] * 3
    more = process(*words, "sweep.sampler.trials=4", "optimizer.lr=tag(log,interval(1e-4,1e-2))")
    assert re.search("3 runs were finished before", more.out), more.said
