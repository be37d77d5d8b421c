"""A finished run, read back: its config checked like any other, its task equipped, its model loaded."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import transformers
import yaml
from transformers import PretrainedConfig

from hone.build import build
from hone.check import check_node
from hone.data.source import Source
from hone.errors import UserError
from hone.facts import Facts
from hone.heads import pooled
from hone.runs.folder import Folder
from hone.runs.record import Record, find_run
from hone.tasks.base import Task
from hone.tracking.address import is_address
from hone.unfilled import Unfilled


@final
@dataclass(frozen=True)
class FinishedRun:
    """What a run stored, as objects."""

    folder: Folder
    record: Record
    config: dict[str, Any]
    source: Source
    task: Task
    network: Any


def require_model(path: str) -> tuple[Folder, Record]:
    """The folder and record of a run that has a model."""
    folder = Folder(find_run(path))
    record = Record.load(folder.record)
    if not folder.model.is_dir():
        said = f"it is {record['state']}" + (f": {record['reason']}" if record["reason"] else "")
        raise UserError(f"run={path}: there is no model, {said}. Go on with it: hone train resume={path}")
    return folder, record


def beside(run: str, folder: Folder, name: str) -> Path:
    """Where what is made of a run lies: in its folder, or of one that was fetched below the present folder."""
    return Path(name, folder.path.parent.name) if is_address(run) else folder.path / name


def equipped(folder: Folder, node: Mapping[str, Any], trust: Iterable[str]) -> Task:
    """The task of a run, with the processor and the facts that lie with its model."""
    task: Task = build(node, Task, "task", trust)
    processor = getattr(transformers, task.auto_processor).from_pretrained(folder.model)
    ready = task.equip(processor, Facts.load(folder.facts))
    ready.adopt(PretrainedConfig.from_dict(PretrainedConfig.get_config_dict(folder.model)[0]))
    return ready


def load(path: str, trust: Iterable[str], options: Mapping[str, Any] | None = None) -> FinishedRun:
    """Reads a run back, with other options of its task; its config is trusted no more than any other."""
    folder, record = require_model(path)
    config = yaml.safe_load(folder.config.read_text(encoding="utf-8"))
    config["task"] |= options or {}
    nodes = {name: check_node(config[name], name, trust) for name in ("dataset", "task")}
    task = equipped(folder, nodes["task"], trust)
    pooled.register_models()
    with Unfilled():
        network = getattr(transformers, task.auto_model).from_pretrained(folder.model)
    source: Source = build(nodes["dataset"], Source, "dataset", trust)
    return FinishedRun(folder, record, config, source, task, network)
