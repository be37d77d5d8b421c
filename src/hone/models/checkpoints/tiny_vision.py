"""Tiny networks for pictures and videos. They read RGB, unless their hyperparameters say `num_channels: 1`."""

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
    VideoMAEConfig,
    VideoMAEImageProcessorPil,
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
        config = self.config({})
        side = getattr(config, "image_size", self.image_size)  # hyperparameters may have another one
        height, width = side if isinstance(side, list | tuple) else (side, side)
        channels = getattr(config, "num_channels", 3)
        values: Any = {
            "size": {"height": height, "width": width},
            "image_mean": [0.5] * channels,
            "image_std": [0.5] * channels,
            "do_convert_rgb": channels == 3,
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
            "encoder_stride": 4,
            "initializer_range": 0.12,  # about 1 / sqrt(hidden_size), so that patches begin with a place
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


@final
@dataclass(frozen=True)
class TinyVideoMAE(TinyVision):
    """A transformer on patches of 8 by 8 pixels of two frames each. It reads 8 frames."""

    kind: ClassVar[str] = "tiny_videomae"
    processor_class: ClassVar[type[BaseImageProcessor]] = VideoMAEImageProcessorPil

    image_size: Count = 32

    def shape(self) -> PretrainedConfig:
        sizes: dict[str, Any] = {
            "hidden_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 4,
            "intermediate_size": 128,
            "patch_size": 8,
            "num_frames": 8,
            "tubelet_size": 2,
            "initializer_range": 0.12,  # about 1 / sqrt(hidden_size); it learns nothing with the 0.02 of wide networks
            "decoder_hidden_size": 32,
            "decoder_num_hidden_layers": 1,
            "decoder_num_attention_heads": 2,
            "decoder_intermediate_size": 64,
        }
        return VideoMAEConfig(image_size=self.image_size, **sizes)

    def own_processor(self, auto_class: str) -> Any:
        processor = super().own_processor(auto_class)
        processor.do_center_crop = False
        return processor
