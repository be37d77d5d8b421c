"""What a run leaves behind: its record in every state, its journal, its folder, and no secrets."""

import json
import multiprocessing
import os
import signal
from pathlib import Path

import pytest
import torch
import yaml

from conftest import SMALL, Hone, journal, only_run, record, runs
from hone.core.redact import forget_secrets, redact, redact_override, redact_text
from hone.core.task import Facts
from hone.runs.folder import Folder, new_folder
from hone.runs.identity import identity_of
from hone.runs.journal import Journal, read_rows
from hone.runs.record import Record

CANARIES = {"WANDB_API_KEY": "canary-one-0123456789", "MY_SERVICE_TOKEN": "canary-two-0123456789"}


def test_a_finished_run_has_everything(hone: Hone) -> None:
    done = hone("train", *SMALL, "notes=first try")
    assert done.code == 0, done.said
    run = only_run()
    there = {path.name for path in run.iterdir()} - {".lock"}
    expected = {
        "config.yaml",
        "run.json",
        "manifest.json",
        "facts.json",
        "metrics.jsonl",
        "contributions",
        "checkpoints",
        "predictions",
        "model",
        "log.txt",
    }
    assert expected <= there <= {*expected, "git.diff"}
    about = record(run)
    assert about["state"] == "finished"
    assert about["exit_code"] == 0
    assert about["command"].startswith("hone train ")
    assert about["overrides"] == [*SMALL, "notes=first try"]
    assert about["best"]["metric"] == "validation/f1_macro"
    assert about["best"]["value"] == about["scores"]["validation/f1_macro"]
    assert about["data"]["rows"] == {"train": 96, "validation": 32, "test": 32}
    assert about["parameters"]["total"] == about["parameters"]["trainable"] > 100_000
    assert about["versions"]["torch"] == torch.__version__
    assert about["seconds"] > 0
    config = yaml.safe_load((run / "config.yaml").read_text())
    assert config["optimizer"]["lr"] == config["checkpoint"]["lr"], "interpolations are resolved"
    assert identity_of(config) == about["identity"] == run.name.split("-")[2]
    assert {path.suffix for path in (run / "checkpoints").rglob("*") if path.is_file()} == {".json", ".safetensors"}


def test_the_record_has_the_same_keys_in_every_state(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    from hone.training import loop

    assert hone("train", *SMALL, "name=good").code == 0
    with monkeypatch.context() as patch:
        patch.setattr(loop, "predict", lambda *parts: 1 / 0)
        broken = hone("train", *SMALL, "name=bad")
    assert broken.code == 1
    assert "ZeroDivisionError" in broken.err
    good, bad = record(only_run("outputs/good")), record(only_run("outputs/bad"))
    assert good.keys() == bad.keys()
    assert (bad["state"], bad["exit_code"], bad["scores"]) == ("failed", 1, None)
    assert bad["reason"].startswith("ZeroDivisionError")
    assert "Traceback" in (only_run("outputs/bad") / "log.txt").read_text()


def test_a_diverging_run_fails_with_the_step_and_the_remedy(hone: Hone) -> None:
    done = hone("train", *SMALL, "optimizer.lr=1e30", "clip_norm=null", "evaluate_every=null", "log_every=1")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "optimizer.lr" in done.err
    about = record(only_run())
    assert about["state"] == "failed"
    assert "step" in about["reason"]


@pytest.mark.parametrize(
    ("number", "code", "state"), [(signal.SIGTERM, 75, "preempted"), (signal.SIGINT, 130, "preempted")]
)
def test_signals_before_the_training_end_it_at_once(
    hone: Hone, monkeypatch: pytest.MonkeyPatch, number: signal.Signals, code: int, state: str
) -> None:
    from hone.training import run as train

    monkeypatch.setattr(train, "fit", lambda *parts, **named: None)
    monkeypatch.setattr(train, "assemble", lambda *parts: os.kill(os.getpid(), number))
    before = signal.getsignal(number)
    stopped = hone("train", *SMALL)
    assert stopped.code == code
    assert not runs()
    assert signal.getsignal(number) is before


def test_signals_reach_the_handlers_that_were_there(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    from hone.training.progress import RunProgress

    heard: list[int] = []
    before = signal.signal(signal.SIGUSR1, lambda number, _: heard.append(number))
    advance = RunProgress.advance
    monkeypatch.setattr(
        RunProgress,
        "advance",
        lambda run, step: (advance(run, step), step == 2 and os.kill(os.getpid(), signal.SIGUSR1)),
    )
    stopped = hone("train", *SMALL, "log_every=1")
    assert stopped.code == 75
    assert heard == [signal.SIGUSR1]
    assert signal.getsignal(signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)
    assert record(only_run())["state"] == "preempted"
    assert max(row["step"] for row in journal(only_run())) == 3, "the step under way is finished and saved"


def test_no_secret_is_written(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    from hone.training import loop

    for name, value in CANARIES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("WANDB_MODE", "offline")

    def leaking(*parts: object) -> None:
        raise ValueError(f"cannot reach https://user:canary-three@example.org with {CANARIES['MY_SERVICE_TOKEN']}")

    monkeypatch.setattr(loop, "predict", leaking)
    words = [word for word in SMALL if not word.startswith("tracker")]
    notes = f"notes='see https://user:canary-four@host and {CANARIES['WANDB_API_KEY']}'"
    done = hone("train", *words, notes, "tracker.project=demo")
    assert done.code == 1
    files = {path: path.read_bytes() for path in Path("outputs").rglob("*") if path.is_file()}
    assert any(b"cannot reach" in content for content in files.values())
    assert not [path for path, content in files.items() if b"canary" in content]


def test_no_secret_of_a_multirun_is_written(hone: Hone) -> None:
    assert hone("train", "-m", *SMALL, "limit=8", "seed=0,1", "notes='https://user:canary@host'").code == 0
    assert len(runs()) == 2
    assert not [path for path in Path().rglob("*") if path.is_file() and b"canary" in path.read_bytes()]


def test_redaction_knows_names_and_values(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "canary-one-0123456789")
    forget_secrets()  # as each command does: it then reads the environment
    config = {"api_key": "x", "nested": [{"hf_token": "y"}], "tokenizer": "bert", "note": "my canary-one-0123456789"}
    assert redact(config) == {"api_key": "***", "nested": [{"hf_token": "***"}], "tokenizer": "bert", "note": "my ***"}
    assert redact_text("git+https://me:pass@host/x") == "git+https://***@host/x"
    assert redact_text("use hf_abcdefghijklmnopqrstuv") == "use ***"
    assert redact_override("+tracker.api_key=abc") == "+tracker.api_key=***"
    assert redact_override("checkpoint.tokenizer=abc") == "checkpoint.tokenizer=abc"


def test_a_label_that_is_also_a_secret_stays_a_label(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels are data: with another name in facts.json the model would predict that name."""
    monkeypatch.setenv("LAB_PASSWORD", "positive-2")
    forget_secrets()
    facts = Facts("single_label", labels=("negative-1", "positive-2"))
    facts.save(tmp_path / "facts.json")
    assert Facts.load(tmp_path / "facts.json") == facts


def test_the_journal_survives_a_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    journal = Journal(path)
    for step in (1, 2, 3):
        journal.log({"step": step, "loss": float("nan") if step == 2 else 0.5})
    assert len(list(read_rows(path))) == 3, "every line is on disk as soon as it is logged"
    journal.close()
    path.write_text(path.read_text()[:-9])
    again = Journal(path)
    assert [row["step"] for row in read_rows(path)] == [1, 2]
    assert [row["step"] for row in again.rewind(1)] == [1]
    assert again.log({"step": 1, "test/loss": 0.5}) == 1
    assert [row["step"] for row in again.rewind(1)] == [1], "the final scores are told at the end of every sitting"
    assert again.log({"step": 2, "loss": 0.25}) == 1, "the second row"
    again.close()
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"step": 1, "loss": 0.5},
        {"step": 2, "loss": 0.25},
    ]


def claim_one(root: str) -> str:
    return new_folder(Path(root), "same", "abcdefgh").path.name


def test_runs_of_the_same_second_do_not_share_a_folder(tmp_path: Path) -> None:
    with multiprocessing.get_context("fork").Pool(8) as pool:
        names = pool.map(claim_one, [str(tmp_path)] * 24)
    assert len(set(names)) == 24


def test_a_running_run_is_left_alone(hone: Hone) -> None:
    assert hone("train", *SMALL).code == 0
    run = only_run()
    about = Record.load(run / "run.json")
    about.update(state="running")
    with Folder(run).claimed():
        refused = hone("train", *SMALL, f"resume={run}")
    assert refused.code == 2
    assert "another process" in refused.err
    assert (run / "model").is_dir()


def test_the_record_is_replaced_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    about = Record(tmp_path / "run.json", {"id": "x"})
    about.update(state="running")
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(OSError, match="full"):
        about.update(state="finished")
    assert Record.load(tmp_path / "run.json")["state"] == "running"
    with pytest.raises(KeyError):
        about.update(misspelt=1)


def test_identity_is_about_results(hone: Hone) -> None:
    config = {
        "seed": 0,
        "optimizer": {"lr": 1.0},
        "output_root": "a",
        "tracker": {"x": 1},
        "notes": "n",
        "log_every": 1,
    }
    same = {**config, "output_root": "b", "tracker": {}, "notes": "m", "log_every": 5}
    assert identity_of(config) == identity_of(same)
    assert identity_of(config) != identity_of({**config, "seed": 1})
    assert identity_of(config) != identity_of({**config, "optimizer": {"lr": 1.1}})


def test_data_that_changed_since_is_not_resumed(hone: Hone) -> None:
    Path("rows").mkdir()
    lines = [json.dumps({"text": f"row {place}", "label": "ab"[place % 2]}) for place in range(40)]
    Path("rows/train.jsonl").write_text("\n".join(lines))
    words = ("tracker=none", "dataset=local", "dataset.path=rows", "epochs=1")
    assert hone("train", *words).code == 0
    run = only_run()
    Record.load(run / "run.json").update(state="preempted")
    Path("rows/train.jsonl").write_text("\n".join(reversed(lines)))
    refused = hone("train", *words, f"resume={run}")
    assert refused.code == 2
    assert "data" in refused.err
    assert "fingerprint" in refused.err
