"""Every YAML file of `conf/`, found by globbing: composed, checked, loaded and trained from the moment it exists."""

import math
import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import fields
from functools import cache, reduce
from itertools import product
from operator import getitem
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification, AutoTokenizer
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

import fake_hub
from cards import require_card
from conftest import Hone, journal, only_run, record, runs
from hone.commands import train
from hone.config.build import build
from hone.config.check import check
from hone.config.job import Invocation
from hone.config.tree import CONF, options
from hone.data.encoded import encode
from hone.data.rows import load_rows
from hone.sweeps.sweep import Sweep
from hone.training import finished
from hone.training.parts import RunParts

GROUPS = (
    "dataset", "task", "checkpoint", "head", "adapter", "optimizer", "scheduler", "batch", "tracker", "sweep",
    "sweep/sampler", "sweep/pruner", "experiment",
)  # fmt: skip
ANSWERS = {
    "dataset/hub": {"path": "stanfordnlp/imdb"},
    "dataset/local": {"path": "files"},
    "dataset/idx": {"path": "digits"},
    "dataset/imagefolder": {"path": "pictures"},
    "dataset/audiofolder": {"path": "sounds"},
    "dataset/videofolder": {"path": "videos"},
    "dataset/coco": {"path": "street"},
    "dataset/voc": {"path": "cells"},
    "checkpoint/hub": {"path": "google-bert/bert-base-uncased"},
    "checkpoint/scratch": {
        "architecture": "roberta",
        "tokenizer": "FacebookAI/roberta-base",
        "hyperparameters": "{hidden_size:32,num_hidden_layers:2,num_attention_heads:2,intermediate_size:48}",
    },
}
"""What a user would say where a file leaves values open with `???`."""
BRIEF = ("precision=32-true", "tracker=none", "epochs=null", "steps=2", "log_every=1", "batch_size=4", "limit=12")
TINY = ("dataset.train=96", "dataset.validation=12", "dataset.test=12")
RARE_LABELS = ("tiny_emotion", "toy/text_classification")
"""Their rarest label is not among the first rows."""

Run = Callable[..., Path]


def options_of(*groups: str) -> Any:
    """A test for every option of these groups."""
    found = [(group, option) for group in groups for option in options(group)]
    return pytest.mark.parametrize(("group", "option"), found, ids=["/".join(pair) for pair in found])


def checkpoints_for_texts() -> Any:
    """A test for every checkpoint that reads texts; `test_media_checkpoints.py` has the others."""
    return pytest.mark.parametrize("option", [*filter(fake_hub.reads_texts, options("checkpoint"))])


def crossed(names: tuple[str, str], many: Sequence[Any], few: Sequence[Any]) -> Any:
    """A test for every pair: quick are those that take each of the many once, and the few in turn."""
    pairs = [(number, left, turn, right) for number, left in enumerate(many) for turn, right in enumerate(few)]
    return pytest.mark.parametrize(
        names,
        [
            pytest.param(left, right, marks=[pytest.mark.slow] * (number % len(few) != turn))
            for number, left, turn, right in pairs
        ],
    )


def checkpoints_by_architecture() -> Any:
    """A test for every checkpoint for texts: quick is the first of each architecture, as the others are the same."""
    paths, seen, cases = fake_hub.paths_of_checkpoints(), set(), []
    for option in filter(fake_hub.reads_texts, options("checkpoint")):
        kind = fake_hub.architecture(paths[option].rpartition("/")[2]) if option in paths else option
        cases.append(pytest.param(option, marks=[pytest.mark.slow] * (kind in seen)))
        seen.add(kind)
    return pytest.mark.parametrize("option", cases)


def source(group: str, option: str) -> str:
    return (CONF / group / f"{option}.yaml").read_text(encoding="utf-8")


def chosen(group: str, option: str) -> list[str]:
    """The overrides that choose an option and give it what it leaves open."""
    answers = ANSWERS.get(f"{group}/{option}", {})
    return [f"{group}={option}", *(f"{group}.{key}={value}" for key, value in answers.items())]


def few_rows(option: str) -> dict[str, int]:
    """Fewer rows of a data set that is generated."""
    return {"train": 96 if option in RARE_LABELS else 24, "validation": 12, "test": 12}


def checked(*overrides: str) -> tuple[Any, dict[str, Any]]:
    """The settings and the parts of a config, as the command would have them."""
    return check("train", deepcopy(composed(*overrides)))


@cache
def composed(*overrides: str) -> Any:
    """Cached, for several tests ask for the same option."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return OmegaConf.to_container(compose("train", [*overrides]), resolve=True, throw_on_missing=True)


@pytest.fixture(scope="session")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Written once: nothing but the runs' folders comes and goes in it."""
    folder = tmp_path_factory.mktemp("hub")
    fake_hub.stock(folder)
    return folder


@pytest.fixture
def hub(stocked: Path, monkeypatch: pytest.MonkeyPatch, own_folder: None) -> Path:
    """The folder where every hub id is a path; hone runs in it."""
    monkeypatch.chdir(stocked)
    return stocked


@pytest.fixture
def trained(hub: Path, tmp_path: Path) -> Run:
    """Two steps by way of the command's own entry; returns the folder of the run, which went well."""

    def run(*overrides: str) -> Path:
        settings, parts = checked(*BRIEF, f"output_root={tmp_path}", "name=run", *overrides)
        train.main(settings, parts, Invocation("hone train", overrides, {}))
        done = only_run(tmp_path)
        require_sound(done)
        require_same_alone(done)
        return done

    return run


def require_sound(run: Path) -> None:
    """Finished, with numbers that are numbers, and the model that is left is the one that was found best."""
    told, rows = record(run), journal(run)
    losses = [row["train/loss"] for row in rows if "train/loss" in row]
    assert told["state"] == "finished"
    assert told["parameters"]["trainable"] > 0
    assert len(losses) == 2
    assert told["scores"]
    assert all(map(math.isfinite, [*losses, *told["scores"].values()]))
    evaluated = {row["step"]: row["validation/loss"] for row in rows if "validation/loss" in row}
    assert told["scores"]["validation/loss"] == pytest.approx(evaluated[told["best"]["step"]], rel=1e-5)


def require_same_alone(run: Path) -> None:
    """The saved model says of a row by itself, tokenised as anybody would, what it said of it in a padded batch."""
    done = finished.load_finished_run(str(run), [])
    rows = load_rows(done.source, done.task, done.config["limit"], done.task.facts).splits["validation"]
    recorded = pq.read_table(run / "predictions/validation.parquet").to_pydict()
    if "scores" not in recorded:  # it writes
        return
    tokenizer = AutoTokenizer.from_pretrained(run / "model")
    for row, scores in list(zip(rows, recorded["scores"], strict=True))[:4]:
        inputs = tokenizer(row["text"], row.get("text_pair"), truncation=True, return_tensors="pt")
        with torch.no_grad():
            logits = done.network(**inputs).logits
        assert logits.softmax(-1)[0].tolist() == pytest.approx(scores, abs=1e-5)


def require_padding(run: Path) -> None:
    """Rows of different lengths shared a batch, or nothing was shown about padding."""
    assert max(row.get("train/waste", 0) for row in journal(run)) > 1


def refused(hone: Hone, said: str, *overrides: str) -> None:
    """Exit code 2 with these words, and nothing is left behind."""
    done = hone("train", *BRIEF, *overrides, "output_root=refused")
    assert done.code == 2
    assert said in done.err
    assert runs("refused") == []


def test_no_group_is_overlooked() -> None:
    assert {path.relative_to(CONF).parts[0] for path in CONF.rglob("*/*.yaml")} == {
        *(group.partition("/")[0] for group in GROUPS),
        "hydra",
    }
    assert [group for group in GROUPS if not options(group)] == []


@pytest.mark.parametrize("file", sorted(CONF.rglob("*.yaml")), ids=lambda file: str(file.relative_to(CONF)))
def test_every_file_begins_by_saying_what_it_is(file: Path) -> None:
    lines = [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("# @package")]
    assert re.match(r"# \S.{10}", lines[0])


@options_of(*GROUPS)
def test_every_option_composes_and_is_what_it_should_be(group: str, option: str) -> None:
    settings, parts = checked(*chosen(group, option))
    run_parts = RunParts.of(parts, settings.trust)
    assert {field.name for field in fields(run_parts)} | {"sweep"} == parts.keys()
    assert build(parts["sweep"], Sweep, "sweep", settings.trust)
    if group == "sweep":  # named after what is particular to it
        targets = [parts["sweep"][part]["_target_"] for part in ("sampler", "pruner")]
        assert option.replace("_", "") in [target.rpartition(".")[2].lower() for target in targets]
    elif group != "experiment":
        node = reduce(getitem, group.split("/"), parts)
        assert f"_target_: {node['_target_']}" in source(group, option)


@options_of("dataset")
def test_every_data_set_loads_and_is_encoded(group: str, option: str, hub: Path) -> None:
    settings, parts = checked(*chosen(group, option))
    task_name = parts["task"]["_target_"].split(".")[-2]
    parts["checkpoint"] = checked(f"checkpoint={fake_hub.toy_checkpoint(task_name)}")[1]["checkpoint"]
    if option.startswith("tiny_") and option != "tiny_shakespeare":
        parts["dataset"] |= few_rows(option)
    made = RunParts.of(parts, settings.trust)
    rows = load_rows(made.dataset, made.task)
    task = made.task.bind(made.checkpoint.make_processor(made.task.auto_processor, rows.facts), rows.facts)
    encoded = encode(rows, task, made.dataset)[1]
    assert {split: len(part.rows) for split, part in encoded.items()} == rows.sizes
    assert {"train", "validation"} <= rows.sizes.keys()
    assert encoded["train"].lengths.min() > (0 if task.media else 2)


@pytest.mark.parametrize("node", fake_hub.hub_datasets(), ids=lambda node: node["name"])
def test_every_data_set_of_the_hub_is_read_as_its_config_says(node: dict[str, Any], hub: Path) -> None:
    settings, parts = checked(f"dataset={node['name']}")
    made = RunParts.of(parts, settings.trust)
    rows = load_rows(made.dataset, made.task)
    there = {ours for ours, theirs in node["splits"].items() if theirs}
    assert rows.sizes.keys() == there | {"validation"}
    if fake_hub.task_of(node) != "text_classification":
        assert set(made.task.roles) <= rows.splits["train"].features.keys()
        return
    assert rows.facts.labels == fake_hub.expected_labels(node)
    assert rows.splits["train"].features.keys() == {"id", *node["columns"]}
    for split, role in product(rows.splits, node["columns"].keys() - {"label"}):
        begins = f"{node['splits'][split] or 'train'} {role}:"
        assert all(text.startswith(begins) for text in rows.splits[split][role])


def test_secret_labels_are_recognised(hub: Path, hone: Hone) -> None:
    done = hone("train", "dataset=sst2", "dataset.splits.test=test")
    assert done.code == 2
    assert "withheld" in done.err


def test_some_checkpoints_have_no_pad_token(hub: Path) -> None:
    bare = [path for path in fake_hub.hub_checkpoints() if AutoTokenizer.from_pretrained(path).pad_token is None]
    assert "openai-community/gpt2" in bare


@checkpoints_for_texts()
def test_every_checkpoint_trains_with_its_own_head(option: str, trained: Run) -> None:
    path = fake_hub.paths_of_checkpoints().get(option)
    told = fake_hub.task_for(path) if path else ["dataset=mrpc"]
    require_padding(trained(*chosen("checkpoint", option), *told, "batch.pack=false"))


@checkpoints_by_architecture()
def test_every_checkpoint_trains_with_a_head_of_ours(option: str, trained: Run, hone: Hone) -> None:
    words = chosen("checkpoint", option)
    settings, parts = checked(*words)
    if getattr(RunParts.of(parts, settings.trust).checkpoint.config({}), "is_encoder_decoder", False):
        refused(hone, "head=auto", *words, "head=mean")
    else:
        require_padding(trained(*words, "head=mean", "dataset=emotion", "batch.pack=false"))


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("checkpoint.attention=spda", "eager"),
        ("checkpoint.attention=flash_attention_2", "FlashAttention2"),
        ("checkpoint.hyperparameters={hidden_size:33}", "not a multiple"),
        ("checkpoint.hyperparameters={hidden_size:wide}", "hidden_size"),
    ],
)
@pytest.mark.parametrize("option", ["bert", "scratch"])
def test_a_checkpoint_that_cannot_be_built_is_a_mistake(
    option: str, override: str, said: str, hub: Path, hone: Hone
) -> None:
    refused(hone, said, *chosen("checkpoint", option), override, *TINY)


def test_layers_that_cannot_be_computed_again_are_a_mistake(hub: Path, hone: Hone) -> None:
    refused(hone, "transformers has none for mpnet", *chosen("checkpoint", "mpnet"), "gradient_checkpointing=true")


def test_a_model_of_ours_is_a_checkpoint_that_brings_its_code(
    trained: Run, hone: Hone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = ("checkpoint=hub", f"checkpoint.path={trained('head=mean', *TINY)}/model", *TINY)
    for known in (CONFIG_MAPPING, AutoModelForSequenceClassification._model_mapping):
        monkeypatch.setattr(known, "_extra_content", {})  # as in a process that has not imported our copy
    refused(hone, "trust_remote_code", *told)
    assert hone("train", *BRIEF, *told, "checkpoint.trust_remote_code=true", f"output_root={tmp_path}/again").code == 0
    require_sound(only_run(tmp_path / "again"))


@crossed(("head", "adapter"), options("head"), options("adapter"))
def test_every_head_goes_with_every_adapter(head: str, adapter: str, trained: Run, hone: Hone) -> None:
    """Where a head freezes the backbone there is nothing to adapt."""
    if head == "linear_probe" and adapter != "none":
        refused(hone, "freezes the backbone", f"head={head}", f"adapter={adapter}", *TINY)
    else:
        trained(f"head={head}", f"adapter={adapter}", *TINY)


@crossed(("kind", "adapter"), [*fake_hub.architectures()], [name for name in options("adapter") if name != "none"])
def test_every_adapter_goes_with_every_architecture(kind: str, adapter: str, trained: Run, hone: Hone) -> None:
    """The word embeddings stay as they are, of several layers the last one learns, and so does a pooler."""
    path = fake_hub.architectures()[kind]
    told = ["checkpoint=hub", f"checkpoint.path={path}", *fake_hub.task_for(path), f"adapter={adapter}"]
    told += ["adapter.count=1"] if adapter == "top_layers" else []
    if (kind, adapter) == ("albert", "top_layers"):  # its layers share their weights
        refused(hone, "no recognisable layers", *told)
        return
    if adapter == "frozen" and "dataset=mrpc" not in told:  # the head of what writes is its embedding
        refused(hone, "nothing is trainable", *told)
        return
    run = trained(*told)
    learned = load_file(next(run.glob("checkpoints/*/weights.safetensors")))
    poolers = [name for name in load_file(run / "model" / "model.safetensors") if "pooler" in name]
    assert all(any(name.endswith(pooler) for name in learned) for pooler in poolers)
    tables = [name for name, weight in learned.items() if fake_hub.TINY["vocab_size"] in weight.shape]
    assert not [name for name in tables if "final_logits_bias" not in name], "that one is fixed"
    layers = {found[1] for name in learned if (found := re.match(r"(.*?\.\d+)\.", name))}
    assert adapter != "top_layers" or len(layers) == 1


@options_of("optimizer", "scheduler", "batch")
def test_every_way_to_train_trains(group: str, option: str, trained: Run) -> None:
    trained(f"{group}={option}", *TINY)


@options_of("experiment")
def test_every_experiment_says_what_to_type_and_what_to_expect(group: str, option: str) -> None:
    package, command, *story = source(group, option).splitlines()
    comments = " ".join(line.lstrip("# ") for line in story if line.startswith("#"))
    assert package == "# @package _global_"
    assert command == f"# hone train experiment={option}"
    assert re.search(r"\b0\.\d\d", comments), "which score is to be expected?"


@options_of("experiment")
def test_every_experiment_runs(
    group: str, option: str, hub: Path, hone: Hone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of every task the card of the exported model runs, too."""
    rows = few_rows(option) if option.startswith("toy/") else {}
    words = [f"dataset.{split}={count}" for split, count in rows.items()]
    done = hone("train", f"experiment={option}", *BRIEF, *words, f"output_root={tmp_path}")
    assert done.code == 0, done.said
    run = only_run(tmp_path)
    require_sound(run)
    assert record(run)["group"] == option
    if option.startswith("toy/"):
        monkeypatch.chdir(tmp_path)
        require_card(hone, run, option.partition("/")[2])
