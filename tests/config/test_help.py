"""`hone <command> --help`: the groups and the keys of that command, each with its explanation and its value."""

import re
import shlex
from itertools import cycle, islice
from pathlib import Path

import pytest

from conftest import Hone
from hone.config.settings import SWEEP_ACTIONS
from hone.config.tree import commands, options
from mistakes import refused, store

OF_TRAINING = ("dataset", "checkpoint", "optimizer", "hydra/launcher")
KEY = re.compile(r"^    ([a-z_.]+)=(\S*)(.*)$")


def shown(text: str) -> dict[str, str]:
    """The explanation of each key, which stands beside it, or below it where the key is long."""
    lines = text.splitlines()
    found = {}
    for place, line in enumerate(lines):
        if match := KEY.match(line):
            found[match[1]] = match[3].strip() or (lines[place + 1] + " ").partition(" " * 34)[2].strip()
    return found


@pytest.mark.parametrize("command", commands())
def test_a_command_explains_its_own_keys(command: str, hone: Hone) -> None:
    done = hone(command, "--help")
    assert done.code == 0, done.said
    assert done.out.startswith(f"hone {command}: {commands()[command]}\n")
    keys = {name: words for name, words in shown(done.out).items() if not name.startswith(("dataset.", "tracker."))}
    assert keys, done.out
    assert not [name for name, words in keys.items() if not words]


@pytest.mark.parametrize("command", commands())
def test_the_example_of_a_command_is_a_command(command: str, hone: Hone) -> None:
    lines = hone(command, "--help").out.splitlines()
    example = next(line for line in lines if line.startswith("Example: ")).removeprefix("Example: ")
    first, name, *words = shlex.split(example)
    assert (first, name) == ("hone", command)
    plain = [word for word in words if "=" in word]
    if command == "predict":
        plain.remove("text=a joy from start to end")
    done = hone(command, *plain, "--cfg", "job")
    assert done.code == 0, done.said


def test_groups_of_training_are_those_of_training_alone(hone: Hone) -> None:
    for command in ("train", "plan", "evaluate", "compare", "sync", "sweep"):
        out = hone(command, "--help").out
        shows = {group: bool(re.search(rf"^  {group}=", out, re.MULTILINE)) for group in OF_TRAINING}
        expected = dict.fromkeys(OF_TRAINING, command in ("train", "plan"))
        if command == "evaluate":  # of a checkpoint, on a data set
            expected |= {"dataset": True, "checkpoint": True}
        assert shows == expected, command


def test_a_group_has_its_options_and_the_keys_of_the_chosen_one(hone: Hone) -> None:
    out = hone("train", "--help", "head=mlp", "sweep=tpe", "hydra/launcher=slurm").out
    assert f"options: {', '.join(options('head'))}" in out
    keys = shown(out)
    assert {"head.layers", "sweep.sampler.startup", "sweep.budget", "hydra.launcher.mem_gb"} <= keys.keys()
    assert "number of hidden layers" in keys["head.layers"]
    assert "limit" in keys["sweep.budget"]  # from the file that sweep=tpe includes
    assert "head.layers" not in shown(hone("train", "--help").out)


EXPLAINED = ("head", "adapter", "batch", "optimizer", "scheduler", "task", "sweep", "tracker")
MOST = max(len(options(group)) for group in EXPLAINED)
TURNS = [*zip(*(islice(cycle(options(group)), MOST) for group in EXPLAINED), strict=True)]
"""An option of each group at a time, until the largest group has had all of its own."""


@pytest.mark.parametrize("chosen", TURNS, ids=" ".join)
def test_every_key_of_every_option_is_explained(chosen: tuple[str, ...], hone: Hone) -> None:
    done = hone("train", "--help", *(f"{group}={option}" for group, option in zip(EXPLAINED, chosen, strict=True)))
    assert done.code == 0, done.said
    keys = {name: words for name, words in shown(done.out).items() if name.partition(".")[0] in EXPLAINED}
    assert keys
    assert not [name for name, words in keys.items() if not words]


def test_values_are_those_of_the_command_line(hone: Hone) -> None:
    out = hone("train", "--help", "batch_size=7", "dataset=local").out
    assert "    batch_size=7 " in out
    assert re.search(r"dataset\.path=… +\(required\) folder or file", out)


def test_the_roles_of_a_task_are_listed(hone: Hone) -> None:
    out = hone("train", "--help", "task=question_answering").out
    assert "roles: question, context, answers; optional: answer_start (dataset.columns.ROLE=COLUMN)" in out
    assert (
        'roles: question, context, answers; optional: answer_start (ROLE="…")'
        in hone("predict", "--help", "task=question_answering").out
    )


def test_the_actions_of_hone_sweep_are_listed(hone: Hone) -> None:
    out = hone("sweep", "--help").out
    assert all(re.search(rf"^  {name} +{words[:20]}", out, re.MULTILINE) for name, words in SWEEP_ACTIONS.items())
    assert "  -m " not in out


def test_files_of_your_own_are_explained_too(hone: Hone) -> None:
    config = "# Reviews of my shop\n_target_: hone.data.sources.local.Local\npath: x # where they lie\n"
    store({"configs/dataset/mine.yaml": config})
    out = hone("train", "--help", "--config-dir=configs", "dataset=mine").out
    assert "Reviews of my shop" in out
    assert "mine, minilm" not in out
    assert shown(out)["dataset.path"] == "where they lie"


def test_a_wrong_word_beside_help_is_explained(hone: Hone) -> None:
    refused(hone("train", "--help", "dataset=tiny_emotoin"), "Did you mean tiny_emotion?")
    assert list(Path().iterdir()) == []
