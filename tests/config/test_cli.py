"""The command itself: what it says of itself, how fast, how it completes, and the codes it ends with."""

import json
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import SMALL, Hone, only_run, record, runs
from hone import __version__
from hone.config.tree import commands, options
from mistakes import csv, store

HEAVY = ("torch", "transformers", "datasets", "lightning", "wandb", "pandas", "pyarrow")
WATCHED = f"""
import json, sys, time
begun = time.process_time()
from hone.cli import main
sys.argv = ["hone", *sys.argv[1:]]
code = 0
try:
    main()
except SystemExit as end:
    code = end.code or 0
heavy = [name for name in {HEAVY} if name in sys.modules]
with open("watched.json", "w") as file:
    json.dump({{"code": code, "heavy": heavy, "seconds": time.process_time() - begun}}, file)
"""


def watched(*words: str, **env: str) -> tuple[int, str]:
    """The exit code and the output of a command that must load nothing heavy and answer soon."""
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *words], capture_output=True, text=True, timeout=60, env={**os.environ, **env}
    )
    told = json.loads(Path("watched.json").read_text())
    assert told["heavy"] == []
    assert told["seconds"] < 2, "of the processor: the time of day is everybody's"
    return told["code"], done.stdout + done.stderr


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("", 0, "Usage: hone"),
        ("--help", 0, "train"),
        ("--version", 0, __version__),
        ("train --help", 0, "tiny_emotion"),
        ("evaluate --help", 0, "split"),
        ("train --cfg job", 0, "batch_size: 16"),
        ("train --info defaults", 0, "tiny_bert"),
        ("trian", 2, "train"),
        ("train dataset=tiny_emotoin", 2, "tiny_emotion"),
        ("train lr=1", 2, "optimizer.lr"),
        ("train precision=bf17", 2, "bf16-mixed"),
        ("train dataset._target_=os.system", 2, "trusted"),
        ("train -m batch_size=0,-1", 2, "batch_size=-1"),
        ("train resume=nowhere", 2, "nowhere"),
        ("evaluate run=nowhere", 2, "nowhere"),
        ("export run=nowhere", 2, "nowhere"),
    ],
)
def test_what_needs_nothing_heavy_answers_at_once(line: str, code: int, said: str) -> None:
    found, text = watched(*shlex.split(line))
    assert found == code, text
    assert said in text
    assert "Traceback" not in text


@pytest.mark.parametrize(
    ("line", "there", "absent"),
    [
        ("hone ", {*commands()}, {"dataset="}),
        ("hone tr", {"train"}, {"dataset="}),
        ("hone train ", {"dataset=", "optimizer=", "seed=", "batch_size="}, {"run="}),
        ("hone train data", {"dataset="}, {"seed="}),
        ("hone train head=", {f"head={option}" for option in options("head")}, {"head="}),
        ("hone train dataset=ti", {"dataset=tiny_emotion"}, {"dataset=imdb"}),
        ("hone train head=mlp head.", {"head.pooling=", "head.layers="}, {"seed="}),
        ("hone --debug train optimizer.l", {"optimizer.lr="}, {"seed="}),
        ("hone evaluate ", {"run=", "split="}, {"epochs="}),
        ("hone nonsense ", set(), {"dataset="}),
        ("hone train a=[ ", set(), {"dataset="}),
    ],
)
def test_completion(line: str, there: set[str], absent: set[str]) -> None:
    code, text = watched("--shell-completion", "query=bash", COMP_LINE=line, COMP_POINT=str(len(line)))
    assert code == 0
    assert there <= {*text.split()}
    assert not absent & {*text.split()}
    assert "rror" not in text


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_can_be_installed(shell: str) -> None:
    code, text = watched("--shell-completion", f"install={shell}")
    assert code == 0
    assert "complete" in text
    assert "hone" in text


@pytest.mark.parametrize("word", [(), ("install=tcsh",), ("instal=bash",)])
def test_a_wrong_completion_is_explained(word: tuple[str, ...], hone: Hone) -> None:
    done = hone("--shell-completion", *word)
    assert done.code == 2
    assert "install=bash" in done.err
    assert "Traceback" not in done.err


def test_the_installed_command_and_the_module_are_the_same(process: Hone) -> None:
    installed = subprocess.run([Path(sys.executable).parent / "hone", "--help"], capture_output=True, text=True)
    assert installed.returncode == 0
    assert process("--help").out == installed.stdout
    assert all(f"  {name} " in installed.stdout for name in commands())


def test_a_reader_that_has_read_enough_is_no_error() -> None:
    command = f"set -o pipefail; '{sys.executable}' -m hone train --help | head -c 1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "h", "")


def test_flags_and_overrides_come_in_any_order(hone: Hone) -> None:
    done = hone("train", "seed=3", "--cfg", "job", "batch_size=5")
    assert done.code == 0
    assert "seed: 3" in done.out
    assert "batch_size: 5" in done.out


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train --multirunn", "Did you mean --multirun?"),
        ("train --cfg jobs", "'job', 'hydra', 'all'"),
        ("train --config-dir", "expected one argument"),
        ("train --config-dir=nowhere", "nowhere"),
        ("train --config-name=nothing", "nothing"),
        ("train --package=nothing --cfg=job", "nothing"),
        ("--hlep", "no such command"),
        ("trainn", "Did you mean train?"),
        ("''", "no such command"),
    ],
)
def test_a_wrong_flag_or_command(line: str, said: str, hone: Hone) -> None:
    done = hone(*shlex.split(line))
    assert done.code == 2, done.said
    assert said in done.err
    assert "Traceback" not in done.err


@pytest.mark.parametrize("line", ["train batch_size=0", "train lr=1", "train batch_size=${nothing}", "nonsense"])
def test_a_traceback_is_shown_to_who_asks(line: str, hone: Hone) -> None:
    plain, debug = hone(*line.split()), hone(*line.split(), "--debug")
    assert plain.code == debug.code == 2
    assert "Traceback" not in plain.err
    assert "Traceback" in debug.err
    assert plain.err in debug.err


def test_a_failure_of_the_run_ends_with_1(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    from hone.training import run as train

    def broken(*arguments: object, **options: object) -> None:
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(train, "fit", broken)
    done = hone("train", *SMALL)
    assert done.code == 1
    assert "the disk is full" in done.err
    assert record(only_run())["state"] == "failed"


def test_ctrl_c_before_a_run_ends_with_130(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    from hone.config import application

    def interrupted(*arguments: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(application, "check", interrupted)
    assert hone("train").code == 130


@pytest.mark.parametrize("bad", ["batch_size=0,16", "batch_size=16,0", "monitor=loss,nothing", "head=auto,nonesuch"])
def test_a_cell_that_cannot_work_is_told_before_any_is_started(bad: str, hone: Hone) -> None:
    done = hone("train", "-m", *SMALL, "limit=8", bad)
    assert done.code == 2
    assert "1 of 2 runs cannot work" in done.err
    assert "sweep.skip_impossible=true" in done.err
    assert not Path("outputs").exists()


def test_the_other_cells_run_if_one_that_cannot_work_is_to_be_skipped(hone: Hone) -> None:
    done = hone("train", "-m", *SMALL, "limit=8", "batch_size=0,16", "sweep.skip_impossible=true")
    assert done.code == 0, done.said
    assert "batch_size=0: expected" in done.out
    assert record(runs()[0])["state"] == "finished"


@pytest.mark.parametrize(
    ("place", "name"),
    [
        ("reviews.csv", "reviews-tiny_bert"),
        ("reviews/train.csv", "reviews-tiny_bert"),
        ("data/film reviews", "film-reviews-tiny_bert"),
    ],
)
def test_a_run_on_files_of_ones_own_is_named_after_them(place: str, name: str, hone: Hone) -> None:
    store({place if place.endswith(".csv") else f"{place}/train.csv": csv()})
    done = hone("train", "tracker=none", "precision=32-true", "epochs=1", "dataset=local", f"dataset.path='{place}'")
    assert done.code == 0, done.said
    assert only_run().parent.name == name
    assert record(only_run())["group"] == name


def test_a_run_from_a_folder_or_from_the_hub_is_named_after_it() -> None:
    from hone.config.job import default_name

    choices = {"dataset": "local", "checkpoint": "hub"}
    config = {"dataset": {"path": "/data/reviews/"}, "checkpoint": {"path": "distilbert/distilbert-base-uncased"}}
    assert default_name(choices, config) == "reviews-distilbert-base-uncased"
    config = {"dataset": {"path": "a/b.jsonl"}, "checkpoint": {"path": "wandb:me/project/sentiment:v3"}}
    assert default_name(choices, config) == "b-sentiment"
    config = {"dataset": {"path": "???"}, "checkpoint": {"path": None}}
    assert default_name(choices, config) == "local-hub"
    assert default_name(choices | {"experiment": "mine"}, config) == "mine"
    assert default_name({"dataset": "imdb", "checkpoint": "bert"}, {"checkpoint": {"path": "x/y"}}) == "imdb-bert"


@pytest.mark.parametrize("words", [("--help",), ("train", "--cfg", "job"), ("train", "--help")])
def test_help_starts_nothing_heavy(words: tuple[str, ...]) -> None:
    assert watched(*words)[0] == 0
