"""Builds one network from checkpoint, head and adapter; first without weights, which shows misfits before they load."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
import transformers
from torch import nn
from transformers import PretrainedConfig, PreTrainedModel

from hone.core.errors import UserError, join_names, one_line
from hone.core.task import Facts, Task
from hone.models.adapters import Adapter
from hone.models.checkpoint import Checkpoint
from hone.models.compatibility import headless
from hone.models.head import Head, network_config
from hone.models.layers import LayerMap


@final
@dataclass(frozen=True)
class BlankCheckpoint(Checkpoint):
    """A checkpoint whose networks have shapes but no weights."""

    of: Checkpoint
    strict: bool = False
    """Whether weights on this machine must fit."""
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
        except Exception as error:  # what is wrong with a config differs by architecture
            raise UserError(f"checkpoint: no {auto_class} can be built from its config ({one_line(error)})") from error
        if self.strict:
            loading = self.of.require_fitting(auto_class, config)
            if loading is not None:
                loading.attach(network)
        return network

    def fingerprint(self) -> str:
        return self.of.fingerprint()


def build_network(checkpoint: Checkpoint, head: Head, adapter: Adapter, task: Task) -> tuple[Any, LayerMap]:
    """Returns the network, in training mode, and its layer_map."""
    config = network_config(checkpoint, task)
    head.check(config, task, adapter)
    _require_whole_chunks(config, task)
    task.read_config(config)
    bare = head.attach(checkpoint, config, task)
    task.configure_generation(bare)
    reads, makes = bare.base_model.main_input_name, task.processor.model_input_names
    if reads not in makes:
        raise UserError(f"checkpoint: {checkpoint.name} reads {reads}, but the task provides {join_names(makes)}.")
    layer_map = LayerMap.of(bare)
    network = adapter.adapt(bare, layer_map).train()
    if not any(weight.requires_grad for weight in network.parameters()):
        raise UserError("adapter: nothing is left to learn: this network has no head beside its frozen backbone.")
    return network, layer_map


def _require_whole_chunks(config: PretrainedConfig, task: Task) -> None:
    """Raises UserError where feed-forward layers compute in chunks that a batch may not fill."""
    chunk = getattr(config, "chunk_size_feed_forward", 0)
    if chunk < 2:
        return
    place, multiple = f"checkpoint.hyperparameters.chunk_size_feed_forward={chunk}", 1
    if getattr(task, "padding", None) == "max_length":
        multiple = getattr(task, "max_length", None) or task.processor.model_max_length
    multiple = math.lcm(multiple, getattr(task, "pad_to_multiple_of", None) or 1)
    if multiple % chunk:
        remedy = f"Set task.pad_to_multiple_of={chunk}, or" if hasattr(task, "pad_to_multiple_of") else "Set"
        raise UserError(
            f"{place}: batches must be a multiple of {chunk} tokens wide. {remedy} chunk_size_feed_forward=0."
        )


def build_blank_network(
    checkpoint: Checkpoint, head: Head, adapter: Adapter, task: Task, strict: bool = False
) -> tuple[Any, LayerMap]:
    """Builds the network without weights, which raises what is wrong; `strict` also checks weights on this machine."""
    with torch.device("meta"):
        return build_network(BlankCheckpoint(checkpoint, strict), head, adapter, task)


def count_parameters(network: nn.Module) -> dict[str, int]:
    """Returns the number of all parameters and of those that learn."""
    sizes = [(weight.numel(), weight.requires_grad) for weight in network.parameters()]
    return {"total": sum(size for size, _ in sizes), "trainable": sum(size for size, learns in sizes if learns)}


def enable_recomputation(network: Any, wanted: bool) -> None:
    """Has transformers do that, where it can and is wanted."""
    if not wanted:
        return
    bare: PreTrainedModel = next(module for module in network.modules() if isinstance(module, PreTrainedModel))
    backbone: Any = bare.base_model
    if not backbone.supports_gradient_checkpointing:
        raise UserError(
            f"gradient_checkpointing=true: transformers has none for {backbone.config.model_type}; say false, and "
            f"where memory is short a smaller batch_size with a larger accumulate."
        )
    backbone.activation_checkpointing_enable({"use_reentrant": False})
