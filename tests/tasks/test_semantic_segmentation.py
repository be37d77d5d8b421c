"""Semantic segmentation: scores of pixels at the pictures' own size, masks with any values, maps only on request."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
import torch.nn.functional as F
from datasets import Dataset
from PIL import Image
from transformers import SegformerImageProcessorPil, ViTImageProcessorPil, pipeline

from conftest import Hone, only_run, record
from hone.core.errors import UserError
from hone.core.scores import compute_scores
from hone.data.encoded_rows import EncodedRows
from hone.data.media.storing import store_media
from hone.data.tiny.land import COVERS, land_examples
from hone.data.tiny.shapes import to_png
from hone.models.checkpoints.tiny_vision import TinySegformer
from hone.tasks.vision.semantic_segmentation import SemanticSegmentation
from hone.tasks.vision.shared.pixels import require_recipe

BRIEF = ("tracker=none", "precision=32-true", "checkpoint=tiny_segformer", "epochs=null", "steps=3", "batch_size=4")
RNG = np.random.default_rng(0)
Columns = dict[str, list[bytes]]


def bound(columns: Columns, names: Any = None, **options: Any) -> tuple[SemanticSegmentation, EncodedRows]:
    raw = SemanticSegmentation(**options)
    ids = [*range(len(columns["image"]))]
    rows = store_media(Dataset.from_dict({**columns, "id": ids}), raw, {})
    facts = raw.find_facts(rows, names)
    assert list(raw.find_faults(rows, facts)) == []
    task = raw.bind(TinySegformer(lr=1.0, image_size=32).make_processor(raw.auto_processor, facts), facts)
    return task, EncodedRows.of(Dataset.from_dict(task.encode({"id": ids})), rows, task)


def make_network(task: SemanticSegmentation) -> Any:
    torch.manual_seed(0)
    checkpoint = TinySegformer(lr=1.0, image_size=32)
    return checkpoint.network(task.auto_model, checkpoint.config(task.model_config())).eval()


def pair(width: int, height: int, values: list[int]) -> tuple[bytes, bytes]:
    picture = RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)
    mask = RNG.choice(np.array(values, dtype=np.uint8), (height, width))
    return to_png(Image.fromarray(picture)), to_png(Image.fromarray(mask))


def pairs(values: list[int]) -> Columns:
    """Pictures of several sizes with masks of noise."""
    both = [pair(40 + 7 * place, 50 - 5 * place, values) for place in range(4)]
    return {"image": [picture for picture, _ in both], "mask": [mask for _, mask in both]}


def write_rows(folder: Path) -> Path:
    """The files of some examples, and their table."""
    columns, lines = land_examples(16), []
    for place in range(16):
        row = {role: f"{role}{place}.png" for role in columns}
        for role, name in row.items():
            (folder / name).write_bytes(columns[role][place])
        lines.append(json.dumps(row) + "\n")
    (folder / "rows.jsonl").write_text("".join(lines))
    return folder / "rows.jsonl"


def local(table: Path) -> tuple[str, ...]:
    return ("dataset=local", f"dataset.path={table}", "task=semantic_segmentation", "dataset.holdout=0.3")


def test_a_pipeline_gives_the_maps_that_predict_writes(hone: Hone, tmp_path: Path) -> None:
    """At the size of each picture; and of an evaluation nothing as large as a map is kept."""
    done = hone("train", *local(write_rows(tmp_path)), *BRIEF, f"dataset.labels=[{','.join(COVERS)}]")
    assert done.code == 0, done.said
    scored = pq.read_table(only_run() / "predictions/validation.parquet")
    assert {"right", "predicted", "true"} <= {*scored.column_names}
    assert all(len(counts) == len(COVERS) for counts in scored["right"].to_pylist())
    picture = Image.fromarray(RNG.integers(0, 256, (70, 90, 3), dtype=np.uint8))
    picture.save("odd.png")
    asked = hone("predict", f"run={only_run()}", "image=odd.png", "output=out.jsonl")
    assert asked.code == 0, asked.said
    row = json.loads(Path("out.jsonl").read_text())
    with Image.open(row["prediction"]) as file:
        ours = np.asarray(file)
    assert ours.shape == (70, 90)
    assert sum(row["shares"].values()) == pytest.approx(1)
    assert hone("export", f"run={only_run()}", "output=shared").code == 0
    for part in pipeline("image-segmentation", model="shared", device="cpu")("odd.png"):
        assert np.array_equal(ours == COVERS.index(part["label"]), np.asarray(part["mask"]) > 0)
        assert row["shares"][part["label"]] == pytest.approx(np.mean(np.asarray(part["mask"]) > 0))


def test_the_scores_are_those_of_all_pixels_together() -> None:
    task, rows = bound(pairs([0, 1, 2, 255]))
    network, batch = make_network(task), rows.collate(task, np.arange(4))
    with torch.no_grad():
        records = task.predict(network, batch)
        answers = task.answer(network, batch)["prediction"]
    files = rows.media.fetch(np.arange(4))["mask"] if rows.media else []
    true = np.concatenate([np.asarray(Image.open(io.BytesIO(file.content))).ravel() for file in files])
    predicted = np.concatenate([answer.ravel() for answer in answers])
    kept = true != 255
    true, predicted = true[kept], predicted[kept]
    overlaps = [((true == k) & (predicted == k)).sum() / ((true == k) | (predicted == k)).sum() for k in range(3)]
    scores = compute_scores(task, records)
    assert scores["mean_iou"] == pytest.approx(np.mean(overlaps))
    assert [scores[f"iou/{name}"] for name in "012"] == pytest.approx(overlaps)
    assert scores["pixel_accuracy"] == pytest.approx((true == predicted).mean())
    constant = compute_scores(task, task.baseline(records))
    most = int(np.bincount(true).argmax())
    assert constant["pixel_accuracy"] == pytest.approx((true == most).mean())
    assert constant["mean_iou"] == pytest.approx((true == most).mean() / 3)


def test_the_loss_is_that_of_transformers_and_is_weighted_on_request() -> None:
    columns = pairs([0, 1, 255])
    task, rows = bound(columns)
    network, batch = make_network(task), rows.collate(task, np.arange(4))
    labels = batch["labels"].where(batch["labels"] >= 0, 255)
    with torch.no_grad():
        theirs = network(**batch["inputs"], labels=labels).loss
        assert float(task.loss(network, batch)) == pytest.approx(float(theirs), rel=1e-5)
        records = task.predict(network, batch)
        assert task.count_targets(batch) == (batch["labels"] >= 0).sum()
        assert compute_scores(task, records)["loss"] == pytest.approx(float(theirs), rel=1e-5)
        weighted = bound(columns, class_weights={"1": 3.0})[0]
        logits = network(**batch["inputs"]).logits
        whole = F.interpolate(logits, size=labels.shape[-2:], mode="bilinear", align_corners=False)
        expected = F.cross_entropy(whole, labels, torch.tensor([1.0, 3.0]), ignore_index=255)
        assert float(weighted.loss(network, batch)) == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize(
    ("values", "names", "ignore", "classes"),
    [
        ([0, 255], None, None, {"0": 0, "255": 255}),
        ([0, 1, 255], None, 255, {"0": 0, "1": 1}),
        ([0, 1, 2], ("cat", "dog"), 0, {"cat": 1, "dog": 2}),
        ([0, 2, 255], ("sky", "sea", "sand"), 255, {"sky": 0, "sea": 1, "sand": 2}),
    ],
)
def test_masks_have_any_values(values: list[int], names: Any, ignore: int | None, classes: dict[str, int]) -> None:
    columns = pairs(values)
    task, rows = bound(columns, names, ignore=ignore)
    assert task.facts.numbers == classes
    batch = rows.collate(task, np.arange(4))
    for content, mask in zip(columns["mask"], batch["masks"], strict=True):
        raw = np.asarray(Image.open(io.BytesIO(content)))
        assert np.array_equal(mask == -100, raw == ignore)
        labelled = raw != ignore
        assert np.array_equal(task.codes.to_values(np.maximum(mask.numpy(), 0))[labelled], raw[labelled])
    counts = [sum((np.asarray(mask) == place).sum() for mask in batch["masks"]) for place in range(len(classes))]
    assert list(task.facts.counts) == counts


BAD = {
    "no class has the value 9": Image.new("L", (64, 64), 9),
    "64 × 32 pixels, but the picture has 64 × 64": Image.new("L", (64, 32)),
    "expected one channel, but its pixels are RGB": Image.new("RGB", (64, 64)),
    "none of its pixels has a class": Image.new("L", (64, 64), 255),
}


@pytest.mark.parametrize("words", BAD)
def test_a_mask_that_cannot_be_learned_is_a_bad_row(hone: Hone, tmp_path: Path, words: str) -> None:
    table = write_rows(tmp_path)
    (tmp_path / "mask3.png").write_bytes(to_png(BAD[words]))
    names = f"dataset.labels=[{','.join(COVERS)}]"
    done = hone("train", *local(table), *BRIEF, names)
    assert done.code == 2
    assert words in done.err
    assert f"{tmp_path}/mask3.png" in done.err
    assert "(row 3)" in done.err
    if "value 9" in words:
        assert hone("train", *local(table), *BRIEF, names, "dataset.on_bad_row=skip").code == 0
        assert sum(record(only_run())["data"]["rows"].values()) == 15


def test_masks_move_with_their_pictures() -> None:
    """The mask is where the picture is white, whatever happens to it."""
    masks = [RNG.integers(0, 2, (8, 8), dtype=np.uint8).repeat(8, 0).repeat(8, 1) for _ in range(8)]
    columns = {
        "image": [to_png(Image.fromarray(mask * 255).convert("RGB")) for mask in masks],
        "mask": [to_png(Image.fromarray(mask)) for mask in masks],
    }
    task, rows = bound(columns, crop=0.4, flip="both", rotate=30.0)
    batch = rows.collate(task, np.arange(8), training=True)
    labelled = batch["labels"] >= 0
    white = batch["inputs"]["pixel_values"].mean(dim=1) > 0
    assert ((batch["labels"] == 1) == white)[labelled].float().mean() > 0.93
    assert 0.5 < labelled.float().mean() < 1
    plain = rows.collate(task, np.arange(8))
    assert not torch.equal(batch["labels"], plain["labels"])


def test_masks_need_a_processor_that_only_resizes() -> None:
    require_recipe(SegformerImageProcessorPil(), "")
    with pytest.raises(UserError, match="SegformerImageProcessor"):
        require_recipe(ViTImageProcessorPil(size={"shortest_edge": 24}), "SegformerImageProcessor")


def test_photographs_are_no_masks() -> None:
    wide = Image.fromarray(np.arange(300, 700, dtype=np.uint16).reshape(20, 20))
    with pytest.raises(UserError, match="400 different values"):
        bound({"image": [to_png(Image.new("RGB", (20, 20)))], "mask": [to_png(wide)]})
