"""Networks whose rows depend on their batch: detected from their modules, and trained on whole batches."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, final

import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from transformers import (
    AutoModelForAudioClassification,
    AutoModelForImageClassification,
    AutoModelForSemanticSegmentation,
    PretrainedConfig,
    PreTrainedModel,
    ResNetConfig,
    SegformerConfig,
    ViTConfig,
    Wav2Vec2Config,
)
from transformers.models.detr.modeling_detr import DetrFrozenBatchNorm2d

from conftest import PROTOTYPES, Hone, journal, only_run
from harness import Training
from hone.core.errors import RunError, UserError
from hone.core.task import Task
from hone.data.batching import Random
from hone.models.adapters import Adapter
from hone.models.checkpoint import Checkpoint
from hone.models.head import Head
from hone.models.heads.auto import Auto
from hone.models.row_dependence import enter_training, why_rows_depend
from hone.training.fast.packing import Padded

PIXELS, SOUND = (3, 32, 32), (4000,)


def resnet() -> Any:
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], num_labels=2, layer_type="basic")
    return AutoModelForImageClassification.from_config(config)


def segformer() -> Any:
    config = SegformerConfig(
        num_encoder_blocks=2, depths=[1, 1], sr_ratios=[2, 1], hidden_sizes=[8, 16], patch_sizes=[7, 3], strides=[4, 2],
        num_attention_heads=[1, 2], mlp_ratios=[2, 2], decoder_hidden_size=16, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, classifier_dropout_prob=0.0, drop_path_rate=0.0, num_labels=2,
    )  # fmt: skip
    return AutoModelForSemanticSegmentation.from_config(config)


def vit() -> Any:
    config = ViTConfig(
        image_size=32, patch_size=8, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    return AutoModelForImageClassification.from_config(config)


def wav2vec2(norm: str) -> Callable[[], Any]:
    def make() -> Any:
        config = Wav2Vec2Config(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32, conv_dim=(8, 8),
            conv_stride=(5, 4), conv_kernel=(10, 8), num_conv_pos_embeddings=4, num_conv_pos_embedding_groups=2,
            feat_extract_norm=norm, do_stable_layer_norm=norm == "layer", mask_time_prob=0.0, hidden_dropout=0.0,
            attention_dropout=0.0, activation_dropout=0.0, feat_proj_dropout=0.0, layerdrop=0.0, num_labels=2,
        )  # fmt: skip
        return AutoModelForAudioClassification.from_config(config)

    return make


@pytest.mark.parametrize(
    ("make", "shape", "reason"),
    [
        (resnet, PIXELS, "BatchNorm layers average over the rows of a batch"),
        (segformer, PIXELS, "BatchNorm layers average over the rows of a batch"),
        (vit, PIXELS, ""),
        (wav2vec2("group"), SOUND, "group norm averages over time, padding included"),
        (wav2vec2("layer"), SOUND, ""),
    ],
    ids=["resnet", "segformer", "vit", "wav2vec2, group norm", "wav2vec2, layer norm"],
)
def test_a_row_has_another_result_in_another_batch_where_that_is_detected(
    make: Callable[[], Any], shape: tuple[int, ...], reason: str
) -> None:
    """The row alone, and beside one that is larger: sound is padded to twice its length."""
    torch.manual_seed(0)
    network, row, other = make().train(), torch.randn(shape), 3 * torch.randn(shape)
    assert why_rows_depend(network) == reason
    alone = in_training(network, row[None], shape[0])[0]
    if shape == SOUND:
        row, other = torch.cat([row, torch.zeros(shape)]), torch.cat([other, other])
    beside = in_training(network, torch.stack([row, other]), shape[0])[0]
    difference = float((beside - alone).abs().max() / alone.abs().max())
    assert difference > 0.01 if reason else difference < 0.001


@torch.no_grad()
def in_training(network: Any, values: torch.Tensor, length: int) -> torch.Tensor:
    if values.ndim > 2:
        return network(pixel_values=values).logits
    mask = torch.zeros(values.shape, dtype=torch.int64)
    mask[0, :length] = 1
    mask[1:] = 1
    return network(input_values=values, attention_mask=mask).logits


def test_a_batch_norm_that_is_constant_does_not_count() -> None:
    still = nn.BatchNorm1d(4)
    assert why_rows_depend(nn.Sequential(nn.SyncBatchNorm(4), nn.Linear(4, 4)))
    assert why_rows_depend(nn.Sequential(DetrFrozenBatchNorm2d(4))) == ""
    network = nn.Sequential(still).train()
    assert why_rows_depend(network)
    still.eval()
    assert why_rows_depend(network) == ""


@pytest.mark.parametrize("adapter", ["frozen", pytest.param("none", marks=pytest.mark.slow)])
def test_a_frozen_backbone_keeps_its_statistics(adapter: str, hone: Hone) -> None:
    """Over two evaluations, after each of which the network is in training mode again."""
    words = (
        "dataset=tiny_shapes",
        "dataset.train=16",
        "dataset.validation=8",
        "dataset.test=8",
        "checkpoint=tiny_resnet",
    )
    assert hone("train", *words, f"adapter={adapter}", "batch_size=8", "epochs=2", "tracker=none").code == 0
    weights = load_file(only_run() / "model/model.safetensors")
    counts = [int(weight) for name, weight in weights.items() if "num_batches" in name]
    means = [weight for name, weight in weights.items() if "running_mean" in name]
    assert len(counts) == len(means) > 2
    assert all(mean.any() for mean in means) == (adapter == "none")
    assert any(counts) == any(mean.any() for mean in means)


def test_only_frozen_parts_keep_their_statistics_and_dropout_stays_on() -> None:
    part = nn.Sequential(nn.BatchNorm1d(4, affine=False), nn.Linear(4, 4), nn.Dropout())
    network = nn.Sequential(part, nn.BatchNorm1d(4), nn.BatchNorm1d(4, affine=False))
    part.requires_grad_(False)
    enter_training(network.eval())
    assert [module.training for module in (*part, *network[1:])] == [False, True, True, True, True]
    assert why_rows_depend(network)
    network.requires_grad_(False)
    assert why_rows_depend(enter_training(network)) == ""


@final
class Normed(Head):
    """The usual head with a BatchNorm before it."""

    def check(self, config: PretrainedConfig, task: Task, adapter: Adapter) -> None: ...

    def attach(self, checkpoint: Checkpoint, config: PretrainedConfig, task: Task) -> PreTrainedModel:
        network = Auto().attach(checkpoint, config, task)
        network.classifier = nn.Sequential(nn.BatchNorm1d(config.hidden_size), network.classifier)
        return network


def test_a_batch_with_batch_norm_is_never_divided_or_packed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", "hone")
    shape = {"batch_size": 40, "rows": 80, "head": Normed()}
    started = Training(tmp_path / "a", **shape).start()
    assert isinstance(started.train_state.packing, Padded)
    assert len(next(started.data.steps(1)).batches) == 1
    assert "training batches are never computed in parts: BatchNorm layers average over the rows" in caplog.text
    with pytest.raises(UserError, match=r"batch\.pack=true: this network cannot train packed: BatchNorm layers"):
        Training(tmp_path / "b", **shape, batching=Random(pack=True)).start()


def test_a_batch_with_batch_norm_is_not_halved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started = Training(tmp_path, head=Normed()).start()

    def full(batch: Any, index: int = 0) -> Any:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(started.module, "training_step", full)
    with pytest.raises(RunError, match=r"in step 1, with 4 examples .* as BatchNorm layers average over the rows"):
        started.fit()


def test_a_wav2vec2_trains_on_whole_batches(hone: Hone) -> None:
    done = hone(
        "train", "--config-dir", str(PROTOTYPES / "conf"), "trust=[prototypes]", "tracker=none", "dataset=speech",
        "checkpoint=tiny_wav2vec2", "epochs=null", "steps=1", "batch_size=8",
    )  # fmt: skip
    assert done.code == 0, done.said
    log = (only_run() / "log.txt").read_text()
    assert "training batches are never computed in parts: group norm averages over time" in log
    assert max(row["train/waste"] for row in journal(only_run()) if "train/waste" in row) > 1.05


def test_a_batch_of_one_picture_is_refused_where_it_cannot_be_normalised(hone: Hone) -> None:
    """Seventeen rows in batches of sixteen. Pictures of 32 pixels leave tiny_resnet more than one pixel."""
    words = ("dataset=tiny_shapes", "dataset.train=17", "dataset.validation=4", "dataset.test=4", "tracker=none")
    small = ("checkpoint=tiny_resnet", *words, "epochs=1", "batch_size=16", "precision=32-true")
    deep = "checkpoint.hyperparameters={hidden_sizes:[8,8,8,8,8,8],depths:[1,1,1,1,1,1]}"
    refused = hone("train", *small, deep)
    assert refused.code == 2, refused.said
    assert "a single row" in refused.err
    assert "Traceback" not in refused.said
    assert hone("train", *small, deep, "batch_size=17").code == 0
    assert hone("train", *small).code == 0
