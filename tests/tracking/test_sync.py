"""`hone sync`: whatever happened to W&B's own files, the run arrives whole, and once."""

import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import SMALL, Hone, journal, only_run, record
from hone.runs.folder import Folder
from hone.tracking.tracker import RunInfo
from hone.tracking.wandb.sync import RunUpload
from hone.tracking.wandb.tracker import WandbTracker
from hone.training.progress import RunProgress
from wandb_server.faults import Fault
from wandb_server.server import Server, serving

OFFLINE = ("tracker=wandb", "tracker.mode=offline", *SMALL[1:], "log_every=1")


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with serving() as served:
        monkeypatch.setenv("WANDB_BASE_URL", served.address)
        monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
        yield served


def its_file() -> Path:
    (folder,) = Path("outputs/wandb").glob("offline-run-*")
    return next(folder.glob("*.wandb"))


def require_arrived(server: Server) -> None:
    (arrived,) = server.state.runs.values()
    told = record(only_run())
    assert arrived.name == told["tracker"]["id"]
    assert [row["step"] for row in arrived.history] == [row["step"] for row in journal(only_run())]
    assert [row.get("train/loss") for row in arrived.history] == [row.get("train/loss") for row in journal(only_run())]
    assert arrived.state == "finished"
    assert arrived.about["groupName"] == told["group"]
    assert arrived.config["provenance"]["data"] == told["data"]
    assert arrived.config["choices"]["task"] == "text_classification"
    assert arrived.summary["best/value"] == pytest.approx(told["best"]["value"])
    assert [row["step"] for row in arrived.history if "validation/predictions" in row] == [6]
    assert "data/splits" in arrived.history[0], "what was shown beside numbers comes from the journal's side too"


@pytest.mark.parametrize(
    ("damage", "way"),
    [
        pytest.param("nothing", "W&B's own file", marks=pytest.mark.slow),
        pytest.param("cut", "damaged or cut off", marks=pytest.mark.slow),
        pytest.param("gone", "is gone", marks=pytest.mark.slow),
    ],
)
def test_it_arrives_once(damage: str, way: str, server: Server, hone: Hone, process: Hone) -> None:
    assert hone("train", *OFFLINE).code == 0
    file = its_file()
    if damage == "cut":
        file.write_bytes(file.read_bytes()[:-200])
    elif damage == "gone":
        shutil.rmtree(file.parent)
    seen = process("sync", "dry_run=true")
    assert way in seen.out
    assert not server.state.runs
    done = process("sync")
    assert done.code == 0, done.said
    assert way in done.out
    require_arrived(server)
    before = server.state.requests.count("UpsertBucket")
    assert "already there" in process("sync").out
    assert server.state.requests.count("UpsertBucket") == before


@pytest.mark.slow
@pytest.mark.parametrize("refused", ["UpsertBucket", "file_stream"])
def test_what_does_not_arrive_is_told_and_tried_again(refused: str, server: Server, hone: Hone, process: Hone) -> None:
    assert hone("train", *OFFLINE).code == 0
    server.faults.append(Fault(matching=refused, status=403))
    failed = process("sync", "outputs")
    assert failed.code == 1
    assert "1 of 1 runs did not arrive" in failed.err
    assert "sent" not in record(only_run())["tracker"]
    server.faults.clear()
    again = process("sync")
    assert again.code == 0, again.said
    require_arrived(server)


@pytest.mark.slow
def test_a_server_that_is_gone_is_not_waited_for_run_by_run(server: Server, hone: Hone, process: Hone) -> None:
    for seed in (0, 1, 2):
        assert hone("train", *OFFLINE, f"seed={seed}").code == 0
    server.leave()
    begun = time.monotonic()
    gone = process("sync")
    assert gone.code == 2
    assert gone.err.count("W&B's server does not answer") == 1
    assert time.monotonic() - begun < 60
    server.come()
    fault = Fault("Viewer|UpsertBucket", 403, after=1)
    server.faults.append(fault)
    refused = process("sync")
    assert fault.seen
    assert refused.code == 2
    assert refused.out.count("failed:") == 1, "the others would be refused as well"


@pytest.mark.slow
def test_a_sweep_that_is_killed_while_w_and_b_hears_of_it(
    server: Server, hone: Hone, process: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = WandbTracker.start

    def dies(tracker: WandbTracker, run: RunInfo) -> None:
        if run.job_type == "sweep":
            raise KeyboardInterrupt
        begin(tracker, run)

    words = ("train", "-m", *OFFLINE, "seed=0,1", "sweep.name=both")
    with monkeypatch.context() as patch:
        patch.setattr(WandbTracker, "start", dies)
        assert hone(*words).code == 130
    known = json.loads(Path("outputs/both/sweep.json").read_text())["tracker"]
    assert known.keys() == {"name", "id"}
    done = process("sync", "outputs/both")
    assert done.code == 0, done.said
    assert server.state.runs[known["id"]].about["displayName"] == "sweep both"
    assert len(server.state.runs) == 3


def test_mistakes(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    assert hone("sync", "nowhere").code == 2
    assert hone("train", *SMALL).code == 0
    assert "not tracked in W&B" in hone("sync").out
    assert hone("sync", "dryrun=true").code == 2


@pytest.mark.slow
def test_only_a_file_that_can_be_read_to_its_end_is_sent(hone: Hone) -> None:
    """Cut anywhere, or damaged in the middle, the run is sent from its journal; so is one that was stopped before."""
    assert hone("train", *OFFLINE).code == 0
    file, folder = its_file(), Folder(only_run())
    whole = file.read_bytes()
    assert record(only_run())["tracker"]["complete"]
    assert RunUpload.of(folder).way == "file"
    for size in (0, 5, 7, 100, len(whole) // 2, len(whole) - 100, len(whole) - 1):
        file.write_bytes(whole[:size])
        assert RunUpload.of(folder).way == "journal", size
    damaged = bytearray(whole)
    damaged[len(whole) // 2] ^= 0xFF
    file.write_bytes(damaged)
    assert RunUpload.of(folder).way == "journal"
    file.write_bytes(whole)
    assert RunUpload.of(folder).way == "file"


def test_a_run_in_two_sittings_is_sent_from_its_journal(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    advance = RunProgress.advance
    with monkeypatch.context() as patch:
        patch.setattr(
            RunProgress,
            "advance",
            lambda run, step: (advance(run, step), step == 3 and os.kill(os.getpid(), signal.SIGTERM)),
        )
        assert hone("train", *OFFLINE).code == 75
    assert record(only_run())["tracker"]["complete"], "so far the file has everything"
    assert hone("train", *OFFLINE, "resume=auto").code == 0
    assert "complete" not in record(only_run())["tracker"]
    assert "stopped and resumed" in hone("sync", "dry_run=true").out
