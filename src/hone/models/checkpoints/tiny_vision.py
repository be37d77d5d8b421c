"""Tiny networks for pictures. All of them read RGB: a pipeline of transformers opens every file in three channels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, final

from torch import nn
from transformers import (
    BaseImageProcessor,
    DPTImageProcessorPil,
    GLPNConfig,
    Mask2FormerConfig,
    Mask2FormerImageProcessorPil,
    PretrainedConfig,
    PreTrainedModel,
    ResNetConfig,
    SegformerConfig,
    SegformerImageProcessorPil,
    ViTConfig,
    ViTImageProcessorPil,
    YolosConfig,
    YolosImageProcessorPil,
)

from hone.core.paths import cache_key
from hone.core.value_types import Count
from hone.models.checkpoints.tiny import Tiny


@dataclass(frozen=True)
class TinyVision(Tiny):
    """A built-in checkpoint for pictures, which are resized to squares of `image_size` pixels."""

    processors: ClassVar[tuple[str, ...]] = ("AutoImageProcessor",)
    processor_class: ClassVar[type[BaseImageProcessor]]

    image_size: Count = 28

    def own_processor(self, auto_class: str) -> Any:
        side = getattr(self.config({}), "image_size", self.image_size)  # hyperparameters may have another one
        height, width = side if isinstance(side, list | tuple) else (side, side)
        values: Any = {
            "size": {"height": height, "width": width},
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "do_convert_rgb": True,
        }
        return self.processor_class(**values)

    def fingerprint(self) -> str:
        return cache_key(self.name, self.hyperparameters or {}, self.image_size)[:16]


@final
@dataclass(frozen=True)
class TinyResNet(TinyVision):
    """Three stages of convolutions. Its batch norms make a row depend on its batch while it is trained."""

    kind: ClassVar[str] = "tiny_resnet"
    processor_class: ClassVar[type[BaseImageProcessor]] = ViTImageProcessorPil

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "embedding_size": 32,
            "hidden_sizes": [32, 64, 128],
            "depths": [1, 1, 1],
            "layer_type": "basic",
        }
        return ResNetConfig(**sizes)


@final
@dataclass(frozen=True)
class TinyViT(TinyVision):
    """A transformer on patches of 4 by 4 pixels."""

    kind: ClassVar[str] = "tiny_vit"
    processor_class: ClassVar[type[BaseImageProcessor]] = ViTImageProcessorPil

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "hidden_size": 64,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "patch_size": 4,
        }
        return ViTConfig(image_size=self.image_size, **sizes)


@final
@dataclass(frozen=True)
class TinySegformer(TinyVision):
    """Four stages whose outputs are joined. Its maps have a quarter of the picture's height and width."""

    kind: ClassVar[str] = "tiny_segformer"
    processor_class: ClassVar[type[BaseImageProcessor]] = SegformerImageProcessorPil

    image_size: Count = 64

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "hidden_sizes": [16, 32, 64, 96],
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 2, 4, 4],
            "mlp_ratios": [2, 2, 2, 2],
            "decoder_hidden_size": 64,
            "drop_path_rate": 0.0,
        }
        return SegformerConfig(**sizes)


@final
@dataclass(frozen=True)
class TinyYolos(TinyVision):
    """A transformer on patches of 8 by 8 pixels, with a token for each of the boxes that it may find."""

    kind: ClassVar[str] = "tiny_yolos"
    processor_class: ClassVar[type[BaseImageProcessor]] = YolosImageProcessorPil

    image_size: Count = 64

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "hidden_size": 64,
            "num_hidden_layers": 4,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "patch_size": 8,
            "num_detection_tokens": 10,
            "initializer_range": 0.12,  # about 1 / sqrt(hidden_size)
            "use_mid_position_embeddings": False,
        }
        return YolosConfig(image_size=[self.image_size, self.image_size], **sizes)

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        network = super().network(auto_class, config)
        embeddings: Any = network.base_model.embeddings
        for weight in (embeddings.detection_tokens, embeddings.position_embeddings):
            nn.init.normal_(weight, std=0.3)  # transformers begins with 0, so that no patch has a place
        return network


@final
@dataclass(frozen=True)
class TinyMask2Former(TinyVision):
    """A ResNet, a decoder of its maps, and queries that each find a segment. Its masks have a quarter of the picture's
    height and width."""

    kind: ClassVar[str] = "tiny_mask2former"
    processor_class: ClassVar[type[BaseImageProcessor]] = Mask2FormerImageProcessorPil

    image_size: Count = 64

    def shape(self) -> PretrainedConfig:
        backbone: dict[str, Any] = {
            "embedding_size": 16,
            "hidden_sizes": [16, 32, 64, 64],
            "depths": [1, 1, 1, 1],
            "layer_type": "basic",
            "out_features": ["stage1", "stage2", "stage3", "stage4"],
        }
        sizes: dict[str, Any] = {
            "feature_size": 64,
            "mask_feature_size": 64,
            "hidden_dim": 64,
            "num_attention_heads": 4,
            "encoder_layers": 1,
            "encoder_feedforward_dim": 128,
            "decoder_layers": 4,  # the first of them only has the queries
            "dim_feedforward": 128,
            "num_queries": 10,
            "train_num_points": 512,
        }
        return Mask2FormerConfig(backbone_config=ResNetConfig(**backbone), **sizes)


@final
@dataclass(frozen=True)
class TinyGlpn(TinyVision):
    """Four stages and a decoder whose depths are from 0 to `max_depth`, 10 unless the hyperparameters say otherwise."""

    kind: ClassVar[str] = "tiny_glpn"
    processor_class: ClassVar[type[BaseImageProcessor]] = DPTImageProcessorPil

    image_size: Count = 64

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "hidden_sizes": [16, 32, 64, 96],
            "depths": [1, 1, 1, 1],
            "num_attention_heads": [1, 2, 4, 4],
            "mlp_ratios": [2, 2, 2, 2],
            "decoder_hidden_size": 32,
            "drop_path_rate": 0.0,
        }
        return GLPNConfig(**sizes)
