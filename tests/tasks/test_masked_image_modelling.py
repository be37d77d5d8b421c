"""Masked image modelling: which squares are hidden, errors of hidden pixels alone, and a checkpoint for other tasks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from datasets import Dataset
from PIL import Image

import fake_media
from conftest import Hone, only_run, record, runs
from hone.core.errors import UserError
from hone.core.scores import compute_scores
from hone.data.encoded_rows import EncodedRows
from hone.data.media.storing import store_media
from hone.data.tiny.textures import texture_examples
from hone.models.checkpoints.tiny_vision import TinyViT
from hone.tasks.vision.masked_image_modelling import MaskedImageModelling
from hone.tasks.vision.shared.patches import PatchGrid

SMALL = ("tracker=none", "precision=32-true", "dataset.train=48", "dataset.validation=24", "dataset.test=24")
BRIEF = (*SMALL, "epochs=null", "steps=3", "batch_size=8", "evaluate_every=null")
PRETRAIN = ("dataset=tiny_textures", "task=masked_image_modelling", "checkpoint=tiny_vit")
STRIDES = {"vit": 8, "deit": 8, "swin": 8}
"""The size of what the decoder makes of each of the last layer's states."""


def examples(config: Any, processor: Any, **options: Any) -> tuple[MaskedImageModelling, EncodedRows]:
    raw = MaskedImageModelling(**options)
    rows = store_media(Dataset.from_dict({"image": texture_examples(4)["image"], "id": [*range(4)]}), raw, {})
    task = raw.bind(processor, raw.find_facts(rows, None))
    task.read_config(config)
    encoded = task.encode({"id": [*range(4)], "image": []})
    return task, EncodedRows.of(Dataset.from_dict(encoded), rows, task)


def tiny(**options: Any) -> tuple[MaskedImageModelling, EncodedRows]:
    checkpoint = TinyViT(lr=1.0)
    return examples(checkpoint.config({}), checkpoint.own_processor("AutoImageProcessor"), **options)


@pytest.mark.parametrize("kind", STRIDES)
def test_the_loss_of_a_row_is_that_of_transformers(kind: str) -> None:
    config = fake_media.tiny_config(kind, encoder_stride=STRIDES[kind])
    name = fake_media.PROCESSORS[kind]
    values = fake_media.VALUES.get(name, {"size": {"height": 32, "width": 32}})
    task, rows = examples(config, getattr(transformers, name)(**values), ratio=0.5)
    torch.manual_seed(0)
    network = transformers.AutoModelForMaskedImageModeling.from_config(config).eval()
    batch = rows.collate(task, np.arange(4))
    with torch.no_grad():
        records = task.predict(network, batch)
        loss = float(task.loss(network, batch))
        theirs = [float(network(**rows.collate(task, np.array([row]))["inputs"]).loss) for row in range(4)]
    assert records["loss"] / records["targets"] == pytest.approx(theirs, rel=1e-4)
    assert loss == pytest.approx(np.mean(theirs), rel=1e-4), "as many pixels are hidden in each"
    assert task.count_targets(batch) == records["targets"].sum()


def test_the_error_is_compared_with_the_mean_colour_of_what_is_visible() -> None:
    task, rows = tiny(ratio=0.3)
    batch = rows.collate(task, np.arange(4))
    network = TinyViT(lr=1.0).network(task.auto_model, TinyViT(lr=1.0).config({})).eval()
    with torch.no_grad():
        records = task.predict(network, batch)
        guess = network(**batch["inputs"]).reconstruction.numpy()
    pixels, patches = batch["inputs"]["pixel_values"].numpy(), batch["inputs"]["bool_masked_pos"].numpy()
    errors, constants = 0.0, 0.0
    for row in range(4):
        hidden = np.kron(patches[row].reshape(7, 7), np.ones((4, 4))).astype(bool)
        assert hidden.mean() == pytest.approx(15 / 49)
        for channel in range(3):
            true = pixels[row, channel]
            errors += np.abs(guess[row, channel] - true)[hidden].sum()
            constants += np.abs(true[~hidden].mean() - true[hidden]).sum()
    scores = compute_scores(task, records)
    assert scores["relative_error"] == pytest.approx(errors / constants, rel=1e-4)
    assert compute_scores(task, task.baseline(records))["relative_error"] == 1


def test_what_is_hidden_depends_on_the_row_alone_and_in_training_on_the_epoch() -> None:
    task, rows = tiny()

    def hidden(places: list[int], **options: Any) -> list[list[bool]]:
        return rows.collate(task, np.array(places), **options)["inputs"]["bool_masked_pos"].tolist()

    whole = hidden([0, 1, 2, 3])
    assert hidden([2]) + hidden([1, 0]) == [whole[2], whole[1], whole[0]]
    assert whole[0] != whole[1]
    assert all(sum(row) == 30 for row in whole), "0.6 of 49, rounded up"
    first, second = (hidden([0], training=True, epoch=epoch) for epoch in (0, 1))
    assert first != second


def test_blocks_are_hidden_as_a_whole() -> None:
    grid = PatchGrid(patches=8, size=4, block=2)
    hidden = grid.draw(0.5, np.random.default_rng(0)).reshape(4, 2, 4, 2)
    assert hidden.any()
    assert (hidden == hidden[:, :1, :, :1]).all()
    pixels = grid.to_pixels(torch.from_numpy(hidden.reshape(1, -1)))
    assert pixels.shape == (1, 1, 32, 32)
    assert (pixels[0, 0, ::4, ::4].numpy() == hidden.reshape(8, 8)).all()
    for share, count in ((0.01, 1), (0.99, 15)):
        assert grid.draw(share, np.random.default_rng(0)).sum() == 4 * count, "neither nothing nor all"


@pytest.mark.parametrize(
    ("kind", "sizes", "block"),
    [("vit", {"image_size": 224, "patch_size": 16}, 2), ("swin", {"image_size": 192, "patch_size": 4}, 8)],
)
def test_usual_blocks_are_those_of_the_published_recipes(kind: str, sizes: dict[str, int], block: int) -> None:
    grid = PatchGrid.of(fake_media.tiny_config(kind, **sizes), None)
    assert (grid.block, grid.block * grid.size) == (block, 32)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (("task.block_size=6",), "task.block_size=6: this network reads 28 × 28 pixels in patches of 4"),
        (("task.block_size=28",), "multiples of patches that fill the picture, such as 4"),
        (("task.ratio=0",), "nothing would be hidden"),
        (("checkpoint.hyperparameters={encoder_stride: 16}",), "checkpoint.hyperparameters={encoder_stride: 4}"),
        (("checkpoint=tiny_resnet",), "such as checkpoint=vit"),
    ],
)
def test_what_does_not_fit_is_refused(hone: Hone, words: tuple[str, ...], problem: str) -> None:
    done = hone("train", *PRETRAIN, *BRIEF, *words)
    assert done.code == 2
    assert problem in done.err
    assert runs() == []


def test_pictures_of_another_size_than_the_network_reads_are_refused() -> None:
    checkpoint = TinyViT(lr=1.0)
    processor = TinyViT(lr=1.0, image_size=32).own_processor("AutoImageProcessor")
    with pytest.raises(UserError, match=r"makes pictures of 32 × 32 pixels, and the network reads 28 × 28"):
        examples(checkpoint.config({}), processor)


def test_a_run_fills_pictures_and_is_a_checkpoint_for_classes(hone: Hone, tmp_path: Path) -> None:
    done = hone("train", *PRETRAIN, *BRIEF, f"output_root={tmp_path}/pretrained")
    assert done.code == 0, done.said
    run = only_run("pretrained")
    assert record(run)["scores"]["validation/relative_error"] < 2
    for place, size in enumerate(((28, 28), (50, 40))):
        Image.fromarray(np.full((*size, 3), (250, 10, 90), np.uint8)).save(f"{place}.png")
    Image.fromarray(np.full((28, 28), 200, np.uint8)).save("2.png")
    asked = hone("predict", f"run={run}", "image=0.png", "image=1.png", "image=2.png", "output=out.jsonl")
    assert asked.code == 0, asked.said
    colours = ((250, 10, 90), (250, 10, 90), (200, 200, 200))
    for line, colour in zip(Path("out.jsonl").read_text().splitlines(), colours, strict=True):
        row = json.loads(line)
        assert set(row) == {"image", "prediction", "masked", "relative_error"}
        filled, masked = (np.asarray(Image.open(row[name])).astype(int) for name in ("prediction", "masked"))
        assert filled.shape == masked.shape == (28, 28, 3)
        hidden = (masked == 127).all(axis=2)
        assert hidden.mean() == pytest.approx(30 / 49)
        assert np.abs(filled[~hidden] - colour).max() <= 1
        assert np.abs(masked[~hidden] - colour).max() <= 1
    classified = hone("train", "dataset=tiny_textures", "checkpoint=hub", f"checkpoint.path={run}/model", *BRIEF)
    assert classified.code == 0, classified.said
    assert "newly initialised weights: 2 (classifier.bias, classifier.weight)" in classified.said
