"""Checkpoints for pictures with texts: each of `conf/checkpoint` is built, adapted and trained as soon as it exists."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from datasets import Dataset

import fake_hub
import fake_media
from hone.config.build import build
from hone.config.tree import CONF, options
from hone.core.errors import UserError
from hone.core.task import Task
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import encode_with_media
from hone.data.media.storing import store_media
from hone.models.adapters import Frozen, Lora, NoAdapter, TopLayers
from hone.models.checkpoint import Checkpoint
from hone.models.compatibility import auto_classes
from hone.models.heads.auto import Auto
from hone.models.network import build_network

OPTIONS = [option for option in options("checkpoint") if fake_hub.reads_both(option)]
HEADLESS = ("vit_gpt2",)
"""Those whose decoder has no head but its table of words."""


def checkpoint_of(option: str) -> Checkpoint:
    """The checkpoint of a file in `conf/checkpoint`, with its files on a hub of this folder."""
    node = yaml.safe_load((CONF / "checkpoint" / f"{option}.yaml").read_text(encoding="utf-8"))
    if "path" in node:
        fake_media.write_checkpoint(Path(node["path"]), fake_hub.architecture(node["path"].rpartition("/")[2]))
    return build(node, Checkpoint, "checkpoint", ())


@cache
def tasks() -> list[Task]:
    nodes = [yaml.safe_load(file.read_text(encoding="utf-8")) for file in sorted((CONF / "task").glob("*.yaml"))]
    return [build(node, Task, "task", ()) for node in nodes if ".multimodal." in node["_target_"]]


def bound(checkpoint: Checkpoint) -> tuple[Task, dict[str, Any]]:
    """The first task for which transformers has a network of this architecture, and a batch of its sample."""
    config = checkpoint.config({})
    raw = next(task for task in tasks() if auto_classes(task.auto_model, config))
    sample = raw.sample()
    rows = store_media(Dataset.from_dict({**sample, "id": [*range(len(sample["image"]))]}), raw, {})
    facts = raw.find_facts(rows, None)
    task = raw.bind(checkpoint.make_processor(raw.auto_processor, facts), facts)
    encoded = EncodedRows.of(Dataset.from_dict(encode_with_media(task, rows[:])), rows, task)
    return task, encoded.collate(task, np.arange(3), training=True)


@pytest.mark.parametrize("option", OPTIONS)
def test_every_checkpoint_learns_with_every_adapter(option: str) -> None:
    """What is frozen stays: with LoRA all but its own weights and the head, otherwise what the adapter says."""
    checkpoint = checkpoint_of(option)
    task, batch = bound(checkpoint)
    for adapter in (NoAdapter(), TopLayers(1), Lora(rank=2, alpha=4), *([] if option in HEADLESS else [Frozen()])):
        network, layer_map = build_network(checkpoint, Auto(), adapter, task)
        assert layer_map.depth >= 2
        loss = task.loss(network, batch)
        loss.backward()
        names = {name for name, weight in network.named_parameters() if weight.grad is not None and weight.grad.any()}
        levels = {layer_map.level(name) for name in names}
        assert names
        assert isinstance(adapter, NoAdapter) == (0 in levels), "the pictures and words that are read"
        if isinstance(adapter, Frozen):
            assert all(layer_map.trains_with_head(name) for name in names)
        if isinstance(adapter, Lora):
            assert all("lora_" in name or layer_map.trains_with_head(name) for name in names)
            assert {layer_map.level(name) for name in names if "lora_" in name} >= {*range(1, layer_map.depth + 1)}


@pytest.mark.parametrize("option", HEADLESS)
def test_a_decoder_whose_head_is_its_table_of_words_has_nothing_to_train_alone(option: str) -> None:
    """The pooler of its encoder is no head: nothing reads it."""
    checkpoint = checkpoint_of(option)
    task, _ = bound(checkpoint)
    with pytest.raises(UserError, match="nothing is trainable"):
        build_network(checkpoint, Auto(), Frozen(), task)
