"""Reads how a checkpoint of sentence-transformers pools the states of its tokens from the checkpoint's own files."""

from __future__ import annotations

import json
import logging
from functools import cache
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download
from huggingface_hub.errors import HfHubHTTPError
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

log = logging.getLogger(__name__)

ATTRIBUTE = "sentence_pooling"
"""The name in a network's config, so that the pooling is saved with the network."""
_MODES = {"cls": "cls", "mean": "mean", "max": "max", "lasttoken": "last"}
"""The poolings that both libraries have: the names in sentence-transformers and ours."""
_FLAGS = {"cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max", "lasttoken": "lasttoken"}
"""Earlier versions have a flag `pooling_mode_…` for each pooling: its ending and the later name."""


def set_trained_pooling(config: PretrainedConfig, source: str, revision: str | None) -> None:
    """Adds to a config the pooling with which its checkpoint, a folder or a hub id, was trained, where that exists."""
    pooling = _read_pooling(source, revision)
    if pooling is not None:
        setattr(config, ATTRIBUTE, pooling)


def trained_pooling(config: PretrainedConfig) -> str | None:
    """Returns the pooling with which a checkpoint was trained, if it is one of sentence-transformers."""
    pooling: str | None = getattr(config, ATTRIBUTE, None)
    return pooling


def chosen_pooling(pooling: str, config: PretrainedConfig) -> str:
    """Returns the pooling that `auto` stands for: that of the checkpoint, or else the mean."""
    return trained_pooling(config) or "mean" if pooling == "auto" else pooling


def pooling_hint(place: str, pooling: str, config: PretrainedConfig) -> str:
    """Returns a hint, or nothing, on a pooling that is not the one with which the checkpoint was trained."""
    trained = trained_pooling(config)
    if trained in (None, chosen_pooling(pooling, config)):
        return ""
    return f"{place}={pooling}: the checkpoint was trained with {trained} pooling; {place}=auto uses that."


def warn_of_pooling(place: str, pooling: str, network: nn.Module) -> None:
    """Logs the hint on a pooling for a network, which may be wrapped."""
    bare = next(module for module in network.modules() if isinstance(module, PreTrainedModel))
    hint = pooling_hint(place, pooling, bare.config)
    if hint:
        log.warning(hint)


@cache
def _read_pooling(source: str, revision: str | None) -> str | None:
    modules = _read_json(source, "modules.json", revision)
    kinds = {str(module.get("type", "")).rpartition(".")[2]: module for module in modules or []}
    if "Pooling" not in kinds:
        return None
    config = _read_json(source, f"{kinds['Pooling'].get('path')}/config.json", revision) or {}
    flags = [mode for flag, mode in _FLAGS.items() if config.get(f"pooling_mode_{flag}")]
    mode = config.get("pooling_mode", flags[0] if len(flags) == 1 else None)
    return _MODES.get(mode) if isinstance(mode, str) else None


def _read_json(source: str, name: str, revision: str | None) -> Any:
    """Returns the content of a file of the checkpoint, or None where it has no such file."""
    folder = Path(source)
    try:
        file = folder / name if folder.is_dir() else Path(hf_hub_download(source, name, revision=revision))
        return json.loads(file.read_text(encoding="utf-8"))
    except (HfHubHTTPError, OSError, ValueError):  # most checkpoints are not of sentence-transformers
        return None
