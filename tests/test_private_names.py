"""The private names of other libraries: each stands in one file, and a test fails by its name when it is gone.

Those of Hydra, W&B, sacrebleu, transformers and torch's memory tracker have their own tests beside what uses them.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import optuna
import pytest
import torch
from lightning_utilities.core import imports as lightning_imports
from transformers import AutoModel, BertConfig, BertModel
from transformers.utils import import_utils

import fake_media
from conftest import ROOT

SOURCE = ROOT / "src" / "hone"
LIBRARIES = {
    "commands/plan/paper.py": "torch 2.13, its memory tracker",
    "config/hydra_private.py": "Hydra 1.3",
    "core/broken_torchvision.py": "transformers 5.23, lightning-utilities 0.15",
    "data/source.py": "datasets 5.2",
    "models/compatibility.py": "transformers 5.23",
    "models/heads/pooled_model.py": "transformers 5.23, the frames of a wave",
    "sweeps/samplers/optuna_samplers.py": "Optuna 5.0",
    "tasks/metrics/bleu.py": "sacrebleu 2.6",
    "tracking/wandb/workarounds.py": "wandb 0.31",
    "training/fast/compiling.py": "torch 2.13, its compiler's settings",
}
_OWN = ("self", "cls", "other")
OURS = {"_target_", "_exit"}
"""A key of our configs, and a public function of `os`."""


def private_names(path: Path) -> Iterator[str]:
    """Attributes with an underscore of anything but `self`, and modules with one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and re.match("_[^_]", node.attr) and ast.unparse(node.value) not in _OWN:
            yield node.attr
        if isinstance(node, ast.ImportFrom) and node.module and "._" in node.module:
            yield node.module


def test_each_library_has_one_file() -> None:
    files = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py") if set(private_names(path)) - OURS}
    assert files == LIBRARIES.keys()


@pytest.mark.parametrize("name", ["_resolve_features"])
def test_a_stream_of_datasets(name: str) -> None:
    assert callable(getattr(datasets.IterableDataset, name, None)), f"datasets.IterableDataset.{name} is gone"


def test_the_fingerprint_of_datasets() -> None:
    assert isinstance(datasets.Dataset.from_dict({"text": ["a"]})._fingerprint, str)


def test_what_transformers_and_lightning_ask_about_torchvision() -> None:
    for name in ("is_torchvision_available", "is_torchvision_v2_available"):
        assert callable(getattr(import_utils, name).cache_clear), f"{name} is not cached any more"
    assert import_utils._is_package_available("torch")[0]
    assert lightning_imports._version("torch")
    assert callable(lightning_imports.find_spec)
    assert lightning_imports.package_available("torch")


@pytest.mark.parametrize("kind", ["wav2vec2", "hubert"])
def test_the_frames_of_a_wave(kind: str) -> None:
    network: Any = AutoModel.from_config(fake_media.tiny_config(kind))
    mask = torch.ones(2, 400)
    mask[1, 200:] = 0
    frames = int(network._get_feature_vector_attention_mask(18, mask)[1].sum())
    assert 0 < frames < 18


@pytest.mark.parametrize("name", ["_storage", "_study_id"])
def test_a_study_of_optuna(name: str) -> None:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    assert hasattr(optuna.create_study(), name), f"optuna.Study.{name} is gone"


@pytest.mark.parametrize("name", ["recompile_limit", "optimize_ddp"])
def test_the_settings_of_the_compiler(name: str) -> None:
    from torch._dynamo import config

    assert hasattr(config, name), f"torch._dynamo.config.{name} is gone in torch {torch.__version__}"


def test_a_layer_that_recomputes() -> None:
    config = BertConfig(vocab_size=8, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8)
    network = BertModel(config)
    network.activation_checkpointing_enable()
    assert callable(getattr(network.encoder.layer[0], "_gradient_checkpointing_func", None))
