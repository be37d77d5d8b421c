"""W&B, through the real client: what it is told is what the journal has, and nothing it does ends a run."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import SMALL, Hone, journal, only_run, record, runs
from hone.tracking.wandb.client import usable_mode

TRACKED = ("tracker=wandb", *SMALL[1:])


def inspect(run: Path, *flags: str) -> Any:
    """What W&B's own reader finds in the file of an offline run."""
    words = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", *flags, record(run)["tracker"]["dir"]]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout) if flags else [json.loads(line) for line in done.stdout.splitlines()]


def test_offline_it_mirrors_the_journal(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    done = hone("train", *TRACKED, "notes=a try", "tracker.tags=[demo]", "evaluate_every=2")
    assert done.code == 0, done.said
    assert "hone sync outputs" in done.out
    run = only_run()
    seen = inspect(run, "--summary")
    assert seen["state"] == "finished"
    assert seen["exit_code"] == 0
    assert seen["run_id"] == record(run)["tracker"]["id"]
    assert seen["config"]["optimizer"]["lr"] == pytest.approx(2e-3)
    assert seen["config"]["provenance"]["data"]["fingerprint"] == record(run)["data"]["fingerprint"]
    assert seen["config"]["choices"]["checkpoint"] == "tiny_bert"
    summary = seen["summary"]
    assert summary["validation/f1_macro"] == pytest.approx(record(run)["best"]["value"]), "the best, not the last"
    assert summary["test/accuracy"] == pytest.approx(record(run)["scores"]["test/accuracy"])
    assert summary["best/step"] == record(run)["best"]["step"]
    history = [entry["history"] for entry in inspect(run) if entry["type"] == "history"]
    assert len(history) == len(journal(run)), "tables stand in the row of their step"
    (evaluated,) = [
        entry["item"] for entry in history if "validation/loss" in entry["item"] and entry["item"]["step"] == 4
    ]
    assert evaluated["validation/predictions.nrows"] == 32
    assert evaluated["Custom Chart Tables/validation/confusion_table.nrows"] == 36
    assert {"validation/predictions", "test/predictions", "data/splits"} <= summary.keys()
    assert {"examples", "seconds", "epoch"} <= evaluated.keys()


def test_a_failed_run_is_failed_there_too(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    from hone.training import loop

    monkeypatch.setattr(loop, "predict", lambda *parts: 1 / 0)
    assert hone("train", *TRACKED).code == 1
    seen = inspect(only_run(), "--summary")
    assert seen["exit_code"] == 1
    assert seen["summary"]["state"] == "failed"


@pytest.mark.slow
def test_every_job_of_a_multirun_is_a_run_of_its_own(hone: Hone) -> None:
    done = hone("train", "-m", *TRACKED, "seed=0,1")
    assert done.code == 0, done.said
    seeds = {inspect(run, "--summary")["config"]["seed"]: record(run)["tracker"]["id"] for run in runs()}
    assert set(seeds) == {0, 1}
    assert len(set(seeds.values())) == 2
    sweep = json.loads((runs()[0].parent / "sweep.json").read_text())
    words = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", "--summary", sweep["tracker"]["dir"]]
    whole = json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout)
    assert whole["config"]["sweep"]["keys"] == ["seed"]
    assert whole["summary"]["runs/finished"] == 2
    assert whole["summary"]["trials"]["nrows"] == 2


WITH_A_KEY = {"WANDB_API_KEY": "0123456789" * 4}
"""The server's address in these tests is one where nobody listens."""


@pytest.mark.slow
def test_without_its_server_the_run_goes_on_offline(process: Hone) -> None:
    done = process("train", *TRACKED, "tracker.init_timeout=2", "tracker.finish_timeout=2", **WITH_A_KEY)
    assert done.code == 0, done.said
    assert done.err.count("offline") == 1
    assert record(only_run())["tracker"], done.said
    assert record(only_run())["tracker"]["mode"] == "offline"
    assert record(only_run())["state"] == "finished"


@pytest.mark.slow
def test_required_it_stops_the_run_before_it_begins(process: Hone) -> None:
    done = process("train", *TRACKED, "tracker.init_timeout=2", "tracker.required=true", **WITH_A_KEY)
    assert done.code == 2, done.said
    assert "tracker.required" in done.err
    assert not runs()


@pytest.mark.parametrize(
    ("said", "mode"), [("tracker.mode=auto", None), ("tracker.mode=offline", None), ("WANDB_MODE=offline", "offline")]
)
def test_required_it_is_not_offline(said: str, mode: str | None, hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    if mode:
        monkeypatch.setenv("WANDB_MODE", mode)
    else:
        monkeypatch.setenv("NETRC", os.devnull)
    done = hone("train", *TRACKED, "tracker.required=true", *([] if mode else [said]))
    assert done.code == 2
    assert "tracker.required=true, but" in done.err
    assert said in done.err or "has no key" in done.err
    assert not runs()


def test_disabled_it_is_left_alone(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert hone("train", *TRACKED).code == 0
    assert record(only_run())["tracker"] == {"name": "wandb", "mode": "disabled"}
    assert not Path("outputs/wandb").exists()
    assert "W&B was disabled" in hone("sync", "dry_run=true").out


@pytest.mark.parametrize("word", ["project=team/mine", "project=''", f"project={'x' * 129}", f"tags=[{'x' * 65}]"])
def test_what_w_and_b_would_refuse_is_a_mistake(word: str, hone: Hone) -> None:
    done = hone("train", "tracker=wandb", *SMALL[1:], f"tracker.{word}")
    assert done.code == 2
    assert f"tracker.{word.partition('=')[0]}" in done.err
    assert "characters" in done.err
    assert not runs()


def test_none_tracks_nothing(hone: Hone) -> None:
    assert hone("train", *SMALL).code == 0
    assert record(only_run())["tracker"] is None
    assert not Path("outputs/wandb").exists()


@pytest.mark.parametrize(
    ("said", "mode"), [("dryrun", "offline"), ("offline", "offline"), ("run", "online"), ("disabled", "disabled")]
)
def test_the_environment_has_the_last_word_on_the_mode(said: str, mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", said)
    assert usable_mode("online", required=False) == usable_mode("offline", required=False) == mode
