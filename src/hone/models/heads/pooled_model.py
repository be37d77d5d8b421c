"""A backbone, a pooling and a small head, as a transformers model.

This file is saved beside the weights it describes and runs there without hone: it imports only torch and transformers.
"""

from __future__ import annotations

import inspect
from typing import Any, final

import torch
from torch import Tensor, nn
from transformers import MODEL_MAPPING, AutoConfig, AutoModel, PretrainedConfig, PreTrainedModel
from transformers.activations import ACT2FN
from transformers.modeling_outputs import ImageClassifierOutput, SequenceClassifierOutput


@final
class PooledConfig(PretrainedConfig):
    """The config holds the backbone's whole config and the head's few numbers."""

    model_type = "hone_pooled"

    def __init__(
        self,
        backbone: dict[str, Any] | None = None,
        width: int = 0,
        pooling: str = "mean",
        hidden: list[int] | None = None,
        activation: str = "gelu",
        dropout: float = 0.1,
        **others: Any,
    ) -> None:
        self.backbone = backbone or {}
        self.width = width
        self.pooling = pooling
        self.hidden = hidden or []
        self.activation = activation
        self.dropout = dropout
        super().__init__(**others)

    def make_backbone(self) -> PreTrainedModel:
        """Returns the backbone with random weights."""
        values = dict(self.backbone)
        config = AutoConfig.for_model(values.pop("model_type"), **values)
        cls: Any = MODEL_MAPPING[type(config)]
        accepts = inspect.signature(cls).parameters
        options = {"add_pooling_layer": False} if "add_pooling_layer" in accepts else {}
        backbone: PreTrainedModel = AutoModel.from_config(config, **options)
        return backbone


@final
class Pooling(nn.Module):
    """Makes one vector per sequence; padding does not count."""

    def __init__(self, kind: str, width: int) -> None:
        super().__init__()
        self.kind = kind
        self.attention = nn.Linear(width, 1) if kind == "attention" else None

    def forward(self, states: Tensor, mask: Tensor) -> Tensor:
        inside = mask.unsqueeze(-1).bool()
        if self.kind == "cls":
            return states[:, 0]
        if self.kind == "last":
            last = mask.shape[1] - 1 - mask.flip(1).argmax(dim=1)
            return states[torch.arange(len(states), device=states.device), last]
        if self.kind == "max":
            return states.masked_fill(~inside, torch.finfo(states.dtype).min).amax(dim=1)
        if self.attention is not None:
            scores = self.attention(states).masked_fill(~inside, torch.finfo(states.dtype).min)
            weighted: Tensor = (scores.softmax(dim=1) * states).sum(dim=1)
            return weighted
        mean: Tensor = (states * inside).sum(dim=1) / inside.sum(dim=1).clamp(min=1)
        return mean


class PooledNetwork(PreTrainedModel):
    """The network reads inputs, or `features` that its own backbone and pooling computed earlier."""

    config_class = PooledConfig
    base_model_prefix = "backbone"

    def __init__(self, config: PooledConfig, backbone: PreTrainedModel | None = None) -> None:
        super().__init__(config)
        self.backbone = config.make_backbone() if backbone is None else backbone
        self.pooling = Pooling(config.pooling, config.width)
        width = config.width
        layers: list[nn.Module] = []
        for size in config.hidden:
            layers += [nn.Dropout(config.dropout), nn.Linear(width, size), ACT2FN[config.activation]]
            width = size
        self.classifier = nn.Sequential(
            *layers, nn.Dropout(config.dropout), nn.Linear(width, int(config.num_labels or 0))
        )
        self.post_init()  # type: ignore[no-untyped-call]  # transformers has no types

    def featurise(self, **inputs: Tensor | None) -> Tensor:
        """Returns the pooled states of the backbone."""
        accepted = inspect.signature(self.backbone.forward).parameters
        states = self.backbone(**{name: value for name, value in inputs.items() if name in accepted})[0]
        sequence = as_sequence(states)
        features: Tensor = self.pooling(sequence, self._mask(sequence, inputs.get("attention_mask")))
        return features

    def classify(self, features: Tensor | None, **inputs: Tensor | None) -> Tensor:
        """Returns the logits."""
        logits: Tensor = self.classifier(self.featurise(**inputs) if features is None else features)
        return logits

    def _mask(self, states: Tensor, mask: Tensor | None) -> Tensor:
        """Returns which states count. The mask of a wave has a number per sample, and there are fewer states."""
        if mask is None:
            return torch.ones(states.shape[:2], dtype=torch.long, device=states.device)
        if mask.shape[1] == states.shape[1]:
            return mask
        backbone: Any = self.backbone
        frames: Tensor = backbone._get_feature_vector_attention_mask(states.shape[1], mask)
        return frames.long()

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear):
            module.reset_parameters()


@final
class PooledForSequenceClassification(PooledNetwork):
    """A classifier of texts."""

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        features: Tensor | None = None,
        **others: Any,
    ) -> SequenceClassifierOutput:
        if attention_mask is None and input_ids is not None:
            attention_mask = torch.ones_like(input_ids)
        inputs = {"input_ids": input_ids, "attention_mask": attention_mask, **others}
        return SequenceClassifierOutput(logits=self.classify(features, **inputs))


@final
class PooledForImageClassification(PooledNetwork):
    """A classifier of images."""

    main_input_name = "pixel_values"

    def forward(
        self, pixel_values: Tensor | None = None, features: Tensor | None = None, **others: Any
    ) -> ImageClassifierOutput:
        return ImageClassifierOutput(logits=self.classify(features, pixel_values=pixel_values, **others))


@final
class PooledForVideoClassification(PooledNetwork):
    """A classifier of videos."""

    main_input_name = "pixel_values"

    def forward(
        self, pixel_values: Tensor | None = None, features: Tensor | None = None, **others: Any
    ) -> ImageClassifierOutput:
        return ImageClassifierOutput(logits=self.classify(features, pixel_values=pixel_values, **others))


@final
class PooledForAudioClassification(PooledNetwork):
    """A classifier of sounds, which are waves or spectrograms."""

    def forward(
        self, attention_mask: Tensor | None = None, features: Tensor | None = None, **others: Any
    ) -> SequenceClassifierOutput:
        return SequenceClassifierOutput(logits=self.classify(features, attention_mask=attention_mask, **others))


def as_sequence(states: Tensor) -> Tensor:
    """Returns states as rows of vectors: a map of (rows, channels, height, width) has one per place."""
    return states.flatten(2).transpose(1, 2) if states.dim() == 4 else states


PooledConfig.register_for_auto_class()  # type: ignore[no-untyped-call]  # likewise
for _network in (  # which has no types either
    PooledForSequenceClassification, PooledForImageClassification, PooledForVideoClassification,
    PooledForAudioClassification,
):  # fmt: skip
    _network.register_for_auto_class(_network.__name__.replace("PooledFor", "AutoModelFor"))  # type: ignore[no-untyped-call]
