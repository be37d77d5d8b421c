"""Depth estimation: errors of measured pixels at the pictures' own size, and distances in the unit of the files."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from transformers import pipeline

import fake_media
from conftest import Hone, journal, only_run
from hone.core.errors import UserError
from hone.core.scores import compute_scores
from hone.core.task import Facts
from hone.data.encoded_rows import EncodedRows
from hone.data.media.storing import store_media
from hone.data.tiny.fog import fog_examples
from hone.data.tiny.shapes import to_png
from hone.models.checkpoints.tiny_vision import TinyGlpn
from hone.tasks.vision.depth_estimation import DepthEstimation

BRIEF = ("tracker=none", "precision=32-true", "checkpoint=tiny_glpn", "epochs=null", "steps=3", "batch_size=4")
RNG = np.random.default_rng(0)


def write_rows(folder: Path) -> Path:
    """The files of some examples, and their table."""
    columns, lines = fog_examples(12), []
    for place in range(12):
        row = {role: f"{role}{place}.png" for role in columns}
        for role, name in row.items():
            (folder / name).write_bytes(columns[role][place])
        lines.append(json.dumps(row) + "\n")
    (folder / "rows.jsonl").write_text("".join(lines))
    return folder / "rows.jsonl"


def local(table: Path) -> tuple[str, ...]:
    return ("dataset=local", f"dataset.path={table}", "task=depth_estimation", "dataset.holdout=0.3")


def test_a_pipeline_gives_the_distances_that_predict_writes(hone: Hone, tmp_path: Path) -> None:
    done = hone("train", *local(write_rows(tmp_path)), *BRIEF)
    assert done.code == 0, done.said
    Image.fromarray(RNG.integers(0, 256, (70, 90, 3), dtype=np.uint8)).save("odd.png")
    asked = hone("predict", f"run={only_run()}", "image=odd.png", "output=out.jsonl")
    assert asked.code == 0, asked.said
    row = json.loads(Path("out.jsonl").read_text())
    assert hone("export", f"run={only_run()}", "output=shared").code == 0
    theirs = pipeline("depth-estimation", model="shared", device="cpu")("odd.png")["predicted_depth"].numpy()
    with Image.open(row["prediction"]) as file:
        millimetres = np.asarray(file)
    assert np.abs(millimetres / 1000 - theirs).max() < 0.001
    assert [row["nearest"], row["farthest"]] == pytest.approx([theirs.min(), theirs.max()], abs=1e-4)


def pictures() -> tuple[dict[str, list[bytes]], list[np.ndarray[Any, Any]]]:
    """Pictures of several sizes with depths, a fifth of them missing."""
    columns: dict[str, list[bytes]] = {"image": [], "depth": []}
    depths = []
    for place in range(4):
        shape = (50 - 5 * place, 40 + 7 * place)
        depth = (RNG.integers(500, 9000, shape) * (RNG.random(shape) < 0.8)).astype(np.uint16)
        columns["image"].append(to_png(Image.fromarray(RNG.integers(0, 256, (*shape, 3), dtype=np.uint8))))
        columns["depth"].append(to_png(Image.fromarray(depth)))
        depths.append(depth / 1000)
    return columns, depths


def test_the_scores_are_those_of_all_measured_pixels_together() -> None:
    columns, depths = pictures()
    raw, checkpoint = DepthEstimation(), TinyGlpn(lr=1.0, image_size=32)
    rows = store_media(Dataset.from_dict({**columns, "id": [*range(4)]}), raw, {})
    facts = raw.find_facts(rows, None)
    task = raw.bind(checkpoint.make_processor(raw.auto_processor, facts), facts)
    encoded = EncodedRows.of(Dataset.from_dict(task.encode({"id": [*range(4)]})), rows, task)
    batch = encoded.collate(task, np.arange(4))
    torch.manual_seed(0)
    network = checkpoint.network(task.auto_model, checkpoint.config({})).eval()
    with torch.no_grad():
        records, answers = task.predict(network, batch), task.answer(network, batch)["prediction"]
        loss, predicted = float(task.loss(network, batch)), network(**batch["inputs"]).predicted_depth
    true = np.concatenate([depth[depth > 0] for depth in depths])
    guess = np.concatenate([answer[depth > 0] for answer, depth in zip(answers, depths, strict=True)]) / 1000
    scores = compute_scores(task, records)
    assert scores["abs_rel"] == pytest.approx(np.mean(np.abs(guess - true) / true), rel=1e-3)
    assert scores["rmse"] == pytest.approx(np.sqrt(np.mean((guess - true) ** 2)), rel=1e-3)
    assert scores["delta_1"] == pytest.approx(np.mean(np.maximum(guess / true, true / guess) < 1.25), abs=2e-3)
    measured = batch["labels"] > 0
    assert loss == pytest.approx(float((predicted - batch["labels"]).abs()[measured].mean()), rel=1e-5)
    assert task.count_targets(batch) == measured.sum()
    median = np.median([np.median(depth[depth > 0]) for depth in depths])
    constant = compute_scores(task, task.baseline(records))
    assert constant["abs_rel"] == pytest.approx(np.mean(np.abs(median - true) / true), rel=1e-5)


@pytest.mark.parametrize(
    ("depth", "words"),
    [
        (Image.fromarray(np.full((32, 64), 900, np.uint16)), "64 × 32 pixels, but the picture has 64 × 64"),
        (Image.fromarray(np.zeros((64, 64), np.uint16)), "none of its pixels was measured"),
        (Image.new("RGB", (64, 64)), "expected one channel"),
    ],
)
def test_a_depth_map_that_cannot_be_learned_is_a_bad_row(
    hone: Hone, tmp_path: Path, depth: Image.Image, words: str
) -> None:
    table = write_rows(tmp_path)
    (tmp_path / "depth3.png").write_bytes(to_png(depth))
    done = hone("train", *local(table), *BRIEF)
    assert done.code == 2
    assert words in done.err
    assert "(row 3)" in done.err


def test_distances_beyond_the_network_are_refused(hone: Hone, tmp_path: Path) -> None:
    done = hone("train", *local(write_rows(tmp_path)), *BRIEF, "task.scale=0.01")
    assert done.code == 2
    assert "predicts at most 10" in done.err
    assert hone("train", *local(tmp_path / "rows.jsonl"), *BRIEF, "task.scale=0.01",
                "checkpoint.hyperparameters={max_depth: 100}").code == 0  # fmt: skip


@pytest.mark.parametrize("kind", ["dpt", "depth_anything"])
def test_networks_that_transformers_does_not_train_are_trained(hone: Hone, tmp_path: Path, kind: str) -> None:
    """They refuse labels, and the loss is ours. The relative ones have no largest distance, whatever a config says."""
    fake_media.write_checkpoint(tmp_path / kind, kind)
    words = ("checkpoint=hub", f"checkpoint.path={tmp_path}/{kind}", "optimizer.lr=1e-2", "log_every=1")
    course = ("tracker=none", "precision=32-true", "epochs=null", "steps=24", "batch_size=4", "scheduler=constant")
    done = hone("train", *local(write_rows(tmp_path)), *course, *words)
    assert done.code == 0, done.said
    run = only_run()
    losses = [row["train/loss"] for row in journal(run) if "train/loss" in row]
    assert min(losses[-4:]) < 0.8 * losses[0]
    assert hone("predict", f"run={run}", "image=image0.png", "output=out.jsonl").code == 0
    row = json.loads(Path("out.jsonl").read_text())
    predict = pipeline("depth-estimation", model=str(run / "model"), device="cpu")
    theirs = predict("image0.png")["predicted_depth"].numpy()
    assert [row["nearest"], row["farthest"]] == pytest.approx([theirs.min(), theirs.max()], abs=1e-4)


def test_a_metric_network_has_a_largest_distance() -> None:
    task = DepthEstimation()
    task.facts = Facts("depth", numbers={"median": 1.0, "largest": 8.2})
    config = fake_media.tiny_config("depth_anything", depth_estimation_type="metric", max_depth=5)
    with pytest.raises(UserError, match=r"predicts at most 5, .* up to 8\.2\. Set .*\{max_depth: 9\}"):
        task.read_config(config)
