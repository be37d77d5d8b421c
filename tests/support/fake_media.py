"""Tiny checkpoints for pictures, sounds, tables and pages: the part of the hub on disk that reads no plain texts."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from PIL import Image
from transformers import AutoConfig, BertTokenizer, PretrainedConfig

from hone.data.tiny.forms import form_examples
from hone.data.tiny.motions import motion_examples
from hone.data.tiny.objects import THINGS, object_examples
from hone.data.tiny.shapes import shape_examples
from hone.data.tiny.tones import tone_examples
from hone.models.checkpoints.tiny_documents import TinyLayoutLMv3, TinyTapas

_WIDTHS: dict[str, Any] = {
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 16,
}
_PATCHES: dict[str, Any] = {**_WIDTHS, "image_size": 32, "patch_size": 8}
_CLIPS: dict[str, Any] = {"num_frames": 4}
_MASKED: dict[str, Any] = {
    "decoder_hidden_size": 16,
    "decoder_num_hidden_layers": 1,
    "decoder_num_attention_heads": 2,
    "decoder_intermediate_size": 16,
}
_STAGES: dict[str, Any] = {"hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2}
_FOUR: dict[str, Any] = {"hidden_sizes": [8, 8, 8, 8], "depths": [1, 1, 1, 1]}
_RESNET: dict[str, Any] = {**_STAGES, "embedding_size": 8, "layer_type": "basic"}
_WAVES: dict[str, Any] = {
    **_WIDTHS,
    "conv_dim": [8, 8],
    "conv_stride": [5, 4],
    "conv_kernel": [10, 8],
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 4,
    "num_conv_pos_embedding_groups": 2,
    "classifier_proj_size": 8,
    "vocab_size": 12,
}
_DEPTHS: dict[str, Any] = {"neck_hidden_sizes": [8, 8, 8, 8], "fusion_hidden_size": 8, "head_hidden_size": 8}
_TOWERS: dict[str, Any] = {
    "text_config": {**_WIDTHS, "vocab_size": 12, "bos_token_id": 1, "eos_token_id": 2},
    "vision_config": _PATCHES,
}
_PAGES: dict[str, Any] = {
    **_WIDTHS,
    "vocab_size": 1000,
    "coordinate_size": 3,
    "shape_size": 2,
    "input_size": 64,
    "max_position_embeddings": 258,
}
_SEQ2SEQ: dict[str, Any] = {
    "d_model": 16,
    "encoder_layers": 2,
    "decoder_layers": 3,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 16,
    "decoder_ffn_dim": 16,
}
_WORDS = [
    "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "red", "green", "blue", "yellow", "circle", "square",
    "triangle", "left", "right", "of", "above", "below",
]  # fmt: skip
_WRITER: dict[str, Any] = {**_WIDTHS, "vocab_size": len(_WORDS), "pad_token_id": 0, "max_position_embeddings": 32}
_SWIN: dict[str, Any] = {
    "image_size": 32,
    "embed_dim": 8,
    "depths": [1, 1, 1, 1],
    "num_heads": [1, 2, 2, 2],
    "window_size": 4,
    "out_features": ["stage1", "stage2", "stage3", "stage4"],
}
SIZES: dict[str, dict[str, Any]] = {
    "vit": _PATCHES,
    "deit": _PATCHES,
    "dinov2": _PATCHES,
    "yolos": {**_PATCHES, "image_size": [32, 32], "num_detection_tokens": 4},
    "swin": {"image_size": 32, "embed_dim": 8, "depths": [1, 1], "num_heads": [1, 2], "window_size": 4},
    "convnext": _STAGES,
    "resnet": _RESNET,
    "segformer": {**_FOUR, "num_attention_heads": [1, 1, 1, 1], "decoder_hidden_size": 8},
    "videomae": {**_PATCHES, **_CLIPS, "tubelet_size": 2, **_MASKED},
    "timesformer": {**_PATCHES, **_CLIPS},
    "vivit": {**_PATCHES, **_CLIPS, "tubelet_size": [2, 8, 8]},
    "wav2vec2": _WAVES,
    "hubert": _WAVES,
    "audio-spectrogram-transformer": {**_WIDTHS, "max_length": 64, "num_mel_bins": 32},
    "clip": _TOWERS,
    "siglip": _TOWERS,
    "tapas": {**_WIDTHS, "vocab_size": 400},
    "dpt": {**_DEPTHS, **_PATCHES, "num_hidden_layers": 4, "backbone_out_indices": [0, 1, 2, 3], "is_hybrid": False},
    "depth_anything": {
        **_DEPTHS,
        "backbone_config": {
            "model_type": "dinov2",
            **_PATCHES,
            "num_hidden_layers": 4,
            "out_indices": [1, 2, 3, 4],
            "reshape_hidden_states": False,
        },
        "patch_size": 8,
        "reassemble_hidden_size": 16,
    },
    "layoutlmv3": _PAGES,
    "whisper": {**_SEQ2SEQ, "max_source_positions": 50},
    "speecht5": {
        "hidden_size": 16,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 2,
        "decoder_attention_heads": 2,
        "encoder_ffn_dim": 16,
        "decoder_ffn_dim": 16,
        "speech_decoder_prenet_units": 8,
        "speech_decoder_postnet_units": 8,
        "speech_decoder_postnet_layers": 2,
        "speaker_embedding_dim": 16,
    },
    "detr": {
        **_SEQ2SEQ,
        "use_timm_backbone": False,
        "backbone": None,
        "backbone_config": {"model_type": "resnet", **_RESNET, "out_features": ["stage2"]},
        "num_queries": 4,
    },
    "rt_detr": {
        **_SEQ2SEQ,
        "backbone_config": {
            "model_type": "rt_detr_resnet",
            **_FOUR,
            "embedding_size": 8,
            "layer_type": "basic",
            "out_features": ["stage2", "stage3", "stage4"],
        },
        "encoder_layers": 1,
        "encoder_hidden_dim": 16,
        "encoder_in_channels": [8, 8, 8],
        "decoder_in_channels": [16, 16, 16],
        "num_queries": 4,
        "num_denoising": 4,
    },
    "vilt": {**_WRITER, "image_size": 32, "patch_size": 16},
    "git": {**_WRITER, "vision_config": _PATCHES, "bos_token_id": 2, "eos_token_id": 3},
    "blip": {
        "text_config": {
            **_WRITER,
            "encoder_hidden_size": 16,
            "bos_token_id": 4,
            "eos_token_id": 3,
            "sep_token_id": 3,
        },
        "vision_config": _PATCHES,
    },
    "vision-encoder-decoder": {
        "encoder": {"model_type": "vit", **_PATCHES},
        "decoder": {
            "model_type": "bert",
            **_WRITER,
            "is_decoder": True,
            "add_cross_attention": True,
        },
        "pad_token_id": 0,
        "decoder_start_token_id": 2,
        "eos_token_id": 3,
    },
    "mask2former": {
        "backbone_config": {"model_type": "swin", **_SWIN},
        "feature_size": 32,
        "mask_feature_size": 32,
        "hidden_dim": 32,
        "encoder_layers": 2,
        "encoder_feedforward_dim": 16,
        "decoder_layers": 3,
        "num_attention_heads": 2,
        "dim_feedforward": 16,
        "num_queries": 4,
        "train_num_points": 16,
    },
    "maskformer": {
        "backbone_config": {"model_type": "swin", **_SWIN},
        "decoder_config": {
            "model_type": "detr",
            **_SEQ2SEQ,
            "num_queries": 4,
            "backbone_config": {"model_type": "resnet", **_RESNET, "out_features": ["stage2"]},
        },
        "fpn_feature_size": 32,
        "mask_feature_size": 32,
    },
}
"""The sizes of tiny networks, by architecture."""
PROCESSORS = {
    "vit": "ViTImageProcessorPil",
    "deit": "DeiTImageProcessorPil",
    "dinov2": "BitImageProcessorPil",
    "swin": "ViTImageProcessorPil",
    "convnext": "ConvNextImageProcessorPil",
    "resnet": "ConvNextImageProcessorPil",
    "segformer": "SegformerImageProcessorPil",
    "yolos": "YolosImageProcessorPil",
    "videomae": "VideoMAEImageProcessorPil",
    "timesformer": "VideoMAEImageProcessorPil",
    "vivit": "VivitImageProcessor",
    "dpt": "DPTImageProcessorPil",
    "depth_anything": "DPTImageProcessorPil",
    "wav2vec2": "Wav2Vec2FeatureExtractor",
    "hubert": "Wav2Vec2FeatureExtractor",
    "audio-spectrogram-transformer": "ASTFeatureExtractor",
    "whisper": "WhisperFeatureExtractor",
    "clip": "CLIPImageProcessorPil",
    "siglip": "SiglipImageProcessorPil",
    "detr": "DetrImageProcessorPil",
    "rt_detr": "RTDetrImageProcessorPil",
    "mask2former": "Mask2FormerImageProcessorPil",
    "maskformer": "MaskFormerImageProcessorPil",
    "speecht5": "SpeechT5FeatureExtractor",
}
"""The processors of those whose checkpoints `conf/checkpoint` names."""
PAIRS = {
    "vilt": ("AutoModel", "ViltProcessor"),
    "git": ("AutoModelForImageTextToText", "GitProcessor"),
    "blip": ("AutoModelForImageTextToText", "BlipProcessor"),
    "vision-encoder-decoder": ("AutoModelForImageTextToText", None),
}
"""Those that read or write a text beside a picture: their Auto class, and the processor for both if there is one."""
VALUES: dict[str, dict[str, Any]] = {
    "BitImageProcessorPil": {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
    "ConvNextImageProcessorPil": {"size": {"shortest_edge": 32}, "crop_pct": 1.0},
    "DeiTImageProcessorPil": {"size": {"height": 32, "width": 32}, "crop_size": {"height": 32, "width": 32}},
    "VideoMAEImageProcessorPil": {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
    "VivitImageProcessor": {"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}},
    "Wav2Vec2FeatureExtractor": {"return_attention_mask": True},
    "ASTFeatureExtractor": {"max_length": 64, "num_mel_bins": 32},
    "WhisperFeatureExtractor": {"chunk_length": 1},
    "CLIPImageProcessorPil": {"size": {"shortest_edge": 32}, "crop_size": {"height": 32, "width": 32}},
}
AUTO_MODELS = (
    "AutoModelForTableQuestionAnswering",
    "AutoModelForTextToSpectrogram",
    "AutoModelForDocumentQuestionAnswering",
    "AutoModelForSemanticSegmentation",
    "AutoModelForObjectDetection",
    "AutoModelForImageClassification",
    "AutoModelForVideoClassification",
    "AutoModelForAudioClassification",
    "AutoModelForDepthEstimation",
    "AutoModelForUniversalSegmentation",
)


def tiny_config(kind: str, **others: Any) -> PretrainedConfig:
    """Two narrow layers or stages."""
    return AutoConfig.for_model(kind, **{**SIZES[kind], "architectures": [], **others})


def auto_model_of(config: PretrainedConfig) -> str:
    """The first Auto class with a head for it."""
    return next(name for name in AUTO_MODELS if type(config) in getattr(transformers, name)._model_mapping)


def write_checkpoint(folder: Path, kind: str) -> None:
    """Random weights and the processor. What reads a text beside a picture has its head; others have one where the
    architecture does not exist without it."""
    if kind in PAIRS:
        write_pair(folder, kind)
        return
    config = tiny_config(kind)
    is_bare = type(config) in transformers.AutoModel._model_mapping and kind != "speecht5"  # it reads no texts then
    auto = transformers.AutoModel if is_bare else getattr(transformers, auto_model_of(config))
    auto.from_config(config).save_pretrained(folder)
    if kind in ("tapas", "layoutlmv3"):
        checkpoint = TinyTapas(lr=1.0) if kind == "tapas" else TinyLayoutLMv3(lr=1.0)
        checkpoint.own_processor(checkpoint.processors[0]).save_pretrained(folder)
        return
    name = PROCESSORS[kind]
    values = VALUES.get(name, {"size": {"height": 32, "width": 32}})
    getattr(transformers, name)(**values).save_pretrained(folder)


def write_pair(folder: Path, kind: str, **sizes: Any) -> None:
    """A network that has a tokenizer beside its image processor: in one file if it has a processor for both."""
    auto_model, name = PAIRS[kind]
    getattr(transformers, auto_model).from_config(tiny_config(kind, **sizes)).save_pretrained(folder)
    size = {"shortest_edge": 32} if kind == "vilt" else {"height": 32, "width": 32}
    cls = transformers.ViltImageProcessorPil if kind == "vilt" else transformers.ViTImageProcessorPil
    pictures = cls(size=size)
    special: dict[str, Any] = {"bos_token": "[MASK]"} if kind == "blip" else {}
    tokenizer = BertTokenizer(vocab={word: place for place, word in enumerate(_WORDS)}, **special)
    for part in (pictures, tokenizer) if name is None else (getattr(transformers, name)(pictures, tokenizer),):
        part.save_pretrained(folder)


def specimen(processor: Any, rows: int = 2, frames: int = 0) -> dict[str, torch.Tensor]:
    """What a network reads of a few pictures, videos of so many frames, clips, tables or pages."""
    if hasattr(processor, "max_row_id"):
        import pandas

        table = pandas.DataFrame([["tea", "3"], ["milk", "4"]], columns=["good", "price"], dtype=object)
        return dict(processor(table=table, queries=["what is the price of the tea ?"] * rows, return_tensors="pt"))
    if hasattr(processor, "image_processor"):
        page = form_examples(1)
        page = {name: values * rows for name, values in page.items()}
        pictures = [Image.new("RGB", (40, 50))] * rows
        return dict(processor(pictures, page["question"], page["words"], boxes=page["boxes"], return_tensors="pt"))
    rng = np.random.default_rng(0)
    if frames:
        videos = [[*rng.integers(0, 256, (frames, 40, 50, 3), dtype=np.uint8)] for _ in range(rows)]
        return dict(processor(videos, return_tensors="pt"))
    if processor.model_input_names[0] == "pixel_values":
        pictures = [rng.integers(0, 256, (40, 50, 3), dtype=np.uint8) for _ in range(rows)]
        return dict(processor(pictures, return_tensors="pt"))
    if isinstance(processor, transformers.SpeechT5FeatureExtractor):
        return {
            "input_ids": torch.arange(5 * rows).view(rows, 5),
            "attention_mask": torch.ones(rows, 5, dtype=torch.long),
            "decoder_input_values": torch.rand(rows, 3, processor.num_mel_bins),
            "speaker_embeddings": torch.rand(rows, 16),
        }
    clips = [rng.standard_normal(4000 + 2000 * row).astype(np.float32) for row in range(rows)]
    padding = "max_length" if hasattr(processor, "chunk_length") else True
    return dict(processor(clips, sampling_rate=processor.sampling_rate, padding=padding, return_tensors="pt"))


def write_folders(folder: Path) -> None:
    """Folders such as a user has: pictures, sounds and videos in a folder for each class, and digits in idx files."""
    for kind, (examples, role, ending) in {
        "pictures": (shape_examples(16), "image", "png"), "sounds": (tone_examples(), "audio", "wav"),
        "videos": (motion_examples(16), "video", "gif"),
    }.items():  # fmt: skip
        for number, (content, label) in enumerate(zip(examples[role], examples["label"], strict=True)):
            (folder / kind / label).mkdir(parents=True, exist_ok=True)
            (folder / kind / label / f"{number}.{ending}").write_bytes(content)
    (folder / "digits").mkdir()
    pixels = np.random.default_rng(0).integers(256, size=(40, 28, 28), dtype=np.uint8)
    labels = np.arange(40, dtype=np.uint8) % 10
    for name, values in (("train-images-idx3-ubyte", pixels), ("train-labels-idx1-ubyte", labels)):
        head = struct.pack(f">HBB{values.ndim}I", 0, 8, values.ndim, *values.shape)
        (folder / "digits" / name).write_bytes(head + values.tobytes())
    write_box_folders(folder)


def write_box_folders(folder: Path) -> None:
    """The same pictures with boxes as COCO and as Pascal VOC have them: ten to train, six to validate."""
    examples = object_examples(16)
    for split, name, places in (("train", "train2017", range(10)), ("val", "val2017", range(10, 16))):
        pictures = folder / "street" / name
        pictures.mkdir(parents=True)
        images, annotations = [], []
        for place in places:
            (pictures / f"{place}.png").write_bytes(examples["image"][place])
            images.append({"id": place, "file_name": f"{place}.png"})
            annotations += [
                {"image_id": place, "category_id": THINGS.index(label), "bbox": box}
                for box, label in zip(examples["boxes"][place], examples["label"][place], strict=True)
            ]
        categories = [{"id": number, "name": label} for number, label in enumerate(THINGS)]
        content = {"images": images, "annotations": annotations, "categories": categories}
        (folder / "street/annotations").mkdir(exist_ok=True)
        (folder / f"street/annotations/instances_{name}.json").write_text(json.dumps(content))
        (folder / "cells/ImageSets/Main").mkdir(parents=True, exist_ok=True)
        (folder / f"cells/ImageSets/Main/{split}.txt").write_text("".join(f"{place}\n" for place in places))
    for name in ("Annotations", "JPEGImages"):
        (folder / "cells" / name).mkdir()
    for place, picture in enumerate(examples["image"]):
        (folder / f"cells/JPEGImages/{place}.png").write_bytes(picture)
        things = "".join(map(_to_xml, examples["boxes"][place], examples["label"][place]))
        (folder / f"cells/Annotations/{place}.xml").write_text(f"<annotation>{things}</annotation>")


def _to_xml(box: list[int], label: str) -> str:
    left, top, width, height = box
    corners = {"xmin": left, "ymin": top, "xmax": left + width, "ymax": top + height}
    sides = "".join(f"<{side}>{value}</{side}>" for side, value in corners.items())
    return f"<object><name>{label}</name><bndbox>{sides}</bndbox></object>"
