"""Builds a network from checkpoint, head and adapter. A blank one, without weights, shows misfits before loading."""

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
from hone.models.compatibility import backbone_options
from hone.models.head import Head, network_config
from hone.models.layers import LayerMap
from hone.models.row_dependence import enter_training


@final
@dataclass(frozen=True)
class BlankCheckpoint(Checkpoint):
    """A checkpoint whose networks have shapes but no weights."""

    original: Checkpoint
    strict: bool = False
    """Whether weights on this machine must fit."""
    lr: float = 0.0

    @property
    def name(self) -> str:
        return self.original.name

    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        return self.original.config(changes)

    def make_processor(self, auto_class: str, facts: Facts) -> Any:
        return self.original.make_processor(auto_class, facts)

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        auto = getattr(transformers, auto_class)
        network: PreTrainedModel
        try:
            with torch.device("meta"):
                network = auto.from_config(
                    config, trust_remote_code=self.original.trust_remote_code, **backbone_options(auto, config)
                )
        except Exception as error:  # each architecture raises its own errors about a config
            raise UserError(f"checkpoint: no {auto_class} can be built from its config ({one_line(error)})") from error
        if self.strict:
            loading = self.original.require_fitting(auto_class, config)
            if loading is not None:
                loading.attach(network)
        return network

    def fingerprint(self) -> str:
        return self.original.fingerprint()


def build_network(checkpoint: Checkpoint, head: Head, adapter: Adapter, task: Task) -> tuple[Any, LayerMap]:
    """Returns the network, in training mode, and its layer map."""
    config = network_config(checkpoint, task)
    head.check(config, task, adapter)
    _require_whole_chunks(config, task)
    task.read_config(config)
    bare = head.attach(checkpoint, config, task)
    task.configure_generation(bare)
    needed, provided = bare.base_model.main_input_name, task.processor.model_input_names
    if needed not in provided:
        raise UserError(f"checkpoint: {checkpoint.name} reads {needed}, but the task provides {join_names(provided)}.")
    layer_map = LayerMap.of(bare)
    network = enter_training(adapter.adapt(bare, layer_map))
    if not any(weight.requires_grad for weight in network.parameters()):
        raise UserError("adapter: nothing is trainable: this network has no head and its backbone is frozen.")
    return network, layer_map


def _require_whole_chunks(config: PretrainedConfig, task: Task) -> None:
    """Raises UserError where feed-forward layers compute in chunks that do not always divide a batch's width."""
    chunk = getattr(config, "chunk_size_feed_forward", 0)
    if chunk < 2:
        return
    width = 1  # every batch's width is a multiple of this
    if getattr(task, "padding", None) == "max_length":
        width = getattr(task, "max_length", None) or task.processor.model_max_length
    width = math.lcm(width, getattr(task, "pad_to_multiple_of", None) or 1)
    if width % chunk:
        remedy = f"Set task.pad_to_multiple_of={chunk}, or" if hasattr(task, "pad_to_multiple_of") else "Set"
        raise UserError(
            f"checkpoint.hyperparameters.chunk_size_feed_forward={chunk}: batches must be a multiple of {chunk} tokens "
            f"wide. {remedy} chunk_size_feed_forward=0."
        )


def build_blank_network(
    checkpoint: Checkpoint, head: Head, adapter: Adapter, task: Task, strict: bool = False
) -> tuple[Any, LayerMap]:
    """Builds the network without weights, to raise misfits early; `strict` also checks weights on this machine."""
    with torch.device("meta"):
        return build_network(BlankCheckpoint(checkpoint, strict), head, adapter, task)


def count_parameters(network: nn.Module) -> dict[str, int]:
    """Returns the number of all parameters and of the trainable ones."""
    sizes = [(weight.numel(), weight.requires_grad) for weight in network.parameters()]
    trainable = sum(size for size, requires_grad in sizes if requires_grad)
    return {"total": sum(size for size, _ in sizes), "trainable": trainable}


def enable_recomputation(network: Any, wanted: bool) -> None:
    """Turns on transformers' gradient checkpointing where it is wanted: activations are recomputed, not kept."""
    if not wanted:
        return
    bare: PreTrainedModel = next(module for module in network.modules() if isinstance(module, PreTrainedModel))
    backbone: Any = bare.base_model
    if not backbone.supports_gradient_checkpointing:
        raise UserError(
            f"gradient_checkpointing=true: transformers has none for {backbone.config.model_type}. Set it to false; to "
            "save memory, use a smaller batch_size with a larger accumulate."
        )
    backbone.activation_checkpointing_enable({"use_reentrant": False})
