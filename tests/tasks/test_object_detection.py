"""Object detection: boxes in the pixels of the pictures, average precision as COCO has it, a loss of whole batches."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from transformers import YolosImageProcessorPil, pipeline

import fake_media
from conftest import Hone, only_run, record
from hone.core.errors import UserError
from hone.core.metric import Columns
from hone.core.scores import baseline_scores, compute_scores
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import encode_with_media
from hone.data.media.storing import store_media
from hone.data.tiny.objects import THINGS, object_examples
from hone.data.tiny.shapes import to_png
from hone.models.checkpoints.tiny_vision import TinyYolos
from hone.tasks.metrics.boxes import detection_metrics
from hone.tasks.vision.object_detection import ObjectDetection

BRIEF = ("tracker=none", "precision=32-true", "checkpoint=tiny_yolos", "epochs=null", "steps=3", "batch_size=4")
RNG = np.random.default_rng(0)


def bound(columns: dict[str, list[Any]], **options: Any) -> tuple[ObjectDetection, EncodedRows]:
    raw = ObjectDetection(**options)
    rows = store_media(Dataset.from_dict({**columns, "id": [*range(len(columns["image"]))]}), raw, {})
    facts = raw.find_facts(rows, THINGS)
    task = raw.bind(TinyYolos(lr=1.0).make_processor(raw.auto_processor, facts), facts)
    encoded = rows.map(partial(encode_with_media, task), batched=True, batch_size=2, remove_columns=rows.column_names,
                       try_original_type=False)  # fmt: skip
    return task, EncodedRows.of(encoded, rows, task)


def make_network(task: ObjectDetection) -> Any:
    torch.manual_seed(0)
    checkpoint = TinyYolos(lr=1.0)
    return checkpoint.network(task.auto_model, checkpoint.config(task.model_config())).eval()


def noise(width: int, height: int) -> bytes:
    return to_png(Image.fromarray(RNG.integers(0, 256, (height, width, 3), dtype=np.uint8)))


def scenes() -> dict[str, list[Any]]:
    """Pictures of several sizes; the first two have no boxes."""
    boxes = [[], [], [[3, 4, 20, 10]], [[0, 0, 50, 61], [10.5, 20.25, 8, 9]]]
    labels: list[list[str]] = [[], [], ["green"], ["blue", "red"]]
    return {"image": [noise(50 + 7 * place, 70 - 3 * place) for place in range(4)], "boxes": boxes, "label": labels}


def write_rows(folder: Path, **changes: Any) -> Path:
    """The files of some examples, and their table. Of the fourth row, these values are changed."""
    columns, lines = object_examples(12), []
    for place in range(12):
        (folder / f"{place}.png").write_bytes(columns["image"][place])
        row = {"image": f"{place}.png", "boxes": columns["boxes"][place], "label": columns["label"][place]}
        lines.append(json.dumps(row | (changes if place == 3 else {})) + "\n")
    (folder / "rows.jsonl").write_text("".join(lines))
    return folder / "rows.jsonl"


def local(table: Path) -> tuple[str, ...]:
    return ("dataset=local", f"dataset.path={table}", "task=object_detection", "dataset.holdout=0.3")


def test_a_pipeline_finds_the_boxes_that_predict_writes(hone: Hone, tmp_path: Path) -> None:
    done = hone("train", *local(write_rows(tmp_path)), *BRIEF, "task.threshold=0.2")
    assert done.code == 0, done.said
    assert hone("export", f"run={only_run()}", "output=shared").code == 0
    theirs = pipeline("object-detection", model="shared", device="cpu")
    grey = Image.fromarray(RNG.integers(0, 256, (64, 64), dtype=np.uint8))
    for name, picture in {"wide.png": Image.open(tmp_path / "2.png").resize((90, 50)), "grey.png": grey}.items():
        picture.save(name)
        asked = hone("predict", f"run={only_run()}", f"image={name}", "precision=32-true")
        assert asked.code == 0, asked.said
        row, expected = json.loads(asked.out), theirs(name, threshold=0.2)
        assert len(row["boxes"]) == len(row["labels"]) == len(expected) > 0
        expected.sort(key=lambda each: -each["score"])
        assert row["scores"] == pytest.approx([each["score"] for each in expected], abs=1e-4)
        for (left, top, width, height), label, each in zip(row["boxes"], row["labels"], expected, strict=True):
            corners = [each["box"][side] for side in ("xmin", "ymin", "xmax", "ymax")]
            assert [left, top, left + width, top + height] == pytest.approx(corners, abs=1)
            assert label == each["label"]


def test_the_loss_is_the_networks_own_with_the_processors_labels() -> None:
    columns = scenes()
    task, encoded = bound(columns)
    network, batch = make_network(task), encoded.collate(task, np.arange(4))
    annotations = [
        {"image_id": place, "annotations": [
            {"bbox": box, "category_id": THINGS.index(label), "area": 1.0, "iscrowd": 0}
            for box, label in zip(columns["boxes"][place], columns["label"][place], strict=True)
        ]}
        for place in range(4)
    ]  # fmt: skip
    processor = YolosImageProcessorPil(
        size={"height": 64, "width": 64}, image_mean=[0.5] * 3, image_std=[0.5] * 3, do_convert_rgb=True
    )
    pictures = [file.open() for file in encoded.columns(np.arange(4))["image"]]
    opened = [Image.open(stream.__enter__()) for stream in pictures]
    theirs = processor(images=opened, annotations=annotations, return_tensors="pt")
    assert torch.allclose(theirs["pixel_values"], batch["inputs"]["pixel_values"], atol=1e-5)
    labels = [{name: torch.as_tensor(value) for name, value in each.items()} for each in theirs["labels"]]
    with torch.no_grad():
        expected = float(network(theirs["pixel_values"], labels=labels).loss)
        assert float(task.loss(network, batch)) == pytest.approx(expected, rel=1e-5)
        records = task.predict(network, batch)
    assert task.count_targets(batch) == 3
    assert records["loss"].sum() / records["targets"].sum() == pytest.approx(expected, rel=1e-5)
    for ours, own in zip(records["boxes"], columns["boxes"], strict=True):
        assert np.array(ours) == pytest.approx(np.array(own, dtype=float), abs=1e-3)


def test_a_batch_without_boxes_teaches_that_nothing_is_there() -> None:
    task, encoded = bound(scenes())
    network, batch = make_network(task), encoded.collate(task, np.arange(2))
    loss = task.loss(network, batch)
    loss.backward()
    assert loss.item() > 0
    assert task.count_targets(batch) == 1
    with torch.no_grad():
        records = task.predict(network, batch)
    assert records["loss"].sum() == pytest.approx(loss.item())
    assert records["targets"].sum() == pytest.approx(1)
    assert compute_scores(task, records)["map"] == 0


def test_boxes_move_with_their_pictures() -> None:
    """Things are brighter than the ground in their colour, and are there where the boxes are."""
    task, encoded = bound(object_examples(8), flip="both")
    plain = encoded.collate(task, np.arange(8))
    moved = encoded.collate(task, np.arange(8), training=True)
    assert not torch.equal(plain["inputs"]["pixel_values"], moved["inputs"]["pixel_values"])
    count = 0
    for picture, labels in zip(moved["inputs"]["pixel_values"], moved["labels"], strict=True):
        for x, y, _, _ in (labels["boxes"] * 64).int().tolist():
            assert picture[:, y, x].max() > 0.2
            count += 1
    assert count == sum(map(len, object_examples(8)["boxes"]))
    cut, rows = bound(object_examples(8), crop=0.05)
    for labels in rows.collate(cut, np.arange(8), training=True)["labels"]:
        assert len(labels["class_labels"]) == len(labels["boxes"])
        assert (labels["boxes"][:, 2:] > 0).all()


def test_a_network_whose_numbers_are_none_has_such_a_loss() -> None:
    task, encoded = bound(scenes())
    network = make_network(task)
    with torch.no_grad():
        network.bbox_predictor.layers[-1].bias.fill_(torch.nan)
        assert task.loss(network, encoded.collate(task, np.arange(4))).isnan()


def records_of(*predicted: list[tuple[list[float], int, float]]) -> Columns:
    """Two pictures, one with a circle and a square, and what was predicted for them."""
    return {
        "id": [0, 1],
        "boxes": [[[0, 0, 10, 10], [20, 20, 10, 10]], []],
        "label": [[0, 1], []],
        "predicted_boxes": [[box for box, _, _ in each] for each in predicted],
        "predicted_labels": [[label for _, label, _ in each] for each in predicted],
        "scores": [[score for _, _, score in each] for each in predicted],
    }


def scores_of(records: Columns) -> dict[str, Any]:
    return {name: metric.compute(records) for name, metric in detection_metrics(THINGS).items()}


def test_average_precision_is_that_of_coco(capfd: pytest.CaptureFixture[str]) -> None:
    circle, square = ([0, 0, 10, 10], 0, 0.9), ([20, 20, 10, 10], 1, 0.8)
    perfect = scores_of(records_of([circle, square], []))
    assert perfect.pop("ap") == pytest.approx({"blue": 1, "green": 1})
    assert perfect == pytest.approx({"map": 1, "map_50": 1, "map_75": 1})
    assert scores_of(records_of([], []))["map_50"] == 0
    rival = records_of([circle, square], [([0, 0, 9, 9], 1, 0.95)])  # a better score where there is nothing
    assert scores_of(rival)["ap"] == pytest.approx({"blue": 1, "green": 0.5})
    shifted = scores_of(records_of([([0, 0, 10, 7], 0, 0.9), square], []))  # an overlap of 0.7
    assert shifted["map_50"] == pytest.approx(1)
    assert shifted["map_75"] == pytest.approx(0.5)
    assert shifted["ap"]["blue"] == pytest.approx(0.5)
    assert scores_of(records_of([([0, 0, 10, 10], 1, 0.9)], []))["map"] == 0, "the class counts"
    assert capfd.readouterr().out == ""


def test_the_baseline_is_one_box_of_the_most_frequent_class() -> None:
    rows = {"image": [noise(50, 40)] * 3, "boxes": [[[10, 10, 20, 10]], [[20, 10, 20, 10]], [[15, 10, 20, 10]]],
            "label": [["green"]] * 3}  # fmt: skip
    task, encoded = bound(rows)
    with torch.no_grad():
        records = task.predict(make_network(task), encoded.collate(task, np.arange(3)))
    assert task.baseline(records)["predicted_boxes"][0][0] == pytest.approx([15, 10, 20, 10])
    scores = baseline_scores(task, records)
    assert 0 < scores["map"] < 1
    assert scores["ap/green"] == pytest.approx(scores["map"])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"boxes": [[40, 40, 30, 10]], "label": ["blue"]}, "[40, 40, 30, 10] (left, top, width, height) reaches"),
        ({"boxes": [[4, 4, 0, 10]], "label": ["blue"]}, "the box [4, 4, 0, 10] has no area"),
        ({"boxes": [[4, 4, 9, 10]], "label": ["blue", "green"]}, "1 boxes, but 2 labels"),
        ({"boxes": [[4, 4, 9]], "label": ["blue"]}, "is not four numbers"),
        ({"boxes": None, "label": []}, "expected a list of boxes"),
        ({"boxes": [[4, 4, 9, None]], "label": ["blue"]}, "is not four numbers"),
        ({"boxes": [], "label": None}, "expected a list with the label of each box"),
    ],
)
def test_boxes_that_cannot_be_learned_are_a_bad_row(
    hone: Hone, tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    done = hone("train", *local(write_rows(tmp_path, **changes)), *BRIEF)
    assert done.code == 2
    assert words in done.err
    assert "(row 3)" in done.err


def test_numbers_that_are_not_finite_and_unknown_classes_are_faults() -> None:
    task = ObjectDetection()
    boxes = [[[1.0, 1.0, np.nan, 5.0]], [[1.0, 1.0, 5.0, 5.0]], [[-0.5, 0.0, 41.0, 5.0]]]
    rows = {"image": [noise(40, 40)] * 3, "boxes": boxes, "label": [["blue"], ["bleu"], ["blue"]]}
    stored = store_media(Dataset.from_dict({**rows, "id": [0, 1, 2]}), task, {})
    facts = task.find_facts(stored, ("blue", "green"))
    faults = {fault.row: (fault.role, fault.problem) for fault in task.find_faults(stored, facts)}
    assert faults.keys() == {0, 1}, "half a pixel beyond the border is rounding"
    assert "not finite" in faults[0][1]
    assert faults[1][0] == "label"
    assert "Did you mean blue?" in faults[1][1]


def test_bad_rows_can_be_left_out_and_lists_stand_in_a_csv_file_as_json(hone: Hone, tmp_path: Path) -> None:
    table = write_rows(tmp_path, boxes=[[4, 4, 0, 10]], label=["blue"])
    rows = [json.loads(line) for line in table.read_text().splitlines()]
    lines = [",".join([row["image"], *(f'"{json.dumps(row[role]).replace(chr(34), chr(34) * 2)}"'
                                       for role in ("boxes", "label"))]) for row in rows]  # fmt: skip
    (tmp_path / "rows.csv").write_text("\n".join(["image,boxes,label", *lines]) + "\n")
    done = hone("train", *local(tmp_path / "rows.csv"), *BRIEF, "dataset.on_bad_row=skip")
    assert done.code == 0, done.said
    assert "has no area" in done.said
    assert {"validation/map", "validation/map_50"} <= record(only_run())["scores"].keys()


def test_the_package_that_scores_is_asked_for_before_training(
    hone: Hone, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pycocotools.coco", None)
    done = hone("train", *local(write_rows(tmp_path)), *BRIEF)
    assert done.code == 2
    assert "pip install 'hone-lab[detection]'" in done.err


def test_a_processor_that_keeps_proportions_makes_squares() -> None:
    task = ObjectDetection()
    processor = YolosImageProcessorPil(size={"shortest_edge": 40, "longest_edge": 60})
    task.configure_processor(processor)
    assert (processor.size.height, processor.size.width) == (40, 40)
    ObjectDetection(image_size=32).configure_processor(processor)
    assert (processor.size.height, processor.size.width) == (32, 32)
    with pytest.raises(UserError, match="is not for object detection"):
        task.configure_processor(object())


@pytest.mark.parametrize("kind", ["detr", pytest.param("rt_detr", marks=pytest.mark.slow)])
def test_other_detectors_learn_and_predict(hone: Hone, tmp_path: Path, kind: str) -> None:
    """DETR keeps proportions, pads and reads a mask of pixels; here all pictures have one size, and none is padded."""
    fake_media.write_checkpoint(Path(kind), kind)
    words = (
        "checkpoint=hub",
        f"checkpoint.path={kind}",
        "task.image_size=64",
        "task.threshold=0.1",
        *BRIEF[:2],
        *BRIEF[3:],
    )
    done = hone("train", *local(write_rows(tmp_path)), *words)
    assert done.code == 0, done.said
    assert hone("export", f"run={only_run()}", "output=shared").code == 0
    theirs = pipeline("object-detection", model="shared", device="cpu")
    Image.open(tmp_path / "2.png").resize((90, 50)).save("wide.png")
    asked = hone("predict", f"run={only_run()}", "image=wide.png", "precision=32-true")
    assert asked.code == 0, asked.said
    row, expected = json.loads(asked.out), sorted(theirs("wide.png", threshold=0.1), key=lambda each: -each["score"])
    assert row["scores"] == pytest.approx([each["score"] for each in expected], abs=1e-4)
    assert len(expected) > 0
