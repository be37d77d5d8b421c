"""Sweeps on a real SLURM of one node, which is started for them: `make slurm`.

Whatever happens to a job, to the node or to the command, every cell ends with one result, as if nothing happened."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from conftest import PROTOTYPES, journal, record
from slurm import NODE, Cluster, missing, running_cluster

pytestmark = pytest.mark.slow

RUN = (
    "tracker=none",
    "precision=32-true",
    "dataset=local",
    "dataset.path=data",
    "epochs=24",
    "evaluate_every=2 epochs",
    "trust=[prototypes]",
    "optimizer.algorithm._target_=prototypes.paced.Paced",
)
ON_SLURM = ("hydra/launcher=slurm", "hydra.launcher.cpus_per_task=1")
PACE = Path("pace")
"""While this file exists, runs take their time: see `prototypes.paced`."""
PATIENCE = 600.0
"""Seconds for a step of a test, when other work keeps this machine busy."""


class Figures:
    """What the sweeps of a test have lost and doubled."""

    def __init__(self) -> None:
        self.begun = time.monotonic()
        self.cells = self.lost = self.doubled = 0

    def check(self, name: str, cells: int, jobs: int) -> None:
        """Check a sweep that has ended; `jobs` is how many it should have submitted in all."""
        folders = [path.parent for path in Path("outputs", name).glob("*/run.json")]
        finished = [folder for folder in folders if record(folder)["state"] == "finished"]
        again = [folder for folder in finished if steps(folder) != sorted(set(steps(folder)))]
        submitted = len(submitted_jobs(name))
        self.cells += cells
        self.lost += cells - len(finished)
        self.doubled += len(again) + max(0, submitted - jobs)
        assert (len(finished), len(folders), again, submitted) == (cells, cells, [], jobs)

    def report(self, test: str) -> None:
        """Append a line to the file SLURM_FIGURES, which `make slurm` sums up."""
        seconds = time.monotonic() - self.begun
        with suppress(KeyError), Path(os.environ["SLURM_FIGURES"]).open("a") as file:
            file.write(f"{self.cells} {self.lost} {self.doubled} {seconds:.0f} {test}\n")


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> Iterator[Figures]:
    figures = Figures()
    yield figures
    figures.report(request.node.name)


@pytest.fixture(scope="module")
def clusters() -> Iterator[Callable[[bool], Cluster]]:
    """Starts a cluster, with accounting or without, when a test first needs it."""
    with ExitStack() as stack:
        started: dict[bool, Cluster] = {}

        def start(accounting: bool) -> Cluster:
            if accounting not in started:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="slurm-", dir="/tmp")))
                folder.chmod(0o755)
                started[accounting] = stack.enter_context(running_cluster(folder, accounting))
            return started[accounting]

        yield start


@pytest.fixture
def cluster(request: pytest.FixtureRequest, clusters: Callable[[bool], Cluster]) -> Iterator[Cluster]:
    """A cluster without jobs. It keeps no accounts unless a test is parametrized with `accounting`."""
    accounting = getattr(request, "param", False)
    absent = [*missing(accounting), *(["submitit"] if find_spec("submitit") is None else [])]
    if absent:
        pytest.skip(f"needs {', '.join(absent)}: make slurm")
    cluster = clusters(accounting)
    write_rows("train")
    write_rows("validation")
    yield cluster
    while commands:
        commands.pop().kill()
    cluster.end_jobs()


accounting_or_not = pytest.mark.parametrize("cluster", [False, True], indirect=True, ids=["no accounts", "accounts"])


class Command:
    """`hone train -m` in a process of its own."""

    def __init__(self, cluster: Cluster, name: str, *words: str) -> None:
        path = os.pathsep.join([str(PROTOTYPES), os.environ.get("PYTHONPATH", "")])
        env = {**os.environ, **cluster.environment, "PYTHONPATH": path, "HONE_PACE": str(PACE.absolute())}
        command = [sys.executable, "-m", "hone", "train", "-m", *RUN, f"sweep.name={name}", *words]
        options: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "env": env}
        self.process = subprocess.Popen(command, **options)
        commands.append(self)

    def wait_for(self, condition: Callable[[], Any]) -> None:
        end = time.monotonic() + PATIENCE
        while not condition():
            assert self.process.poll() is None, self.process.communicate()[0]
            assert time.monotonic() < end, "it did not happen in time"
            time.sleep(0.1)

    def end(self, code: int) -> str:
        """Wait for the end of the command and return what it printed."""
        out, _ = self.process.communicate(timeout=PATIENCE)
        assert self.process.returncode == code, out
        assert "Slurm accounting" not in out
        assert "sacct" not in out
        return out

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()  # which closes its pipe


commands: list[Command] = []
"""Those that a test has started, and that may still run if it fails."""


def write_rows(split: str) -> None:
    path = Path("data", f"{split}.jsonl")
    path.parent.mkdir(exist_ok=True)
    rows = [{"text": f"row {row} of {split}", "label": "odd" if row % 2 else "even"} for row in range(32)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def steps(folder: Path) -> list[int]:
    return [row["step"] for row in journal(folder) if "validation/loss" in row]


def begun(name: str) -> list[Path]:
    """Return the runs that have been evaluated, so that they have a checkpoint, and have not ended."""
    folders = [path.parent for path in Path("outputs", name).glob("*/metrics.jsonl")]
    return sorted(folder for folder in folders if steps(folder) and record(folder)["state"] == "running")


def job_of(folder: Path) -> str:
    return (folder.parent / ".submitit" / f"{folder.name}.job").read_text()


def submitted_jobs(name: str) -> list[str]:
    """Return the ids of all jobs that a sweep has submitted, those for the scores of its test split included."""
    jobs = []
    for path in sorted(Path("outputs", name, ".submitit").glob("[0-9]*_submission.sh")):
        number = path.name.partition("_")[0]
        array = [line for line in path.read_text().splitlines() if line.startswith("#SBATCH --array=")]
        last = int(array[0].partition("=0-")[2].partition("%")[0]) if array else 0
        jobs += [f"{number}_{place}" for place in range(last + 1)] if array else [number]
    return jobs


def cells(name: str) -> list[dict[str, Any]]:
    return json.loads(Path("outputs", name, "sweep.json").read_text())["cells"]


def results(name: str) -> dict[str, Any]:
    """Return what must agree bit for bit: the weights of each run, and its loss at each evaluation."""
    folders = [path.parent for path in Path("outputs", name).glob("*/run.json")]
    return {folder.name: (weights(folder), losses(folder)) for folder in folders}


def weights(folder: Path) -> bytes:
    return (folder / "model" / "model.safetensors").read_bytes()


def losses(folder: Path) -> list[tuple[int, float]]:
    return [(row["step"], row["validation/loss"]) for row in journal(folder) if "validation/loss" in row]


def test_a_grid_is_one_array_and_so_are_the_scores_of_the_test_split(cluster: Cluster, figures: Figures) -> None:
    write_rows("test")
    grid = ("optimizer.lr=1e-3,3e-3", "seed=0,1", *ON_SLURM)
    assert "4 runs (4 finished)" in Command(cluster, "grid", *grid).end(0)
    arrays = {job.partition("_")[0] for job in submitted_jobs("grid") if "_" in job}
    assert len(arrays) == 2  # the runs, and the scores of the two seeds that were chosen
    assert "4 runs were finished before" in Command(cluster, "grid", *grid).end(0)
    figures.check("grid", cells=4, jobs=6)


def test_a_requeued_job_goes_on_and_a_cancelled_one_is_repeated_alone(cluster: Cluster, figures: Figures) -> None:
    grid = ("optimizer.lr=1e-3,2e-3,3e-3", "tracker=wandb")
    PACE.touch()
    command = Command(cluster, "disturbed", *grid, *ON_SLURM)
    command.wait_for(lambda: len(begun("disturbed")) == 3)
    requeued, cancelled, _ = begun("disturbed")
    tracked, job, lost = record(requeued)["tracker"]["id"], job_of(requeued), job_of(cancelled)
    cluster.ask("scontrol", "requeue", job)
    cluster.ask("scancel", lost)
    command.wait_for(lambda: record(requeued)["state"] == "preempted")
    command.wait_for(lambda: cluster.jobs()[job] == "PENDING")

    PACE.unlink()
    out = command.end(1)
    assert {cell["identity"]: cell["state"] for cell in cells("disturbed")}[cancelled.name] == "failed"
    assert f"job {lost}: it ended without a result, CANCELLED" in out
    assert cluster.ask("scontrol", "show", "job", job).count("Restarts=1") == 1
    assert record(requeued)["tracker"]["id"] == tracked
    assert len([*Path("outputs/wandb").glob(f"offline-run-*-{tracked}")]) == 2

    assert "2 runs were finished before" in Command(cluster, "disturbed", *grid, *ON_SLURM).end(0)
    figures.check("disturbed", cells=3, jobs=4)
    Command(cluster, "undisturbed", *grid).end(0)
    assert results("disturbed") == results("undisturbed")


def test_a_run_that_needs_longer_than_its_job_goes_on_in_the_next(cluster: Cluster, figures: Figures) -> None:
    PACE.touch()
    limit = ("hydra.launcher.timeout_min=10", "hydra.launcher.signal_delay_s=119")
    command = Command(cluster, "long", "optimizer.lr=1e-3,3e-3", *ON_SLURM, *limit)
    command.wait_for(lambda: begun("long"))
    run = begun("long")[0]
    job = job_of(run)
    # Two minutes from now at most, so that the notice of 119 seconds begins at once, however slowly the job began.
    minutes = int(cluster.ask("squeue", "--noheader", "--format=%M", f"--jobs={job}").split(":")[-2])
    cluster.ask("scontrol", "update", f"jobid={job}", f"timelimit={minutes + 2}")
    command.wait_for(lambda: record(run)["state"] == "preempted")
    command.wait_for(lambda: cluster.jobs()[job] == "PENDING")
    cluster.ask("scontrol", "update", f"jobid={job}", "timelimit=10")
    PACE.unlink()
    command.end(0)
    assert "this job is timed-out" in next(run.parent.glob(f".submitit/{job}_0_log.err")).read_text()
    assert "Restarts=1 " in cluster.ask("scontrol", "show", "job", job)
    figures.check("long", cells=2, jobs=2)


def test_a_node_that_dies_costs_no_run(cluster: Cluster, figures: Figures) -> None:
    grid = ("optimizer.lr=1e-3,3e-3", *ON_SLURM)
    PACE.touch()
    command = Command(cluster, "power", *grid)
    command.wait_for(lambda: len(begun("power")) == 2)
    jobs = [job_of(folder) for folder in begun("power")]
    cluster.kill_node()
    cluster.ask("scontrol", "update", f"nodename={NODE}", "state=down", "reason=power")
    command.wait_for(lambda: [cluster.jobs()[job] for job in jobs] == ["PENDING"] * 2)
    cluster.ask("scontrol", "update", f"nodename={NODE}", "state=resume")
    cluster.start_node()
    PACE.unlink()
    command.end(0)
    figures.check("power", cells=2, jobs=2)


@accounting_or_not
def test_the_jobs_of_a_killed_command_are_found_again(cluster: Cluster, figures: Figures) -> None:
    grid = ("optimizer.lr=1e-3,2e-3,3e-3", *ON_SLURM, "hydra.launcher.array_parallelism=2")
    PACE.touch()
    first = Command(cluster, "orphaned", *grid)
    first.wait_for(lambda: len(begun("orphaned")) == 2)
    assert sorted(set(cluster.jobs().values()) & {"PENDING", "RUNNING"}) == ["PENDING", "RUNNING"]
    first.kill()
    lock = Path("outputs/orphaned/.submitit/.lock")
    before = lock.stat().st_mtime
    second = Command(cluster, "orphaned", *grid)
    second.wait_for(lambda: lock.stat().st_mtime > before)  # it looks for the job that has not begun
    PACE.unlink()
    second.end(0)
    figures.check("orphaned", cells=3, jobs=3)


def test_several_commands_at_once_share_a_cluster_and_a_sweep(cluster: Cluster, figures: Figures) -> None:
    grid = ("optimizer.lr=1e-3,3e-3", *ON_SLURM)
    commands = [Command(cluster, name, *grid) for name in ("shared", "shared", "other")]
    for command in commands:
        assert "2 runs (2 finished)" in command.end(0)
    figures.check("other", cells=2, jobs=2)
    figures.check("shared", cells=2, jobs=2)


def test_a_command_that_is_asked_to_stop_lets_its_jobs_save_themselves(cluster: Cluster, figures: Figures) -> None:
    grid = ("optimizer.lr=1e-3,3e-3", *ON_SLURM)
    PACE.touch()
    command = Command(cluster, "stopped", *grid)
    command.wait_for(lambda: len(begun("stopped")) == 2)
    runs = begun("stopped")
    command.process.send_signal(signal.SIGTERM)
    assert "asked to stop by SIGTERM; the same command continues it" in command.end(75)
    assert cluster.ask("squeue", "--noheader", "--states=running,pending") == ""
    assert [record(run)["state"] for run in runs] == ["preempted"] * 2
    before = [steps(run) for run in runs]
    PACE.unlink()
    Command(cluster, "stopped", *grid).end(0)
    assert [steps(run)[: len(early)] for run, early in zip(runs, before, strict=True)] == before
    figures.check("stopped", cells=2, jobs=4)
