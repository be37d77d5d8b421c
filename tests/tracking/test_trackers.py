"""The trackers that need no server: what they write is what the journal has, and none of them ends a run."""

import csv
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import event_files
from conftest import SMALL, Hone, journal, only_run, record, runs
from hone.runs.folder import Folder
from hone.runs.journal import Journal
from hone.tracking.csv_file import CsvTracker
from hone.tracking.exhibits import Table
from hone.tracking.tensorboard import TensorBoardTracker
from hone.tracking.tracker import RunInfo
from hone.tracking.wandb.sync import wandb_part

BRIEF = (*SMALL[1:], "log_every=2", "evaluate_every=3")


def read_csv(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def numbers(rows: list[dict[str, Any]]) -> list[dict[str, float]]:
    return [{name: float(value) for name, value in row.items() if value not in ("", None)} for row in rows]


def test_csv_is_the_journal(hone: Hone) -> None:
    done = hone("train", *BRIEF, "tracker=csv", "tracker.examples=7", "optimizer.layer_decay=0.5")
    assert done.code == 0, done.said
    run = only_run()
    assert numbers(read_csv(run / "metrics.csv")) == numbers(journal(run))
    last = journal(run)[-1]
    assert last["test/accuracy"] == record(run)["scores"]["test/accuracy"]
    assert last["examples"] == 96
    first = journal(run)[0]
    assert first["train/lr/layer_1"] == pytest.approx(first["train/lr"] / 4)
    assert first["train/memory_gb"] > 0.05
    rows = read_csv(run / "tables/validation/predictions/6.csv")
    assert len(rows) == 7
    assert {"worst", "random"} <= {row["why"] for row in rows}
    losses = [float(row["loss"]) for row in rows if row["why"] == "worst"]
    assert losses == sorted(losses, reverse=True)
    assert "loss before" in rows[0]
    cells = read_csv(run / "tables/validation/confusion/6.csv")
    assert sum(int(cell["count"]) for cell in cells) == 32
    labels = read_csv(run / "tables/data/labels.csv")
    assert sum(int(row["value"]) for row in labels) == 96
    lengths = read_csv(run / "tables/data/lengths/train.csv")
    assert sum(int(row["count"]) for row in lengths) == 96


def test_csv_follows_the_journal_back(tmp_path: Path) -> None:
    diary, tracker = Journal(Folder(tmp_path).journal), CsvTracker()
    tracker.start(RunInfo("a", "a", "g", "", {}, tmp_path, tmp_path))

    def tell(row: dict[str, float]) -> None:
        tracker.log(diary.log(row), row)

    for step in range(1, 5):
        tell({"step": step, "train/loss": 1 / step})
    tell({"step": 4, "validation/loss": float("nan")})
    tracker.path.write_text(tracker.path.read_text()[:-3])
    tracker.catch_up(diary.rewind(2))
    assert read_csv(tracker.path) == [{"step": "1", "train/loss": "1.0"}, {"step": "2", "train/loss": "0.5"}]
    tell({"step": 3, "train/loss": 0.25, "later": 1})
    assert read_csv(tracker.path)[-1] == {"step": "3", "train/loss": "0.25", "later": "1"}
    assert len(read_csv(tracker.path)) == 3
    diary.close()


def test_tensorboard_gets_everything_once_though_the_run_is_stopped(
    hone: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hone.training.progress import RunProgress

    advance = RunProgress.advance
    with monkeypatch.context() as patched:
        patched.setattr(
            RunProgress,
            "advance",
            lambda run, step: (advance(run, step), step == 3 and os.kill(os.getpid(), signal.SIGTERM)),
        )
        assert hone("train", *BRIEF, "tracker=tensorboard").code == 75
    done = hone("train", *BRIEF, "tracker=tensorboard", "resume=auto")
    assert done.code == 0, done.said
    assert "tensorboard --logdir outputs" in done.out
    run = only_run()
    for name in ("train/loss", "validation/f1/joy", "test/accuracy"):
        told = [(row["step"], row[name]) for row in journal(run) if name in row]
        assert event_files.scalars(run, name) == [(step, pytest.approx(value)) for step, value in told]
    assert len(event_files.texts(run, "data/splits")) == 1, "what is known of the data is told once"
    assert [step for step, _ in event_files.texts(run, "validation/predictions")] == [3, 6]
    assert "| true ↓ predicted → | sadness |" in event_files.texts(run, "test/confusion")[0][1]
    assert [event.step for event in event_files.events(run) if event.HasField("session_log")] == [1, 5]
    best = record(run)["best"]
    assert event_files.scalars(run, "best/value")[-1] == (best["step"], pytest.approx(best["value"]))
    tags = [value.tag for _, value in event_files.values(run)]
    assert tags.count("_hparams_/session_start_info") == tags.count("_hparams_/session_end_info") == 2
    told = b"".join(value.metadata.plugin_data.content for _, value in event_files.values(run))
    assert b"optimizer.lr" in told
    assert b"provenance" not in told


def test_an_event_is_on_the_disk_when_the_call_returns(tmp_path: Path) -> None:
    tracker = TensorBoardTracker()
    tracker.start(RunInfo("a", "a", "g", "", {}, tmp_path, tmp_path))
    tracker.catch_up([])
    for step in range(1, 200):
        tracker.log(step, {"step": step, "train/loss": 1.0})
        if step % 20 == 0:
            assert len(event_files.scalars(tmp_path, "train/loss")) == step
    tracker.exhibit("long", Table(["text"], [["x" * 100_000]]), 200)
    assert len(event_files.texts(tmp_path, "long")) == 1, "a record that is longer than the file's buffer"
    tracker.finish("finished", 0, {})


def test_without_its_package_tensorboard_says_how_to_get_it(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    from hone.tracking import tensorboard

    monkeypatch.setattr(tensorboard, "find_spec", lambda name: None)
    done = hone("train", *BRIEF, "tracker=tensorboard")
    assert done.code == 2
    assert "pip install 'hone-lab[tensorboard]'" in done.err
    assert not runs()


def test_of_several_one_that_fails_harms_no_other(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(TensorBoardTracker, "log", lambda *parts: 1 / 0)
    several = ("tracker=several", "tracker.wandb=null", "+tracker@tracker.board=tensorboard")
    done = hone("train", *BRIEF, *several, "tracker.csv.examples=0")
    assert done.code == 0, done.said
    assert done.err.count("TensorBoardTracker failed (division by zero)") == 1
    run = only_run()
    assert numbers(read_csv(run / "metrics.csv")) == numbers(journal(run))
    assert event_files.texts(run, "data/splits"), "until then it was told everything"
    assert not (run / "tables/validation/predictions").exists()
    assert (run / "tables/validation/confusion").exists()


def test_alone_a_tracker_that_fails_ends_no_run(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CsvTracker, "start", lambda *parts: 1 / 0)
    done = hone("train", *BRIEF, "tracker=csv")
    assert done.code == 0, done.said
    assert done.err.count("CsvTracker failed") == 1


def test_a_secret_in_the_data_is_not_shown(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEMO_API_KEY", "surprise")
    assert hone("train", *BRIEF, "tracker=csv").code == 0
    tables = [path.read_text() for path in only_run().glob("tables/**/*.csv")]
    assert not [text for text in tables if "surprise" in text]
    assert any("***" in text for text in tables)


def test_wandb_is_found_alone_and_among_several() -> None:
    wandb = {"_target_": "hone.tracking.wandb.tracker.WandbTracker", "project": "hone"}
    table = {"_target_": "hone.tracking.csv_file.CsvTracker", "examples": 32}
    assert wandb_part(wandb) == wandb
    assert wandb_part({"_target_": "hone.tracking.tracker.Several", "csv": table, "wandb": wandb}) == wandb
    assert wandb_part({"_target_": "hone.tracking.tracker.Several", "csv": table, "wandb": None}) is None
    assert wandb_part(table) is None
