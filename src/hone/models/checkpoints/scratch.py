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
    load_processor,
    make_config,
    set_attention,
    special_tokens,
)


@final
@dataclass(frozen=True)
class Scratch(Checkpoint):
    """The tokenizer is a hub id or a folder; the vocabulary size and special tokens follow it unless given."""

    architecture: str
    tokenizer: Place
    lr: Positive
    attention: str | None = None
    hyperparameters: dict[str, Any] | None = None

    @property
    def name(self) -> str:
        return f"{self.architecture} from scratch"

    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        if self.architecture not in CONFIG_MAPPING:
            hint = did_you_mean(self.architecture, CONFIG_MAPPING)
            raise UserError(f"checkpoint.architecture={self.architecture}: transformers has no such model type.{hint}")
        tokenizer = load_processor("AutoTokenizer", self.tokenizer, PretrainedConfig(), {})
        follows = {"vocab_size": len(tokenizer), **special_tokens(self.architecture, tokenizer)}
        given = follows | (self.hyperparameters or {})
        config = make_config(self.architecture, given)
        set_attention(config, self.attention)
        return change_config(config, changes)

    def processor(self, auto_class: str, facts: Facts) -> Any:
        return load_processor(auto_class, self.tokenizer, self.config({}), {})

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        auto = getattr(transformers, auto_class)
        network: PreTrainedModel = auto.from_config(config, **backbone_options(auto, config))
        return network

    def fingerprint(self) -> str:
        return cache_key(self.architecture, self.hyperparameters)[:16]
