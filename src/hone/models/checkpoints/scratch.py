"""Any architecture of transformers with random weights and hyperparameters that you choose."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import transformers
from transformers import PretrainedConfig, PreTrainedModel
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from hone.core.errors import UserError, did_you_mean
from hone.core.paths import cache_key
from hone.core.task import Facts
from hone.core.value_types import Place, Positive
from hone.models.checkpoint import Checkpoint
from hone.models.compatibility import (
    backbone_options,
    change_config,
    make_config,
    set_attention,
    special_tokens,
)
from hone.models.processor_source import ProcessorSource
from hone.models.processors import load_processor


@final
@dataclass(frozen=True)
class Scratch(Checkpoint):
    """The vocabulary size and special tokens follow the tokenizer, if there is one, unless they are given."""

    architecture: str
    lr: Positive
    tokenizer: Place | None = None
    processor: Place | dict[str, Any] | None = None
    attention: str | None = None
    hyperparameters: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return f"{self.architecture} from scratch"

    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        if self.architecture not in CONFIG_MAPPING:
            hint = did_you_mean(self.architecture, CONFIG_MAPPING)
            raise UserError(f"checkpoint.architecture={self.architecture}: transformers has no such model type.{hint}")
        config = make_config(self.architecture, self._vocabulary() | (self.hyperparameters or {}))
        set_attention(config, self.attention)
        return change_config(config, changes)

    def make_processor(self, auto_class: str, facts: Facts) -> Any:
        return ProcessorSource(self.tokenizer, self.processor).make(auto_class, facts, self.config({}))

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        auto = getattr(transformers, auto_class)
        network: PreTrainedModel = auto.from_config(config, **backbone_options(auto, config))
        return network

    def fingerprint(self) -> str:
        return cache_key(self.architecture, self.hyperparameters)[:16]

    def _vocabulary(self) -> dict[str, int]:
        """Returns the values of the config that follow from the tokenizer."""
        if self.tokenizer is None:
            return {}
        tokenizer = load_processor("AutoTokenizer", self.tokenizer, PretrainedConfig(), {})
        return {"vocab_size": len(tokenizer), **special_tokens(self.architecture, tokenizer)}
