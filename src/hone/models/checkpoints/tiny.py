"""What all built-in checkpoints share: networks so small that two cores train them in seconds."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import transformers
from transformers import PretrainedConfig, PreTrainedModel

from hone.core.errors import UserError, join_names
from hone.core.paths import cache_key
from hone.core.task import Facts
from hone.core.value_types import Positive
from hone.models.checkpoint import Checkpoint
from hone.models.compatibility import backbone_options, change_config
from hone.models.processors import choose_processor


@dataclass(frozen=True)
class Tiny(Checkpoint):
    """A checkpoint without files: its config and its processor are made in code, its weights are random."""

    kind: ClassVar[str]
    """The name in `conf/checkpoint/`."""
    processors: ClassVar[tuple[str, ...]]
    """The Auto classes of the processors that it has."""

    lr: Positive
    hyperparameters: dict[str, Any] | None = None

    @abstractmethod
    def shape(self) -> PretrainedConfig:
        """Returns the config before the user's hyperparameters."""

    @abstractmethod
    def own_processor(self, auto_class: str) -> Any:
        """Returns a processor of one of the Auto classes in `processors`."""

    @property
    def name(self) -> str:
        return self.kind

    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        given = self.hyperparameters or {}
        return change_config(change_config(self.shape(), given, "checkpoint.hyperparameters"), changes)

    def make_processor(self, auto_class: str, facts: Facts) -> Any:
        return choose_processor(auto_class, facts, self.config({}), self._require_own)

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        auto = getattr(transformers, auto_class)
        network: PreTrainedModel = auto.from_config(config, **backbone_options(auto, config))
        return network

    def fingerprint(self) -> str:
        return cache_key(self.name, self.config({}).to_diff_dict())[:16]

    def _require_own(self, auto_class: str) -> Any:
        if auto_class not in self.processors:
            raise UserError(
                f"checkpoint={self.name} has an {join_names(self.processors)}, and this task needs an {auto_class}: "
                f"choose another checkpoint."
            )
        return self.own_processor(auto_class)
