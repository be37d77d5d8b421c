"""Checkpoint, head and adapter to one network; first without weights, so that a misfit is told before they load."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
import transformers
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from hone.adapters.base import Adapter
from hone.anatomy import Anatomy
from hone.checkpoints.base import Checkpoint
from hone.checkpoints.fitting import headless
from hone.errors import UserError, briefly, listed
from hone.facts import Facts
from hone.heads.base import Head, network_config
from hone.optim import Optimizer
from hone.tasks.base import Task


@final
@dataclass(frozen=True)
class Blank(Checkpoint):
    """A checkpoint's shape without its weights."""

    of: Checkpoint
    strict: bool = False
    """Whether weights that are there must fit."""
    lr: float = 0.0

    @property
    def name(self) -> str:
        return self.of.name

    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        return self.of.config(changes)

    def processor(self, auto_class: str, facts: Facts) -> Any:
        return self.of.processor(auto_class, facts)

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        auto = getattr(transformers, auto_class)
        network: PreTrainedModel
        try:
            with torch.device("meta"):
                network = auto.from_config(
                    config, trust_remote_code=self.of.trust_remote_code, **headless(auto, config)
                )
        except Exception as error:  # a config can be wrong in as many ways as there are architectures
            raise UserError(f"checkpoint: no {auto_class} can be built of its config ({briefly(error)})") from error
        if self.strict:
            self.of.require_fitting(auto_class, config)
        return network

    def fingerprint(self) -> str:
        return self.of.fingerprint()


def build_network(
    checkpoint: Checkpoint, head: Head, adapter: Adapter, optimizer: Optimizer, task: Task
) -> tuple[Any, Anatomy]:
    """The network in training mode and its anatomy."""
    config = network_config(checkpoint, task)
    head.refuse(config, task, adapter, optimizer)
    bare = head.attach(checkpoint, config, task)
    task.furnish(bare)
    reads, makes = bare.base_model.main_input_name, task.processor.model_input_names
    if reads not in makes:
        raise UserError(f"checkpoint: {checkpoint.name} reads {reads}, but the task makes {listed(makes)}.")
    anatomy = Anatomy.of(bare)
    network = adapter.adapt(bare, anatomy).train()
    if not any(weight.requires_grad for weight in network.parameters()):
        raise UserError("adapter: nothing is left to learn, for this network has no head beside its frozen backbone.")
    if optimizer.layer_decay != 1.0 and not anatomy.depth:
        raise UserError(f"optimizer.layer_decay: no layers of their own were found in {config.model_type}.")
    return network, anatomy


def rehearse(
    checkpoint: Checkpoint, head: Head, adapter: Adapter, optimizer: Optimizer, task: Task, strict: bool = False
) -> tuple[Any, Anatomy]:
    """Builds the network without weights, for whatever there is to object; `strict` has weights at hand fit it."""
    with torch.device("meta"):
        network, anatomy = build_network(Blank(checkpoint, strict), head, adapter, optimizer, task)
    optimizer.groups(network.named_parameters(), anatomy)
    optimizer.require_sound(network)
    return network, anatomy


def count_parameters(network: nn.Module) -> dict[str, int]:
    """All of them, and those that learn."""
    sizes = [(weight.numel(), weight.requires_grad) for weight in network.parameters()]
    return {"total": sum(size for size, _ in sizes), "trainable": sum(size for size, learns in sizes if learns)}
