"""W&B online: the real client and the real agent against a stand-in for its server."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from conftest import PROTOTYPES, ROOT, SMALL, Hone, journal, only_run, record, runs
from harness import overflow
from hone.tracking.tracker import RunInfo
from hone.tracking.wandb import download
from hone.tracking.wandb.tracker import WandbTracker
from hone.training.progress import RunProgress
from wandb_server.faults import Fault
from wandb_server.server import Server

TRACKED = ("tracker=wandb", *SMALL[1:])
Words = tuple[str, ...]
SWEEPS = sorted((ROOT / "sweeps").glob("*.yaml"))


@pytest.mark.slow
def test_a_run_arrives_as_it_is(server: Server, process: Hone) -> None:
    done = process("train", *TRACKED)
    assert done.code == 0, done.said
    told, (arrived,) = record(only_run()), server.state.runs.values()
    assert arrived.name == told["tracker"]["id"]
    assert arrived.state == "finished"
    assert arrived.about["groupName"] == told["group"]
    assert arrived.config["provenance"]["data"]["fingerprint"] == told["data"]["fingerprint"]
    assert arrived.summary["validation/f1_macro"] == pytest.approx(told["best"]["value"])
    assert [row["step"] for row in arrived.history] == [row["step"] for row in journal(only_run())]
    assert arrived.history[-1]["test/predictions"]["nrows"] == 32
    (name,) = [name for name in arrived.files if name.startswith("media/table/test/predictions")]
    shown = json.loads(arrived.files[name])
    assert shown["columns"] == ["why", "row", "text", "label", "prediction", "loss"]
    assert {row[0] for row in shown["data"]} == {"worst", "random"}
    charts = arrived.config["_wandb"]["visualize"]
    assert charts["validation/confusion"]["panel_config"]["panelDefId"] == "wandb/confusion_matrix/v1"
    assert {"validation/confusion", "test/confusion", "data/labels"} == charts.keys()
    assert arrived.summary["Custom Chart Tables/test/confusion_table"]["nrows"] == 36


@pytest.mark.slow
def test_a_killed_run_goes_on_as_the_same_without_losing_or_doubling_a_row(server: Server, process: Hone) -> None:
    words = [*TRACKED, "epochs=null", "steps=120", "log_every=1", "save_every=25", "evaluate_every=20", "resume=auto"]
    first = subprocess.Popen([sys.executable, "-m", "hone", "train", *words], stderr=subprocess.DEVNULL)
    until(lambda: any(path.read_bytes().count(b"\n") > 40 for path in Path().glob("**/metrics.jsonl")))
    first.kill()
    first.wait()
    done = process("train", *words)
    assert done.code == 0, done.said
    (arrived,) = server.state.runs.values()
    assert record(only_run())["tracker"]["mode"] == "online", done.said
    assert arrived.name == record(only_run())["tracker"]["id"]
    assert [row["step"] for row in arrived.history] == [row["step"] for row in journal(only_run())]
    assert [row["_step"] for row in arrived.history] == [*range(len(arrived.history))]
    assert arrived.state == "finished"


@pytest.mark.slow
def test_a_retry_follows_the_rows_that_cannot_be_taken_back(
    server: Server, hone: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline too. Whoever downloads the run gets the rows of the retry alone."""
    overflow(monkeypatch, {5}, above=0.6e-3)
    quick = (*TRACKED, "limit=64", "batch_size=8", "log_every=1", "save_every=3", "optimizer.lr=1e-3")
    for mode in ("online", "offline"):
        done = hone("train", *quick, "on_nonfinite=retry", f"tracker.mode={mode}", f"name={mode}")
        assert done.code == 0, done.said
        if mode == "offline":
            assert hone("sync", "outputs/offline").code == 0
        run = only_run(f"outputs/{mode}")
        kept = [row for row in journal(run) if len(row) > 1]
        arrived = server.state.runs[record(run)["tracker"]["id"]]
        assert [row["step"] for row in arrived.history][:8] == [1, 2, 3, 4, 3, 4, 5, 6]
        assert [row["_step"] for row in arrived.history] == [*range(len(arrived.history))]
        current = [row for row in download._current(arrived.history) if "train/loss" in row]
        assert [row["train/loss"] for row in current] == [row["train/loss"] for row in kept if "train/loss" in row]
        assert len(arrived.history) == len(journal(run))


@pytest.mark.slow
def test_what_has_arrived_is_not_sent_again_and_what_has_not_is(server: Server, tmp_path: Path) -> None:
    about = RunInfo(id="one", name="one", group="ones", notes="", config={}, root=tmp_path, folder=tmp_path)
    rows = [{"step": number // 2, "train/loss": float(number)} for number in range(9)]
    first = WandbTracker("hone")
    first.start(about)
    for number, row in enumerate(rows[:5]):
        first.log(number, row)
    first.finish("preempted", 75, {})
    again = WandbTracker("hone")
    again.memory = first.memory
    again.start(about)
    again.catch_up(rows[:7])  # two of which never arrived
    for number in (4, 7, 8):  # the first is from before the checkpoint that the run goes on from
        again.log(number, rows[number])
    again.finish("finished", 0, {})
    (arrived,) = server.state.runs.values()
    assert [row["train/loss"] for row in arrived.history] == [*range(9)]
    assert arrived.state == "finished"


@pytest.mark.slow
def test_a_run_that_stops_before_its_first_row_has_that_row_later(
    server: Server, hone: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    """W&B makes a row of tables that wait for one, and then has no place for the numbers."""
    quick = (*TRACKED, "log_every=5", "evaluate_every=6", "save_every=2", "resume=auto")
    advance = RunProgress.advance

    def stops(run: RunProgress, step: int) -> None:
        advance(run, step)
        if step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    for mode in ("online", "offline"):
        words, folder = (*quick, f"name={mode}", f"tracker.mode={mode}"), f"outputs/{mode}"
        with monkeypatch.context() as patch:
            patch.setattr(RunProgress, "advance", stops)
            assert hone("train", *words).code == 75
        assert not journal(only_run(folder))
        assert hone("sync", folder).code == 0
        assert hone("train", *words, "tracker.mode=online").code == 0
        rows = journal(only_run(folder))
        arrived = server.state.runs[record(only_run(folder))["tracker"]["id"]]
        assert [row["step"] for row in arrived.history] == [row["step"] for row in rows]
        assert [row.get("train/loss") for row in arrived.history] == [row.get("train/loss") for row in rows]
        assert "data/splits" in arrived.history[0]


@pytest.mark.slow
def test_a_run_that_was_deleted_there_goes_on_as_a_new_one(server: Server, process: Hone, preempted: Words) -> None:
    assert process("train", *TRACKED, *preempted, "log_every=1").code == 75
    before = record(only_run())["tracker"]["id"]
    server.state.deleted.add(before)
    del server.state.runs[before]
    done = process("train", f"resume={only_run()}", "trust=[prototypes]", "tracker.init_timeout=3")
    assert done.code == 0, done.said
    assert done.err.count("was deleted there") == 1
    known = record(only_run())["tracker"]
    assert known["mode"] == "online"
    assert known["id"] != before
    arrived = server.state.runs[known["id"]]
    assert [row["step"] for row in arrived.history] == [row["step"] for row in journal(only_run())]


@pytest.mark.slow
def test_the_service_of_whoever_starts_a_run_is_not_its_own(
    server: Server, process: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_SERVICE", "3-1-unix-/nowhere/socket")
    done = process("train", *TRACKED, "steps=2", "epochs=null", "tracker.required=true")
    assert done.code == 0, done.said
    assert record(only_run())["tracker"].get("sent"), done.said


def until(happened: Callable[[], bool], seconds: float = 60) -> None:
    """Waits for it."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


@pytest.mark.slow
def test_a_server_that_refuses_does_not_end_the_run(server: Server, process: Hone) -> None:
    server.faults.append(Fault(matching="UpsertBucket", status=403, body="<html>proxy</html>"))
    done = process("train", *TRACKED, "tracker.init_timeout=5", "tracker.finish_timeout=5")
    assert done.code == 0, done.said
    assert done.err.count("goes on offline") == 1
    assert record(only_run())["tracker"]["mode"] == "offline"


@pytest.mark.slow
def test_a_sweep_is_a_group_and_a_run_of_its_own(server: Server, process: Hone) -> None:
    done = process("train", "-m", *TRACKED, "seed=0,1", "sweep.name=both")
    assert done.code == 0, done.said
    arrived = {run.about["displayName"]: run for run in server.state.runs.values()}
    assert {name: run.about["jobType"] for name, run in arrived.items()} == {
        "seed=0": "train", "seed=1": "train", "sweep both": "sweep",
    }  # fmt: skip
    assert {run.about["groupName"] for run in arrived.values()} == {"both"}
    assert {run.state for run in arrived.values()} == {"finished"}
    summary, files = arrived["sweep both"].summary, arrived["sweep both"].files
    assert summary["runs/finished"] == summary["trials"]["nrows"] == 2
    assert summary["best/value"] == pytest.approx(sum(run.summary["best/value"] for run in arrived.values()) / 3)
    assert any(b"<title>both" in content for name, content in files.items() if name.startswith("media/html/report"))


@pytest.mark.slow
def test_an_agent_drives_hone(server: Server) -> None:
    tools = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    sweep = yaml.safe_load((ROOT / "sweeps/grid.yaml").read_text())
    sweep["command"][-1:] = [*SMALL[1:], sweep["command"][-1]]
    Path("sweep.yaml").write_text(yaml.safe_dump(sweep))

    def wandb(*words: str) -> None:
        subprocess.run(["wandb", *words], env={**os.environ, "PATH": tools}, check=True, capture_output=True)

    wandb("sweep", "sweep.yaml")
    (identity,) = server.state.sweeps
    wandb("agent", "--count", "3", f"someone/hone/{identity}")
    assert {run.state for run in server.state.runs.values()} == {"finished"}
    assert {run.sweep for run in server.state.runs.values()} == {identity}
    assert {run.config["seed"] for run in server.state.runs.values()} == {0, 1, 2}
    assert {record(run)["tracker"]["id"] for run in runs()} == set(server.state.runs)


ENDS = {
    "Fine": "finished", "Raises": "failed", "Exits": "failed", "Diverges": "failed", "Preempted": "preempted",
    "Killed": "running",
}  # fmt: skip


@pytest.mark.slow
def test_every_job_is_a_run_of_its_own_however_it_ends(
    server: Server, process: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PROTOTYPES), os.environ.get("PYTHONPATH", "")]))
    targets = ",".join(f"prototypes.mishaps.{name}" for name in ENDS)
    words = ("trust=[prototypes]", "log_every=1", f"optimizer.algorithm._target_={targets}")
    done = process("train", "-m", *TRACKED, "sweep.name=ends", *words)
    assert done.code == 1, done.said
    arrived = {run.config["optimizer"]["algorithm"]["_target_"].rpartition(".")[2]: run
               for run in server.state.runs.values() if run.about["jobType"] == "train"}  # fmt: skip
    assert {name: run.state for name, run in arrived.items()} == ENDS
    for folder in runs("outputs/ends"):
        told, run = record(folder), server.state.runs[record(folder)["tracker"]["id"]]
        assert run.config["provenance"]["id"] == told["id"]
        if run.state != "running":
            assert run.summary.get("reason") == told["reason"]
            assert [row["step"] for row in run.history] == [row["step"] for row in journal(folder)]
    assert process("sync").code == 0
    assert {run.state for run in arrived.values()} == {"finished", "failed", "preempted"}
    assert {len(run.history) for run in arrived.values()} == {len(journal(folder)) for folder in runs("outputs/ends")}


@pytest.fixture
def preempted(monkeypatch: pytest.MonkeyPatch) -> Words:
    """With which a run is asked to stop at its third step."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PROTOTYPES), os.environ.get("PYTHONPATH", "")]))
    return "trust=[prototypes]", "optimizer.algorithm._target_=prototypes.mishaps.Preempted"


@pytest.fixture
def agent(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What an agent says in the environment."""
    said = {"WANDB_SWEEP_ID": "search", "WANDB_RUN_ID": "point", "WANDB_PROJECT": "lab", "WANDB_ENTITY": "team"}
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    return said


@pytest.mark.slow
@pytest.mark.parametrize("resumed", [False, True])
def test_a_run_of_an_agent_stays_in_its_place_whoever_goes_on_with_it(
    resumed: bool,
    agent: dict[str, str],
    preempted: Words,
    server: Server,
    process: Hone,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HONE_TRUST", "prototypes")  # an agent's words come from a config, so the shell must trust
    fault = Fault(matching="file_stream", status=403)
    server.faults.append(fault)
    assert process("train", *TRACKED, *preempted, "log_every=1").code == 75
    assert fault.seen
    server.state.runs.clear()
    server.faults.clear()
    for name in agent:
        monkeypatch.setenv(name, "another")
        if resumed:  # a run that goes on under an agent is that agent's
            monkeypatch.delenv(name)
    again = ("train", f"resume={only_run()}", "trust=[prototypes]")
    assert process(*(again if resumed else ("sync",))).code == 0
    (arrived,) = server.state.runs.values()
    place = (arrived.sweep, arrived.name, arrived.project, arrived.entity)
    assert place == tuple(agent.values())
    assert len(arrived.history) == len(journal(only_run()))


@pytest.mark.slow
@pytest.mark.usefixtures("agent")
def test_a_sweep_as_a_point_of_an_agent_has_runs_of_its_own(server: Server, process: Hone) -> None:
    done = process("train", "-m", *TRACKED, "seed=0,1", "name=both")
    assert done.code == 0, done.said
    arrived = server.state.runs
    assert {run.project for run in arrived.values()} == {"lab"}
    assert {name for name, run in arrived.items() if run.sweep} == {"point"}
    assert {record(run)["tracker"]["id"] for run in runs("outputs/both-by-seed-point")} == arrived.keys() - {"point"}
    assert len(arrived) == 3
    assert "provenance" not in arrived["point"].config, "it is none of the runs"
    assert arrived["point"].summary["validation/f1_macro"] == arrived["point"].summary["best/value"]
    compared = process("compare", "wandb:team/lab/sweep:search")
    assert "2 runs (2 finished)" in compared.out, compared.said


@pytest.mark.parametrize("path", SWEEPS, ids=lambda path: path.stem)
def test_every_sweep_names_keys_that_there_are(path: Path, hone: Hone) -> None:
    sweep = yaml.safe_load(path.read_text())
    fixed = [word for word in sweep["command"] if "=" in word]
    words = [f"{key}={each.get('values', [each.get('min')])[0]}" for key, each in sweep["parameters"].items()]
    assert hone("train", "--cfg", "job", *fixed, *words).code == 0
    assert sweep["metric"]["name"] == "validation/f1_macro"
