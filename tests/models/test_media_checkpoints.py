"""Checkpoints for pictures, sounds, tables and pages: each of `conf/checkpoint` is built and trained once it exists."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
import yaml

import fake_hub
import fake_media
from hone.config.build import build
from hone.config.tree import CONF, options
from hone.core.errors import UserError
from hone.core.task import Facts
from hone.data.encoded import processor_digest
from hone.models.adapters import Frozen
from hone.models.checkpoint import Checkpoint
from hone.models.checkpoints.pretrained import Pretrained
from hone.models.checkpoints.scratch import Scratch
from hone.models.checkpoints.tiny_audio import TinyWav2Vec2Bert
from hone.models.checkpoints.tiny_vision import TinyResNet, TinyViT
from hone.models.heads.pooled import attach_pooled, register_models
from hone.models.layers import LayerMap

MEDIA = [name for name in options("checkpoint") if not (fake_hub.reads_texts(name) or fake_hub.reads_both(name))]
LABELS = {"id2label": {0: "a", 1: "b", 2: "c"}, "label2id": {"a": 0, "b": 1, "c": 2}}
NO_FACTS = Facts("")
POOLED = {
    "Image": ("vit", "deit", "dinov2", "swin", "convnext", "resnet", "segformer", "clip", "siglip"),
    "Video": ("videomae", "timesformer", "vivit"),
    "Audio": ("wav2vec2", "hubert", "audio-spectrogram-transformer"),
}


def checkpoint_of(option: str) -> Checkpoint:
    """The checkpoint of a file in `conf/checkpoint`, with its files on a hub of this folder."""
    node = yaml.safe_load((CONF / "checkpoint" / f"{option}.yaml").read_text(encoding="utf-8"))
    if "path" in node:
        fake_media.write_checkpoint(Path(node["path"]), fake_hub.architecture(node["path"].rpartition("/")[2]))
    return build(node, Checkpoint, "checkpoint", ())


def processor_of(checkpoint: Checkpoint) -> Any:
    """The processor of its kind; whether it reads pictures is known from its backbone."""
    config = checkpoint.config({})
    own = {"tapas": "AutoTokenizer", "layoutlmv3": "AutoProcessor"}
    if config.model_type in own:
        return checkpoint.make_processor(own[config.model_type], NO_FACTS)
    autos = [transformers.AutoModel, transformers.AutoModelForDepthEstimation]
    reads: Any = next(auto._model_mapping[type(config)] for auto in autos if type(config) in auto._model_mapping)
    first = reads[0] if isinstance(reads, tuple) else reads
    pictures = first.main_input_name == "pixel_values" or hasattr(config, "vision_config")
    return checkpoint.make_processor("AutoImageProcessor" if pictures else "AutoFeatureExtractor", NO_FACTS)


@pytest.mark.parametrize("option", MEDIA)
def test_every_checkpoint_reads_and_learns(option: str) -> None:
    checkpoint = checkpoint_of(option)
    config = checkpoint.config({"num_labels": 2} if "layoutlm" in option else LABELS)  # a begin and an end
    auto_model = fake_media.auto_model_of(config)
    loading = checkpoint.require_fitting(auto_model, config)
    network = checkpoint.network(auto_model, config)
    layer_map = LayerMap.of(network)
    assert loading is None or all(layer_map.in_head(name) for name in loading.new)
    assert layer_map.depth >= (1 if option in ("tiny_whisper", "tiny_speecht5") else 2)
    inputs = fake_media.specimen(processor_of(checkpoint), frames=getattr(config, "num_frames", 0))
    adapted = Frozen().adapt(network, layer_map)
    output = adapted(**inputs)
    names = ("predicted_depth", "class_queries_logits", "spectrogram", "start_logits", "logits")
    result = next(name for name in names if name in output)
    output[result].square().mean().backward()
    learned = {name for name, weight in adapted.named_parameters() if weight.grad is not None}
    assert learned
    assert all(layer_map.trains_with_head(name) for name in learned)


def pooled_network(kind: str, modality: str, pooling: str = "mean") -> Any:
    """A backbone of this architecture, from a folder, under a pooled head."""
    transformers.AutoModel.from_config(fake_media.tiny_config(kind)).save_pretrained(kind)
    return attach(Pretrained(kind, lr=1e-3), modality, pooling)


def attach(checkpoint: Checkpoint, modality: str, pooling: str = "mean") -> Any:
    task: Any = SimpleNamespace(auto_model=f"AutoModelFor{modality}Classification", model_config=lambda: LABELS)
    return attach_pooled(checkpoint, checkpoint.config(LABELS), task, pooling=pooling, dropout=0.1, hidden=[None])


@pytest.mark.parametrize(("modality", "kind"), [(name, kind) for name, kinds in POOLED.items() for kind in kinds])
def test_a_pooled_head_fits_every_backbone(modality: str, kind: str) -> None:
    network = pooled_network(kind, modality).eval()
    name = fake_media.PROCESSORS.get(kind, "ViTImageProcessorPil")
    size = {} if modality == "Audio" else {"size": {"height": 32, "width": 32}}
    values = fake_media.VALUES.get(name, size)
    inputs = fake_media.specimen(getattr(transformers, name)(**values), frames=4 if modality == "Video" else 0)
    logits = network(**inputs).logits
    assert logits.shape == (2, 3)
    assert torch.equal(network(features=network.featurise(**inputs)).logits, logits)
    layer_map = LayerMap.of(network)
    assert set(layer_map.head) == {"classifier"}
    network.save_pretrained("saved")
    register_models()
    again = getattr(transformers, f"AutoModelFor{modality}Classification").from_pretrained("saved")
    assert torch.equal(again.eval()(**inputs).logits, logits)


@pytest.mark.parametrize("pooling", ["mean", "max", "attention", "last"])
def test_padding_does_not_count(pooling: str) -> None:
    """A clip alone has the answer that it has beside a longer one, whether its mask is of frames or of samples."""
    frames = TinyWav2Vec2Bert(lr=1e-3)
    waves = {**fake_media.SIZES["wav2vec2"], "feat_extract_norm": "layer", "conv_bias": True}
    given = {"class": "Wav2Vec2FeatureExtractor", "return_attention_mask": True}
    samples = Scratch("wav2vec2", lr=1e-3, processor=given, hyperparameters=waves)
    for checkpoint in (frames, samples):
        network = attach(checkpoint, "Audio", pooling).eval()
        processor = checkpoint.make_processor("AutoFeatureExtractor", NO_FACTS)
        inputs = fake_media.specimen(processor)
        alone = {name: value[:1] for name, value in inputs.items()}
        width = int(alone["attention_mask"].sum())
        assert width < alone["attention_mask"].shape[1]
        short = {name: value[:, :width] for name, value in alone.items()}
        assert torch.allclose(network(**inputs).logits[0], network(**short).logits[0], atol=1e-5)


def test_a_map_has_no_first_place() -> None:
    with pytest.raises(UserError, match=r"head\.pooling=cls: the states of a resnet are a map"):
        attach(TinyResNet(lr=1e-3), "Image", "cls")


def test_the_mean_of_a_map_is_the_mean_over_places() -> None:
    network = attach(TinyResNet(lr=1e-3), "Image").eval()
    pixels = torch.randn(2, 3, 28, 28)
    states = network.backbone(pixel_values=pixels).last_hidden_state
    assert torch.allclose(network.featurise(pixel_values=pixels), states.mean(dim=(2, 3)), atol=1e-6)


def test_pictures_are_resized_to_the_size_of_the_network() -> None:
    for side in (28, 32):
        checkpoint = TinyViT(lr=1e-3, image_size=side)
        processor = checkpoint.make_processor("AutoImageProcessor", NO_FACTS)
        pixels = fake_media.specimen(processor)["pixel_values"]
        assert pixels.shape == (2, 3, side, side)
        config = checkpoint.config(LABELS)
        checkpoint.network("AutoModelForImageClassification", config)(pixel_values=pixels)
    assert TinyViT(lr=1e-3).fingerprint() != checkpoint.fingerprint()


def test_a_greyscale_picture_is_read_in_three_channels() -> None:
    from PIL import Image

    processor = TinyResNet(lr=1e-3).make_processor("AutoImageProcessor", NO_FACTS)
    assert processor(Image.new("L", (28, 28)), return_tensors="pt")["pixel_values"].shape == (1, 3, 28, 28)


@pytest.mark.parametrize("checkpoint", [TinyWav2Vec2Bert(lr=1e-3), "wav2vec2"], ids=str)
def test_the_vocabulary_of_a_network_that_spells_comes_from_the_facts(checkpoint: Any) -> None:
    if checkpoint == "wav2vec2":
        fake_media.write_checkpoint(Path("wav2vec2"), "wav2vec2")
        checkpoint = Pretrained("wav2vec2", lr=1e-3)
    processor = checkpoint.make_processor("AutoProcessor", Facts("characters", ("a", "b", " ", "é")))
    ids = processor.tokenizer("ab éa").input_ids
    assert len(processor.tokenizer) == 6
    assert processor.tokenizer.pad_token_id == 0 not in ids
    assert processor.tokenizer.decode(ids) == "ab éa"
    spelt = [token for token in ids for _ in range(2)]
    assert processor.tokenizer.decode(spelt) == "ab éa", "what is said twice in a row is one letter"
    config = checkpoint.config({"vocab_size": len(processor.tokenizer), "pad_token_id": 0})
    inputs = fake_media.specimen(processor.feature_extractor)
    assert checkpoint.network("AutoModelForCTC", config)(**inputs).logits.shape[2] == 6
    processor.save_pretrained("saved")
    again = transformers.AutoProcessor.from_pretrained("saved")
    assert again.tokenizer.decode(ids) == "ab éa"
    same, other = (
        processor_digest(checkpoint.make_processor("AutoProcessor", Facts("characters", letters)))
        for letters in (("a", "b", " ", "é"), ("a", "b", " ", "d"))
    )
    assert processor_digest(processor) == same != other


def scratch(**options: Any) -> Scratch:
    return Scratch(architecture="vit", lr=1e-3, hyperparameters=fake_media.SIZES["vit"], **options)


def test_a_network_from_scratch_reads_with_the_processor_that_is_given() -> None:
    given = {"class": "ViTImageProcessor", "size": {"height": 32, "width": 32}}
    processor = scratch(processor=given).make_processor("AutoImageProcessor", NO_FACTS)
    assert type(processor).__name__ == "ViTImageProcessorPil"
    processor.save_pretrained("kept")
    again = scratch(processor="kept").make_processor("AutoImageProcessor", NO_FACTS)
    assert type(again).__name__ == "ViTImageProcessorPil"
    assert processor_digest(again) == processor_digest(processor)
    checkpoint = scratch(processor=given)
    network = checkpoint.network("AutoModelForImageClassification", checkpoint.config(LABELS))
    assert network(**fake_media.specimen(processor)).logits.shape == (2, 3)


def test_another_processor_replaces_that_of_a_checkpoint() -> None:
    fake_media.write_checkpoint(Path("vit"), "vit")
    size = {"height": 64, "width": 64}
    given = Pretrained("vit", lr=1e-3, processor={"class": "ViTImageProcessor", "size": size})
    assert given.make_processor("AutoImageProcessor", NO_FACTS).size["height"] == 64
    assert Pretrained("vit", lr=1e-3).make_processor("AutoImageProcessor", NO_FACTS).size["height"] == 32


@pytest.mark.parametrize(
    ("options", "auto_class", "message"),
    [
        ({}, "AutoImageProcessor", "checkpoint.processor has no value, and this task needs an AutoImageProcessor"),
        ({}, "AutoTokenizer", "checkpoint.tokenizer has no value, and this task needs an AutoTokenizer"),
        ({"processor": {"class": "ViTImagProcessor"}}, "AutoImageProcessor", "Did you mean ViTImageProcessor?"),
        ({"processor": {"size": 32}}, "AutoImageProcessor", "checkpoint.processor.class"),
        ({"processor": {"class": "BertModel"}}, "AutoImageProcessor", "checkpoint.processor.class=BertModel"),
        (
            {"processor": {"class": "Wav2Vec2FeatureExtractor"}},
            "AutoImageProcessor",
            "checkpoint.processor.class=Wav2Vec2FeatureExtractor",
        ),
        (
            {"processor": {"class": "ViTImageProcessor", "sice": {"height": 3}}},
            "AutoImageProcessor",
            "checkpoint.processor.sice.*Did you mean size?",
        ),
        ({"processor": {"class": "ViTImageProcessor", "size": {"wide": 3}}}, "AutoImageProcessor", "wide"),
        ({"processor": {"class": "ViTImageProcessor"}}, "AutoProcessor", "cannot be made from values"),
        ({"processor": "nowhere"}, "AutoImageProcessor", "nowhere: AutoImageProcessor cannot be loaded"),
    ],
)
def test_a_wrong_processor_is_a_mistake(options: dict[str, Any], auto_class: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        scratch(**options).make_processor(auto_class, NO_FACTS)


@pytest.mark.parametrize(("option", "auto_class"), [("tiny_vit", "AutoTokenizer"), ("tiny_bert", "AutoImageProcessor")])
def test_a_tiny_checkpoint_of_another_modality_is_a_mistake(option: str, auto_class: str) -> None:
    with pytest.raises(UserError, match=f"checkpoint={option} has an .*, and this task needs an {auto_class}"):
        checkpoint_of(option).make_processor(auto_class, NO_FACTS)
