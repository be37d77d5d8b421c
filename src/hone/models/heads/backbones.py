"""The part of a checkpoint that a pooled head sits on, and what its states look like."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import AutoModel, PretrainedConfig, PreTrainedModel

from hone.core.errors import UserError, one_line
from hone.models.checkpoint import Checkpoint
from hone.models.compatibility import backbone_options
from hone.models.loading import Loading, loading_of

_OF_IMAGES = ("AutoModelForImageClassification", "AutoModelForVideoClassification")


def load_backbone(checkpoint: Checkpoint, config: PretrainedConfig, auto_model: str) -> PreTrainedModel:
    """Returns the checkpoint's bare network; of one that reads images and texts, the part for the task's images."""
    network = checkpoint.network("AutoModel", config)
    if auto_model not in _OF_IMAGES or not hasattr(config, "vision_config"):
        return network
    tower: PreTrainedModel = network.get_submodule("vision_model")  # type: ignore[assignment]  # it is one in CLIP
    loading = loading_of(network)
    if loading is not None:
        prefix = "vision_model."
        new = tuple(name.removeprefix(prefix) for name in loading.new if name.startswith(prefix))
        Loading(new, loading.unused).attach(tower)
    return tower


def measure_states(backbone: PreTrainedModel) -> torch.Size:
    """Returns the shape of the states for one input: (1, length, width) or (1, width, height, width).

    A copy without weights computes them, because configs have many names for their widths, and some have none.
    """
    config = backbone.config
    if backbone.main_input_name == "input_ids":
        return torch.Size((1, 1, config.hidden_size))
    options = backbone_options(AutoModel, config)
    try:
        with torch.device("meta"), torch.inference_mode():
            blank = AutoModel.from_config(config, **options).eval()
            states: Tensor = blank(**{backbone.main_input_name: _blank_input(backbone)}).last_hidden_state
    except Exception as error:  # each architecture has its own way to reject an input
        raise UserError(
            f"A {config.model_type} checkpoint has no states to pool ({one_line(error)}): use head=auto."
        ) from error
    return states.shape


def _blank_input(backbone: PreTrainedModel) -> Tensor:
    """Returns an input of the size that the network expects: an image, a video, a wave or a spectrogram."""
    config, name = backbone.config, backbone.main_input_name
    if name == "pixel_values":
        side = getattr(config, "image_size", None) or 224
        height, width = side if isinstance(side, list | tuple) else (side, side)
        frames = [config.num_frames] if hasattr(config, "num_frames") else []
        return torch.zeros(1, *frames, config.num_channels, height, width)
    if hasattr(config, "num_mel_bins") and hasattr(config, "max_length"):  # AST
        return torch.zeros(1, config.max_length, config.num_mel_bins)
    if hasattr(config, "feature_projection_input_dim"):
        return torch.zeros(1, 64, config.feature_projection_input_dim)
    return torch.zeros(1, 16_000)
