"""Image classification: what is exported says the same in a pipeline, and augmentation depends on the row alone."""

from __future__ import annotations

import json
import re
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import torch.nn.functional as F
from datasets import Dataset
from PIL import Image
from torch import nn
from transformers import (
    CLIPImageProcessorPil,
    ConvNextImageProcessorPil,
    DeiTImageProcessorPil,
    SegformerImageProcessorPil,
    ViTImageProcessorPil,
    pipeline,
)

from conftest import Hone, only_run, record
from hone.core.draws import Draws
from hone.core.errors import RowError, UserError
from hone.core.task import Batch
from hone.data.batching import Random
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import MediaFile
from hone.data.media.storing import store_media
from hone.data.module import DataModule
from hone.data.tiny.shapes import SHAPES, shape_examples, to_png
from hone.models.checkpoints.tiny_vision import TinyResNet
from hone.tasks.vision.image_classification import ImageClassification
from hone.tasks.vision.shared.pixels import PixelRecipe, require_one_size, to_pixels

NOISE = np.random.default_rng(0)
ALL_ON = {"crop": 0.5, "flip": "both", "rotate": 20.0, "colour": 0.4, "erase": 0.5, "random_operations": 2}
BRIEF = ("tracker=none", "precision=32-true", "checkpoint=tiny_resnet", "epochs=null", "steps=2", "batch_size=4")
SQUARE = {"height": 24, "width": 24}
GREY: Any = {"image_mean": [0.4], "image_std": [0.2]}


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(NOISE.integers(0, 256, (height, width, 3), dtype=np.uint8))


def write_pictures(folder: Path) -> Path:
    """Twenty-four files of several sizes, modes and formats, and their table."""
    rows = []
    for place in range(24):
        picture = noise(20 + 9 * (place % 5), 28 + 7 * (place % 3)).convert(("RGB", "L", "RGBA", "P")[place % 4])
        path = folder / f"{place}.{'jpg' if picture.mode in ('RGB', 'L') else 'png'}"
        picture.save(path)
        rows.append({"image": str(path), "label": ("cat", "dog", "owl")[place % 3]})
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder / "rows.jsonl"


def local(table: Path) -> tuple[str, ...]:
    return ("dataset=local", f"dataset.path={table}", "task=image_classification", "dataset.holdout=0.4")


def test_a_pipeline_gives_the_scores_of_the_run(hone: Hone, tmp_path: Path) -> None:
    """Also for pictures that are resized, grey or transparent."""
    done = hone("train", *local(write_pictures(tmp_path)), *BRIEF)
    assert done.code == 0, done.said
    assert hone("export", f"run={only_run()}", "output=shared").code == 0
    predict = pipeline("image-classification", model="shared", device="cpu")
    predicted = pq.read_table(only_run() / "predictions/validation.parquet").to_pydict()
    lines = [json.loads(line) for line in (tmp_path / "rows.jsonl").read_text().splitlines()]
    modes = set()
    for row, scores in zip(predicted["id"], predicted["scores"], strict=True):
        with Image.open(lines[row]["image"]) as picture:
            modes.add(picture.mode)
        theirs = {each["label"]: each["score"] for each in predict(lines[row]["image"])}
        ours = dict(zip(["cat", "dog", "owl"], scores, strict=True))
        assert ours == pytest.approx(theirs, abs=1e-4)
        assert max(ours, key=lambda name: ours[name]) == max(theirs, key=lambda name: theirs[name])
    assert modes == {"RGB", "L", "RGBA", "P"}


def test_the_card_of_a_network_with_one_channel_does_without_a_pipeline(hone: Hone, tmp_path: Path) -> None:
    done = hone("train", *local(write_pictures(tmp_path)), *BRIEF, "checkpoint.hyperparameters={num_channels: 1}")
    assert done.code == 0, done.said
    assert hone("export", f"run={only_run()}", "output=shared").code == 0
    code = re.findall(r"```python\n(.*?)```", Path("shared/README.md").read_text(), re.DOTALL)[0]
    shutil.copy(tmp_path / "1.jpg", "picture.png")
    answers: list[Any] = []
    exec(code.replace("this/folder", "shared").replace("print", "answers.append"), {"answers": answers})
    asked = hone("predict", f"run={only_run()}", f"image={tmp_path / '1.jpg'}", "precision=32-true")
    assert asked.code == 0, asked.said
    assert json.loads(asked.out)["score"] == pytest.approx(float(answers[0]["logits"].softmax(-1).max()), abs=1e-4)


def test_a_damaged_picture_is_a_bad_row(hone: Hone, tmp_path: Path) -> None:
    table = write_pictures(tmp_path)
    path = tmp_path / "8.jpg"
    path.write_bytes(path.read_bytes()[:400])
    done = hone("train", *local(table), *BRIEF)
    assert done.code == 2
    assert f"column 'image': {path}: damaged or cut off" in done.err
    assert "(row 8)" in done.err
    assert hone("train", *local(table), *BRIEF, "dataset.on_bad_row=skip").code == 0
    assert sum(record(only_run())["data"]["rows"].values()) == 23


@pytest.mark.parametrize(
    ("processor", "is_plain"),
    [
        (ViTImageProcessorPil(size=SQUARE), True),
        (ViTImageProcessorPil(size=SQUARE, resample=3, image_mean=[0.4, 0.5, 0.6], image_std=[0.1, 0.2, 0.3]), True),
        (ViTImageProcessorPil(size=SQUARE, do_normalize=False), True),
        (SegformerImageProcessorPil(size=SQUARE), True),
        (DeiTImageProcessorPil(size=SQUARE, crop_size={"height": 20, "width": 20}), False),
        (ConvNextImageProcessorPil(size={"shortest_edge": 24}), False),
        (CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size=SQUARE), False),
        (ViTImageProcessorPil(size=SQUARE, **GREY), True),
        (CLIPImageProcessorPil(size={"shortest_edge": 24}, crop_size=SQUARE, do_convert_rgb=False, **GREY), False),
    ],
)
def test_pictures_are_processed_as_their_processor_does(processor: Any, is_plain: bool) -> None:
    assert (PixelRecipe.of(processor) is not None) == is_plain
    mode = "L" if len(processor.image_mean) == 1 else "RGB"
    for pictures in ([noise(30, 50), noise(24, 24)], [noise(1, 40)]):
        theirs = processor(images=[each.convert(mode) for each in pictures], return_tensors="pt")["pixel_values"]
        ours = to_pixels(processor, pictures)
        assert ours.dtype == theirs.dtype == torch.float32
        assert torch.allclose(ours, theirs, atol=1e-5)


def test_a_processor_that_keeps_proportions_is_refused() -> None:
    assert require_one_size(ViTImageProcessorPil(size=SQUARE)) == (24, 24)
    with pytest.raises(UserError, match="different sizes"):
        require_one_size(ViTImageProcessorPil(size={"shortest_edge": 24}))


def test_a_picture_too_narrow_for_its_processor_is_a_bad_row() -> None:
    task = bound()[0]
    narrow = MediaFile(None, to_png(noise(1, 300)), 7, "image")
    assert task.encode({"id": [7], "image": [narrow]})["length"] == [1]
    task.processor = ConvNextImageProcessorPil(size={"shortest_edge": 24})
    with pytest.raises(RowError, match=r"row 7 .*1 × 300 pixels are too narrow"):
        task.encode({"id": [7], "image": [narrow]})


def bound(**options: Any) -> tuple[ImageClassification, EncodedRows]:
    """A task, and the rows of sixteen pictures."""
    raw = ImageClassification(**options)
    sample = shape_examples(16)
    rows = store_media(Dataset.from_dict({**sample, "id": [*range(16)]}), raw, {})
    facts = raw.find_facts(rows, SHAPES)
    task = raw.bind(TinyResNet(lr=1.0).make_processor(raw.auto_processor, facts), facts)
    encoded = Dataset.from_dict(task.encode({"id": [*range(16)], "image": [], "label": sample["label"]}))
    return task, EncodedRows.of(encoded, rows, task)


def trained_pictures(data: DataModule, steps: int) -> dict[int, bytes]:
    """The pictures of the first training steps, by row."""
    batches = [batch for step in islice(data.steps(1), steps) for batch in step.batches]
    pairs = [pair for batch in batches for pair in zip(batch["id"], batch["inputs"]["pixel_values"], strict=True)]
    return {int(row): picture.numpy().tobytes() for row, picture in pairs}


def test_a_picture_is_augmented_the_same_in_any_batch() -> None:
    task, rows = bound(**ALL_ON)
    whole = trained_pictures(DataModule({"train": rows}, task, Random(), 8), 2)
    assert trained_pictures(DataModule({"train": rows}, task, Random(), 4, accumulate=2), 2) == whole
    halves = [DataModule({"train": rows}, task, Random(), 4, rank=rank, world=2) for rank in range(2)]
    assert trained_pictures(halves[0], 2) | trained_pictures(halves[1], 2) == whole
    assert len(whole) == 16
    assert trained_pictures(DataModule({"train": rows}, task, Random(), 8), 4) != whole, "another epoch"
    plain = rows.collate(task, np.arange(16))["inputs"]["pixel_values"]
    assert sum(whole[row] != picture.numpy().tobytes() for row, picture in enumerate(plain)) > 12


def test_pictures_are_never_augmented_in_an_evaluation_nor_by_default() -> None:
    task, rows = bound(**ALL_ON, mixup=0.4, cutmix=1.0)
    bare, bare_rows = bound()
    evaluated = rows.collate(task, np.arange(16))
    trained = bare_rows.collate(bare, np.arange(16), training=True)
    assert torch.equal(evaluated["inputs"]["pixel_values"], trained["inputs"]["pixel_values"])
    assert "share" not in evaluated


class Fixed(nn.Module):
    """Gives every picture the same logits."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = logits

    def forward(self, pixel_values: torch.Tensor) -> Any:
        return type("Output", (), {"logits": self.logits.expand(len(pixel_values), -1)})


@pytest.mark.parametrize("options", [{"mixup": 0.4}, {"cutmix": 1.0}, {"mixup": 0.4, "cutmix": 1.0}])
def test_mixed_pictures_have_mixed_targets(options: dict[str, float]) -> None:
    task, rows = bound(**options, label_smoothing=0.1)
    assert not task.independent_rows
    assert bound()[0].independent_rows
    batch = rows.collate(task, np.arange(16), training=True, batch=(3, 0, 0))
    again = rows.collate(task, np.arange(16), training=True, batch=(3, 0, 0))
    assert torch.equal(batch["inputs"]["pixel_values"], again["inputs"]["pixel_values"])
    logits = torch.linspace(-1, 2, len(SHAPES))
    own, partner = (F.one_hot(batch[name], len(SHAPES)) for name in ("labels", "partner_labels"))
    soft = torch.lerp(own.float(), partner.float(), batch["share"][:, None]) * 0.9 + 0.1 / len(SHAPES)
    expected = -(soft * logits.log_softmax(-1)).sum(-1).mean()
    assert float(task.loss(Fixed(logits), batch)) == pytest.approx(float(expected), rel=1e-5)
    assert task.count_targets(batch) == pytest.approx(16)


def test_the_share_is_that_of_the_pixels() -> None:
    for options in ({"mixup": 1.0}, {"cutmix": 1.0}):
        task, rows = bound(**options)
        batch: Batch = {"id": rows.ids, "labels": torch.arange(16)}
        batch["inputs"] = {"pixel_values": torch.arange(16.0)[:, None, None, None].expand(-1, 3, 28, 28)}
        for step in range(8):
            mixed = task.mix(batch, Draws(training=True, place=(step,)).batch)
            expected = torch.lerp(mixed["labels"].float(), mixed["partner_labels"].float(), mixed["share"])
            assert torch.allclose(mixed["inputs"]["pixel_values"].mean(dim=(1, 2, 3)), expected, atol=1e-4)
        assert not torch.equal(mixed["inputs"]["pixel_values"], batch["inputs"]["pixel_values"])


def scores_of(task: ImageClassification, ranks: list[int]) -> Any:
    """Records whose labels have these ranks among the scores."""
    scores = np.tile(np.linspace(1, 0.1, len(task.facts.labels)), (len(ranks), 1))
    return {"scores": scores, "label": np.array(ranks), "prediction": np.zeros(len(ranks), dtype=int)}


def test_of_many_classes_the_best_five_count() -> None:
    task, _ = bound()
    assert task.metrics()["top_5"].compute(scores_of(task, [0, 4, 5, 7])) == 0.5
    assert task.metrics()["accuracy"].compute(scores_of(task, [0, 4, 5, 7])) == 0.25


@pytest.mark.slow
def test_features_of_a_frozen_network_are_computed_once(hone: Hone, tmp_path: Path) -> None:
    """Also of one with batch norms, which count their batches."""
    words = (*BRIEF, "head=linear_probe", "dataset=tiny_shapes", "limit=16")
    for batch in (4, 8):
        done = hone("train", *words, f"batch_size={batch}")
        assert done.code == 0, done.said
        assert record(only_run())["parameters"]["trainable"] == 8 * 128 + 8
        shutil.rmtree("outputs")
