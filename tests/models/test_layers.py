"""The head and the layers of networks: what transformers builds around the bare model is the head."""

from typing import Any

import pytest
import torch
import transformers
from transformers import AutoConfig, PreTrainedModel

import fake_media
from hone.core.errors import UserError
from hone.models.adapters import Frozen, Lora, TopLayers
from hone.models.head_parameters import require_weights
from hone.models.layers import LayerMap

_BERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16, "vocab_size": 12}
_GPT2 = {"n_embd": 16, "n_layer": 2, "n_head": 2, "vocab_size": 12, "bos_token_id": 1, "eos_token_id": 2}
_T5 = {"d_model": 16, "d_kv": 8, "d_ff": 16, "num_layers": 2, "num_heads": 2, "vocab_size": 12}
_TEXTS: dict[str, dict[str, Any]] = {"bert": _BERT, "gpt2": _GPT2, "t5": _T5, "llama": _BERT}
IMAGES, BOXES, SOUNDS = "ImageClassification", "ObjectDetection", "AudioClassification"
CLASSIFIER = ("classifier",)
_DECODER = "model.decoder"
BOXED = ("class_labels_classifier", "bbox_predictor")

NETWORKS: dict[tuple[str, str], tuple[tuple[str, ...], int, tuple[str, ...]]] = {
    ("vit", IMAGES): (CLASSIFIER, 2, ("embeddings.", "layers.0.", "layers.1.", "vit.layernorm", "classifier")),
    ("deit", IMAGES): (CLASSIFIER, 2, ("embeddings.", "layers.0.", "layers.1.", "deit.layernorm", "classifier")),
    ("swin", IMAGES): (CLASSIFIER, 2, ("swin.embeddings.", "layers.0.", "layers.1.", "swin.layernorm", "classifier")),
    ("convnext", IMAGES): (CLASSIFIER, 2, (".embeddings.", "stages.0.", "stages.1.", "convnext.layernorm", "classif")),
    ("dinov2", IMAGES): (CLASSIFIER, 2, ("embeddings.", "layer.0.", "layer.1.", "dinov2.layernorm", "classifier")),
    ("resnet", IMAGES): (CLASSIFIER, 2, ("embedder.", "stages.0.", "stages.1.", "classifier")),
    ("segformer", IMAGES): (CLASSIFIER, 4, ("stages.0.", "stages.1.", "stages.2.", "stages.3.", "classifier")),
    ("segformer", "SemanticSegmentation"): (("decode_head",), 4, ("stages.0.", "stages.3.", "decode_head.")),
    ("yolos", BOXES): (BOXED, 2, ("vit.embeddings.", "layer.0.", "layer.1.", "vit.layernorm", "bbox_predictor")),
    ("rt_detr", BOXES): (
        ("model.denoising_class_embed", "model.enc_score_head", f"{_DECODER}.class_embed", f"{_DECODER}.bbox_embed"),
        8,
        ("backbone.model.embedder", "stages.0.", "stages.3.", "aifi.0.", "decoder.layers.0.", "decoder.layers.2.",
         "encoder_input_proj", "class_embed"),
    ),
    ("detr", BOXES): (
        BOXED, 7, ("model.embedder", "stages.1.", "encoder.layers.0.", "decoder.layers.2.", "decoder.layernorm", "box"),
    ),
    ("dpt", "DepthEstimation"): (("neck", "head"), 4, ("dpt.embeddings.", "layer.0.", "layer.3.", "neck.", "head.")),
    ("depth_anything", "DepthEstimation"): (
        ("neck", "head"), 4, ("backbone.embeddings.", "layer.0.", "layer.3.", "neck.", "head."),
    ),
    ("vit", "MaskedImageModeling"): (
        ("vit.embeddings.mask_token", "decoder"), 2,
        ("position_embeddings", "layers.0.", "layers.1.", "vit.layern", "decoder"),
    ),
    ("clip", IMAGES): (CLASSIFIER, 2, ("patch_embedding", "layers.0.", "layers.1.", "post_layernorm", "classifier")),
    ("siglip", IMAGES): (CLASSIFIER, 2, ("patch_embedding", "layers.0.", "layers.1.", "post_layernorm", "classifier")),
    ("clip", ""): (
        ("visual_projection", "text_projection", "logit_scale"), 4,
        ("vision_model.embeddings", "text_model.encoder.layers.1", "vision_model.encoder.layers.0", "projection"),
    ),
    ("siglip", ""): (
        ("text_model.head", "vision_model.head", "logit_scale", "logit_bias"), 4,
        ("vision_model.embeddings", "text_model.encoder.layers.1", "vision_model.encoder.layers.0", "_model.head"),
    ),
    ("whisper", SOUNDS): (
        ("projector", "classifier"), 2, ("conv1", "layers.0.", "layers.1.", "encoder.layer_norm", "classifier"),
    ),
    ("whisper", "SpeechSeq2Seq"): (
        ("proj_out",), 5, ("encoder.conv2", "encoder.layers.1.", "decoder.layers.0.", "decoder.layers.2."),
    ),
    ("wav2vec2", "CTC"): (("lm_head",), 2, ("feature_extractor.", "encoder.layers.0.", "encoder.layers.1.", "lm_head")),
    ("hubert", SOUNDS): (("projector", "classifier"), 2, ("feature_projection", "layers.0.", "layers.1.", "projector")),
    ("audio-spectrogram-transformer", SOUNDS): (CLASSIFIER, 2, ("embeddings.", "layers.0.", "layers.1.", "classifier")),
    ("bert", "SequenceClassification"): (CLASSIFIER, 2, ("embeddings.", "layer.0.", "layer.1.", "pooler", "classif")),
    ("bert", "MaskedLM"): (("cls",), 2, ("embeddings.", "layer.0.", "layer.1.", "cls.")),
    ("bert", ""): ((), 2, ("embeddings.", "layer.0.", "layer.1.", "pooler")),
    ("gpt2", "CausalLM"): (("lm_head",), 2, ("transformer.wte", "h.0.", "h.1.", "ln_f")),
    ("t5", "Seq2SeqLM"): (("lm_head",), 4, ("shared", "encoder.block.0.", "decoder.block.0.", "decoder.final_layer")),
    ("git", "ImageTextToText"): (
        ("output",), 4, ("vision_model.embeddings", "vision_model.encoder.layers.0.", "git.encoder.layer.1."),
    ),
    ("blip", "ImageTextToText"): (
        ("text_decoder.cls",), 4,
        ("vision_model.embeddings", "vision_model.encoder.layers.1.", "bert.encoder.layer.0.", "text_decoder.cls"),
    ),
    ("t5", "QuestionAnswering"): (("qa_outputs",), 4, ("shared", "encoder.block.1.", "decoder.block.1.", "qa_outputs")),
    ("llama", "CausalLM"): (("lm_head",), 2, ("embed_tokens", "layers.0.", "layers.1.", "model.norm", "lm_head")),
}  # fmt: skip
"""The head, the number of layers, and parameters in the order of their depth: the first is an input."""


def built(kind: str, head: str) -> PreTrainedModel:
    """The network without weights; without a head it is the bare model."""
    sizes = _TEXTS.get(kind)
    config = AutoConfig.for_model(kind, **sizes) if sizes else fake_media.tiny_config(kind)
    auto = getattr(transformers, f"AutoModelFor{head}" if head else "AutoModel")
    with torch.device("meta"):
        return auto.from_config(config)


@pytest.mark.parametrize(("kind", "head"), NETWORKS)
def test_the_head_and_the_layers(kind: str, head: str) -> None:
    expected, depth, order = NETWORKS[kind, head]
    network = built(kind, head)
    layer_map = LayerMap.of(network)
    assert set(layer_map.head) - {"class_embed", "bbox_embed"} == set(expected)
    assert layer_map.depth == depth
    names = [name for name, _ in network.named_parameters()]
    levels = [{layer_map.level(name) for name in names if part in name} for part in order]
    assert all(found for found in levels), "each is a parameter"
    assert levels[0] in ({0}, {1}), "what reads the input, or the first layer"
    assert sorted(map(min, levels)) == [*map(min, levels)]
    assert {layer_map.level(name) for name in names if layer_map.in_head(name)} <= {depth + 2}
    layers = {layer_map.level(name) for name in names} - {0, depth + 1, depth + 2}
    assert layers == set(range(1, depth + 1)), "every layer has parameters"


@pytest.mark.parametrize("kind", ["clip", "siglip", "resnet", "rt_detr"])
def test_adapters_leave_the_head_to_be_trained(kind: str) -> None:
    """Beside CLIP's classifier stands no module that holds the backbone, and RT-DETR's head is inside its decoder."""
    head = BOXES if kind == "rt_detr" else IMAGES
    for adapter in (Frozen(), TopLayers(1)):
        network = built(kind, head)
        layer_map = LayerMap.of(network)
        adapted = adapter.adapt(network, layer_map)
        learned = {layer_map.level(name) for name, weight in adapted.named_parameters() if weight.requires_grad}
        assert max(learned) == layer_map.depth + 2
        assert min(learned) == layer_map.depth + 2 if isinstance(adapter, Frozen) else layer_map.depth


def test_lora_trains_the_classifier_of_clip() -> None:
    network = built("clip", IMAGES)
    adapted = Lora(rank=2, alpha=4).adapt(network, LayerMap.of(network))
    learned = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    assert any("classifier.weight" in name for name in learned)
    assert any("vision_model" in name and "lora_A" in name for name in learned)
    assert not [name for name in learned if "classifier" in name and "lora" in name]


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_adapters_train_what_joins_two_encoders(kind: str) -> None:
    """With its own attention layers frozen or under low-rank updates; nn.MultiheadAttention would ignore those."""
    network = built(kind, "")
    layer_map = LayerMap.of(network)
    adapted = Lora(rank=2, alpha=4).adapt(network, layer_map)
    learned = [name for name, weight in adapted.named_parameters() if weight.requires_grad]
    for encoder in ("text_model", "vision_model"):
        assert any(encoder in name and "layers.1" in name and "lora_A" in name for name in learned)
    assert any("logit_scale" in name for name in learned)
    assert not [name for name in learned if "lora" in name and (".head." in name or "projection" in name)]
    network = built(kind, "")
    frozen = [name for name, weight in Frozen().adapt(network, layer_map).named_parameters() if weight.requires_grad]
    assert frozen
    assert {layer_map.level(name) for name in frozen} == {layer_map.depth + 2}


def test_lora_leaves_out_layers_whose_updates_nothing_reads() -> None:
    network = built("siglip", "")
    whole = LayerMap((), (), LayerMap.of(network).stacks, 4)  # as if the attention pooling were no part of a head
    adapted = Lora(rank=2, alpha=4).adapt(network, whole)
    lora = [name for name, _ in adapted.named_parameters() if "lora_A" in name]
    assert any("vision_model.head.mlp" in name for name in lora)
    assert not [name for name in lora if "vision_model.head.attention" in name]


def test_lora_without_linear_layers_is_a_mistake() -> None:
    network = built("resnet", IMAGES)
    with pytest.raises(UserError, match="no linear layers, only convolutions"):
        Lora(rank=2, alpha=4).adapt(network, LayerMap.of(network))


@pytest.mark.parametrize(
    ("kind", "head", "new", "fits"),
    [
        ("clip", IMAGES, "classifier.weight", True),
        ("clip", IMAGES, "vision_model.embeddings.class_embedding", False),
        ("rt_detr", BOXES, "model.enc_score_head.weight", True),
        ("rt_detr", BOXES, "model.enc_output.0.weight", False),
        ("t5", "Seq2SeqLM", "lm_head.weight", True),
        ("bert", "", "encoder.layer.0.output.dense.weight", False),
    ],
)
def test_only_the_head_may_be_new(kind: str, head: str, new: str, fits: bool) -> None:
    for info in (
        {"missing_keys": [new], "mismatched_keys": []},
        {"missing_keys": [], "mismatched_keys": [(new, (1,), (2,))]},
    ):
        if fits:
            require_weights(built(kind, head), info, "somewhere")
        else:
            with pytest.raises(UserError, match="1 parameters of the backbone would be random"):
                require_weights(built(kind, head), info, "somewhere")
