"""Instance and panoptic segmentation: masks from numbers, polygons and runs, a loss of sets, quality as COCO has it."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from datasets import Dataset
from PIL import Image
from pycocotools import mask as coco_masks
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from transformers import (
    AutoModelForObjectDetection,
    Mask2FormerImageProcessorPil,
    MaskFormerConfig,
    MaskFormerForInstanceSegmentation,
    ResNetConfig,
    ViTImageProcessorPil,
    pipeline,
)
from transformers.models.maskformer.configuration_maskformer import MaskFormerDetrConfig

import fake_media
from conftest import Hone
from hone.core import seeds
from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.scores import baseline_scores
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import encode_with_media
from hone.data.media.storing import store_media
from hone.data.rows import load_rows
from hone.data.sources.coco import Coco
from hone.data.tiny.objects import THINGS
from hone.data.tiny.segments import BUILDINGS, farm_examples, instance_examples
from hone.data.tiny.shapes import to_png
from hone.models.checkpoints.tiny_vision import TinyMask2Former
from hone.tasks.metrics.masks import PANOPTIC, mask_metrics, match_segments, panoptic_metrics
from hone.tasks.vision.instance_segmentation import InstanceSegmentation
from hone.tasks.vision.panoptic_segmentation import PanopticSegmentation
from hone.tasks.vision.shared.segments import draw_shape
from hone.tasks.vision.shared.universal import Segmented, UniversalSegmentation

BRIEF = ("tracker=none", "precision=32-true", "checkpoint=tiny_mask2former", "epochs=null", "steps=2", "batch_size=4")
RNG = np.random.default_rng(0)
TRIANGLE = [2.0, 2.0, 30.0, 2.0, 2.0, 30.0]
SMALL = {"num_queries": 6, "decoder_layers": 2}


def bound(raw: UniversalSegmentation, columns: dict[str, list[Any]]) -> tuple[Any, EncodedRows]:
    rows = store_media(Dataset.from_dict({**columns, "id": [*range(len(columns["image"]))]}), raw, {})
    facts = raw.find_facts(rows, None)
    task = raw.bind(TinyMask2Former(lr=1.0).make_processor(raw.auto_processor, facts), facts)
    encoded = rows.map(partial(encode_with_media, task), batched=True, batch_size=2, remove_columns=rows.column_names,
                       try_original_type=False)  # fmt: skip
    return task, EncodedRows.of(encoded, rows, task)


def make_network(task: Any) -> Any:
    torch.manual_seed(0)
    checkpoint = TinyMask2Former(lr=1.0, hyperparameters=SMALL)
    return checkpoint.network(task.auto_model, checkpoint.config(task.model_config())).eval()


def make_maskformer(task: Any) -> Any:
    torch.manual_seed(0)
    stages = ["stage1", "stage2", "stage3", "stage4"]
    backbone = ResNetConfig(
        embedding_size=8, hidden_sizes=[8, 8, 8, 8], depths=[1] * 4, layer_type="basic", out_features=stages
    )
    decoder = MaskFormerDetrConfig(
        d_model=32, encoder_layers=1, decoder_layers=2, encoder_ffn_dim=32, decoder_ffn_dim=32,
        encoder_attention_heads=2, decoder_attention_heads=2, num_queries=5, backbone_config=backbone,
    )  # fmt: skip
    config = MaskFormerConfig(
        backbone_config=backbone, decoder_config=decoder, fpn_feature_size=32, mask_feature_size=32,
        use_auxiliary_loss=True, **task.model_config(),
    )  # fmt: skip
    return MaskFormerForInstanceSegmentation(config).eval()


def some_instances(count: int = 4) -> dict[str, list[Any]]:
    """Pictures of which the first has nothing in it."""
    columns = instance_examples(count)
    return columns | {name: [[], *columns[name][1:]] for name in ("segments", "label")}


def write_rows(folder: Path, columns: dict[str, list[Any]], **changes: Any) -> Path:
    """The files of some examples, and their table. Of the fourth row, these values are changed."""
    lines = []
    for place, picture in enumerate(columns["image"]):
        (folder / f"{place}.png").write_bytes(picture)
        (folder / f"mask-{place}.png").write_bytes(columns["mask"][place])
        row = {"image": f"{place}.png", "mask": f"mask-{place}.png", "segments": columns["segments"][place],
               "label": columns["label"][place]}  # fmt: skip
        lines.append(json.dumps(row | (changes if place == 3 else {})) + "\n")
    (folder / "rows.jsonl").write_text("".join(lines))
    return folder / "rows.jsonl"


def local(table: Path, kind: str) -> tuple[str, ...]:
    given = (f"task={kind}_segmentation", "dataset.columns.mask=mask", "dataset.holdout=0.3")
    return ("dataset=local", f"dataset.path={table}", *given)


@pytest.mark.parametrize("kind", ["instance", "panoptic"])
def test_a_pipeline_finds_the_segments_that_predict_writes(hone: Hone, tmp_path: Path, kind: str) -> None:
    raw, columns = (InstanceSegmentation(), instance_examples(8)) if kind == "instance" else (
        PanopticSegmentation(), farm_examples(8))  # fmt: skip
    task, _ = bound(raw, columns)
    network = make_network(task)
    with torch.no_grad():
        network.class_predictor.bias[-1] = -5  # hardly ever nothing
    network.save_pretrained("shared")
    task.processor.save_pretrained("shared")
    (tmp_path / "2.png").write_bytes(columns["image"][2])
    theirs = pipeline("image-segmentation", model="shared", device="cpu")
    Path("pictures").mkdir()
    picture = Image.open(tmp_path / "2.png")
    picture.resize((90, 50)).save("pictures/0.png")
    picture.convert("L").save("pictures/1.png")
    picture.convert("RGBA").save("pictures/2.png")
    options = {"threshold": 0.1} | ({"overlap_threshold": 0.01, "mask_threshold": 0.05} if kind == "panoptic" else {})
    asked = hone(
        "predict", "checkpoint=hub", "checkpoint.path=shared", f"task={kind}_segmentation", "precision=32-true",
        "input=pictures", "output=out.jsonl", *(f"task.{name}={value}" for name, value in options.items()),
    )  # fmt: skip
    assert asked.code == 0, asked.said
    arguments = {
        {"overlap_threshold": "overlap_mask_area_threshold"}.get(name, name): value for name, value in options.items()
    }
    for line in Path("out.jsonl").read_text().splitlines():
        row = json.loads(line)
        expected = theirs(f"pictures/{Path(row['image']).name}", subtask=kind, **arguments)
        assert [each["label"] for each in row["segments"]] == [each["label"] for each in expected]
        assert [each["score"] for each in row["segments"]] == pytest.approx(
            [each["score"] for each in expected], abs=1e-4
        )
        numbers = np.asarray(Image.open(row["prediction"]))
        assert len(expected) > 0
        for each, own in zip(row["segments"], expected, strict=True):
            assert np.array_equal(numbers == each["id"], np.asarray(own["mask"]) > 0)


def test_the_loss_is_the_networks_own() -> None:
    """MaskFormer compares all pixels, so that nothing is random."""
    task, encoded = bound(InstanceSegmentation(), some_instances())
    network, batch = make_maskformer(task), encoded.collate(task, np.arange(4))
    labels = batch["labels"]
    with torch.no_grad():
        theirs = network(
            **batch["inputs"],
            output_hidden_states=True,
            mask_labels=[each["masks"] for each in labels], class_labels=[each["classes"] for each in labels],
        )  # fmt: skip
        assert float(task.loss(network, batch)) == pytest.approx(float(theirs.loss), rel=1e-5)
        records = task.predict(network, batch)
    assert records["loss"].sum() / records["targets"].sum() == pytest.approx(float(theirs.loss), rel=1e-5)
    assert records["targets"].tolist() == [len(each["classes"]) for each in labels]


def test_a_batch_without_segments_teaches_that_nothing_is_there() -> None:
    task, encoded = bound(InstanceSegmentation(), some_instances())
    for network in (make_network(task), make_maskformer(task)):
        batch = encoded.collate(task, np.arange(1))
        loss = task.loss(network, batch)
        loss.backward()
        assert loss.item() > 0
        assert task.count_targets(batch) == 1
        with torch.no_grad():
            records = task.predict(network, batch)
        assert records["loss"].sum() == pytest.approx(loss.item())
        assert records["targets"].sum() == pytest.approx(1)


def test_random_points_depend_on_the_draws_alone() -> None:
    task, encoded = bound(InstanceSegmentation(), some_instances())
    network = make_network(task)

    def loss_of(seed: int, training: bool, state: int, rows: int = 4) -> Any:
        torch.manual_seed(state)
        before = torch.get_rng_state()
        batch = encoded.collate(task, np.arange(4)[-rows:], training=training, seed=seed)
        with torch.no_grad():
            losses = task.predict(network, batch)["loss"] if not training else float(task.loss(network, batch))
        assert torch.equal(torch.get_rng_state(), before), "other draws are as they would be without this loss"
        return losses

    assert loss_of(1, True, 0) == loss_of(1, True, 5)
    assert loss_of(1, True, 0) != loss_of(2, True, 0)
    assert loss_of(1, False, 0).tolist() == loss_of(2, False, 7).tolist(), "an evaluation has no seed"


def test_separate_draws_leave_the_stream_as_it_was() -> None:
    torch.manual_seed(3)
    expected = torch.rand(2)
    torch.manual_seed(3)
    with seeds.separate_draws(torch.device("cpu")) as reseed:
        reseed(1)
        first = torch.rand(2)
        reseed(1)
        assert torch.equal(torch.rand(2), first)
    assert torch.equal(torch.rand(2), expected)


def test_numbers_polygons_and_runs_are_the_same_masks() -> None:
    area = draw_shape([TRIANGLE], (50, 40))
    assert area.shape == (40, 50)
    assert area[5, 5]
    assert not area[35, 35]
    runs = coco_masks.encode(np.asfortranarray(area.astype(np.uint8)))
    runs["counts"] = runs["counts"].decode()
    flat = area.T.ravel()
    plain = np.diff(np.flatnonzero(np.concatenate([[True], flat[1:] != flat[:-1], [True]]))).tolist()
    uncompressed = {"size": [40, 50], "counts": plain if not flat[0] else [0, *plain]}
    rgb = np.zeros((40, 50, 3), dtype=np.uint8)
    rgb[area] = (4, 2, 1)  # the colour of the number 4 + 256 · 2 + 65,536
    picture = to_png(Image.new("RGB", (50, 40)))
    shapes: list[Any] = [[TRIANGLE], runs, uncompressed]
    masks = []
    for shape in shapes:
        columns: dict[str, list[Any]] = {"image": [picture], "segments": [json.dumps([shape])], "label": [["a"]]}
        assert list(InstanceSegmentation().find_faults(*stored(columns))) == []
        task, encoded = bound(InstanceSegmentation(), columns)
        masks.append(encoded.collate(task, np.arange(1))["truth"][0][0][0])
    columns = {
        "image": [picture],
        "mask": [to_png(Image.fromarray(rgb))],
        "segments": [[4 + 512 + 65536]],
        "label": [["a"]],
    }
    task, encoded = bound(InstanceSegmentation(), columns)
    masks.append(encoded.collate(task, np.arange(1))["truth"][0][0][0])
    for mask in masks:
        assert np.array_equal(mask, area)


def stored(columns: dict[str, list[Any]]) -> tuple[Dataset, Any]:
    task = InstanceSegmentation()
    rows = store_media(Dataset.from_dict({**columns, "id": [*range(len(columns["image"]))]}), task, {})
    return rows, task.find_facts(rows, None)


def test_segments_move_with_their_pictures() -> None:
    """Things are brighter than the ground in their colour, and are there where the masks are."""
    columns = instance_examples(6)
    task, encoded = bound(InstanceSegmentation(flip="both", rotate=40), columns)
    moved = task.collate(encoded.columns(np.arange(6)), Draws(True, 0, 0, encoded.keys[np.arange(6)]))
    still = encoded.collate(task, np.arange(6))
    assert not torch.equal(moved["inputs"]["pixel_values"], still["inputs"]["pixel_values"])
    means = torch.tensor(task.processor.image_mean).view(3, 1, 1), torch.tensor(task.processor.image_std).view(3, 1, 1)
    for pixels, labels in zip(moved["inputs"]["pixel_values"], moved["labels"], strict=True):
        for area, label in zip(labels["masks"], labels["classes"], strict=True):
            colour = (pixels * means[1] + means[0])[:, area > 0].mean(dim=1)
            assert ("red", "green", "blue")[int(colour.argmax())] == THINGS[int(label)]


def test_average_precision_of_masks_is_that_of_coco() -> None:
    """Against pycocotools with the masks themselves."""
    truth, predicted, records = [], [], {name: [] for name in ("id", "label", "predicted_labels", "scores", "overlaps")}
    for image in range(12):
        true = [random_mask() for _ in range(RNG.integers(0, 4))]
        guesses = [np.roll(mask, RNG.integers(0, 4), axis=1) for mask in true] + [random_mask()]
        labels, guessed = RNG.integers(0, 2, len(true)), RNG.integers(0, 2, len(guesses))
        guessed[: len(true)] = np.where(RNG.random(len(true)) < 0.8, labels, guessed[: len(true)])
        scores = RNG.random(len(guesses)).round(1)
        mine, theirs = ([coco_masks.encode(np.asfortranarray(mask)) for mask in each] for each in (guesses, true))
        truth += [thing(image, *pair) for pair in zip(labels, theirs, strict=True)]
        predicted += [thing(image, *pair) | {"score": float(score)}
                      for *pair, score in zip(guessed, mine, scores, strict=True)]  # fmt: skip
        overlaps = coco_masks.iou(mine, theirs, [0] * len(theirs)) if theirs else np.zeros((len(mine), 0))
        row = {"id": image, "label": labels, "predicted_labels": guessed, "scores": scores, "overlaps": overlaps}
        for name, value in row.items():
            records[name].append(value)
    expected = reference_precision(truth, predicted)
    scores_of_masks = {name: metric.compute(records) for name, metric in mask_metrics(["a", "b"]).items()}
    assert scores_of_masks["map"] == pytest.approx(expected[0], abs=1e-9)
    assert scores_of_masks["map_50"] == pytest.approx(expected[1], abs=1e-9)
    assert 0.05 < expected[0] < 0.95
    assert set(scores_of_masks["ap"]) == {"a", "b"}


def random_mask() -> Any:
    mask = np.zeros((40, 40), dtype=np.uint8)
    top, left, height, width = RNG.integers(2, 20, 4)
    mask[top : top + height, left : left + width] = 1
    return mask


def thing(image: int, label: Any, runs: Any) -> dict[str, Any]:
    return {"image_id": image, "category_id": int(label), "segmentation": runs, "area": float(coco_masks.area(runs)),
            "bbox": coco_masks.toBbox(runs).tolist(), "iscrowd": 0}  # fmt: skip


def reference_precision(truth: list[Any], predicted: list[Any]) -> Any:
    indices = []
    for things in (truth, predicted):
        index = COCO()
        index.dataset = {"images": [{"id": place, "height": 40, "width": 40} for place in range(12)],
                         "categories": [{"id": 0}, {"id": 1}],
                         "annotations": [each | {"id": place} for place, each in enumerate(things, 1)]}  # fmt: skip
        index.createIndex()
        indices.append(index)
    evaluation = COCOeval(*indices, "segm")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats


def test_panoptic_quality_by_hand() -> None:
    """Two things of one class and a ground: one thing is found with an overlap of 0.8, the other is missed, the ground
    is right but for a part, and a segment that lies where nothing is labelled does not count."""
    true = np.full((10, 10), -1)
    true[0, :], true[1, :5], true[2:6, :] = 0, 1, 2
    predicted = np.full((10, 10), -1)
    predicted[0, :8], predicted[2:6, :], predicted[1, 5:], predicted[6:9, :] = 0, 1, 1, 2
    counts = match_segments(predicted, [0, 1, 0], true, [0, 0, 1], 2)
    assert counts.tolist() == [[0.8, 1], [1, 1], [0, 0], [1, 0]]
    records = {name: [counts[place]] for place, name in enumerate(PANOPTIC)}
    scores = {name: metric.compute(records) for name, metric in panoptic_metrics(["thing", "ground"]).items()}
    assert scores["sq"] == pytest.approx({"": 0.9, "thing": 0.8, "ground": 1})
    assert scores["rq"] == pytest.approx({"": (2 / 3 + 1) / 2, "thing": 2 / 3, "ground": 1})
    assert scores["pq"] == pytest.approx({"": (0.8 * 2 / 3 + 1) / 2, "thing": 0.8 * 2 / 3, "ground": 1})
    wrong = match_segments(predicted, [1, 0, 0], true, [0, 0, 1], 2)
    assert wrong[1:].tolist() == [[0, 0], [1, 1], [2, 1]], "the class counts"


def test_segments_of_a_class_can_be_merged() -> None:
    task, _ = bound(PanopticSegmentation(merge_classes=["house"]), farm_examples(6))
    house, silo = (task.facts.labels.index(name) for name in BUILDINGS)
    areas = np.array([[0, 1, 2], [3, -1, 0]])
    merged = task.merge_classes_of(Segmented([house, silo, house, silo], [0.6, 0.7, 0.9, 0.8], areas))
    assert list(merged.labels) == [house, silo, silo]
    assert list(merged.scores) == [0.9, 0.7, 0.8]
    assert merged.areas.tolist() == [[0, 1, 0], [2, -1, 0]]
    with pytest.raises(UserError, match="Did you mean house"):
        PanopticSegmentation(merge_classes=["hous"]).check(task.facts)


@pytest.mark.parametrize("raw", [InstanceSegmentation(), PanopticSegmentation()], ids=["instance", "panoptic"])
def test_the_baseline_is_one_segment_everywhere(raw: UniversalSegmentation) -> None:
    mask = np.zeros((40, 50), dtype=np.uint8)
    mask[:, :40] = 1
    mask[0, 45] = 2
    columns = {"image": [to_png(Image.new("RGB", (50, 40)))] * 2, "mask": [to_png(Image.fromarray(mask))] * 2,
               "segments": [[1, 2]] * 2, "label": [["land", "dot"], ["land", "land"]]}  # fmt: skip
    task, encoded = bound(raw, columns)
    with torch.no_grad():
        records = task.predict(make_network(task), encoded.collate(task, np.arange(2)))
    scores = baseline_scores(task, records)
    if isinstance(raw, InstanceSegmentation):
        assert scores["ap/land"] == pytest.approx(0.7 * 67 / 101, abs=0.01), "2 of 3, at 7 of 10 overlaps"
    else:
        overlap = 1600 / 1601
        assert scores["pq/land"] == pytest.approx(2 * overlap / (2 + 0.5))
        assert scores["pq/dot"] == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"segments": [9], "label": ["blue"]}, "mask-3.png has the segment's number 9"),
        ({"segments": [[[1, 2, 3, 4]]], "label": ["blue"]}, "the polygon [1, 2, 3, 4] is not a list"),
        ({"segments": [[]], "label": ["blue"]}, "a segment has no polygon"),
        ({"segments": [{"size": [64, 64], "counts": "04"}], "label": ["blue"]}, "add up to 4 pixels, not 4096"),
        ({"segments": [{"size": [64, 64], "counts": "o"}], "label": ["blue"]}, "the counts 'o' are no runs"),
        (
            {"segments": [{"size": [9, 9], "counts": [81]}], "label": ["blue"]},
            "has the size [9, 9], but the picture has",
        ),
        ({"segments": ["x"], "label": ["blue"]}, "is no number, no list of polygons and no run-length encoding"),
        ({"segments": [], "label": ["blue"]}, "0 segments, but 1 labels"),
        ({"segments": None, "label": []}, "expected a list of segments"),
        ({"mask": "small.png"}, "small.png: 9 × 9 pixels, but the picture has 64 × 64"),
        ({"mask": "cut.png"}, "damaged or cut off"),
    ],
)
def test_segments_that_cannot_be_learned_are_a_fault(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    Image.new("L", (9, 9)).save(tmp_path / "small.png")
    columns = instance_examples(4)
    (tmp_path / "cut.png").write_bytes(columns["mask"][0][:200])
    rows = [json.loads(line) for line in write_rows(tmp_path, columns, **changes).read_text().splitlines()]
    lists = {role: [json.dumps(row[role]) for row in rows] for role in ("segments", "label")}
    files = {role: [str(tmp_path / row[role]) for row in rows] for role in ("image", "mask")}
    task = InstanceSegmentation()
    stored_rows = store_media(Dataset.from_dict({**files, **lists, "id": [*range(4)]}), task, {}, (tmp_path,))
    faults = list(task.find_faults(stored_rows, task.find_facts(stored_rows, THINGS)))
    assert [fault.row for fault in faults] == [3]
    assert words in faults[0].problem


def test_a_bad_segment_ends_the_command(hone: Hone, tmp_path: Path) -> None:
    done = hone(
        "train", *local(write_rows(tmp_path, instance_examples(6), segments=[77], label=["red"]), "instance"), *BRIEF
    )
    assert done.code == 2
    assert "(row 3)" in done.err
    assert "has the segment's number 77" in done.err
    assert "Traceback" not in done.said


def write_coco(folder: Path) -> None:
    """A picture with a thing and a crowd, in both of COCO's forms."""
    area = draw_shape([TRIANGLE], (64, 64))
    numbers = np.zeros((64, 64, 3), dtype=np.uint8)
    numbers[40:] = (9, 0, 0)
    numbers[area] = (1, 1, 0)
    (folder / "annotations/panoptic_train2017").mkdir(parents=True)
    (folder / "train2017").mkdir()
    Image.fromarray(numbers).save(folder / "annotations/panoptic_train2017/7.png")
    Image.new("RGB", (64, 64)).save(folder / "train2017/7.jpg")
    shared = {"images": [{"id": 7, "file_name": "7.jpg"}],
              "categories": [{"id": 3, "name": "cat"}, {"id": 8, "name": "snow"}]}  # fmt: skip
    crowd = {"size": [64, 64], "counts": [4000, 96]}
    things = [{"image_id": 7, "category_id": 3, "bbox": [2, 2, 28, 28], "segmentation": [TRIANGLE], "iscrowd": 0},
              {"image_id": 7, "category_id": 3, "bbox": [60, 60, 4, 4], "segmentation": crowd,
               "iscrowd": 1}]  # fmt: skip
    parts = [{"id": 257, "category_id": 3, "iscrowd": 0}, {"id": 9, "category_id": 8, "iscrowd": 1}]
    panoptic = [{"image_id": 7, "file_name": "7.png", "segments_info": parts}]
    for kind, listed in (("instances", things), ("panoptic", panoptic)):
        content = json.dumps(shared | {"annotations": listed})
        (folder / f"annotations/{kind}_train2017.json").write_text(content)


def test_both_forms_of_coco_are_read(tmp_path: Path) -> None:
    write_coco(tmp_path)
    for raw, splits in (
        (InstanceSegmentation(), {}),
        (PanopticSegmentation(), {"train": "annotations/panoptic_train2017.json"}),
    ):
        rows = load_rows(Coco(str(tmp_path), splits, holdout=0.0), raw).splits["train"]
        assert rows["label"][:] == [["cat"]]
        columns = {name: rows[name][:] for name in rows.column_names if name != "id"}
        task, encoded = bound(raw, columns)
        areas, labels = encoded.collate(task, np.arange(1))["truth"][0]
        assert np.array_equal(areas[0], draw_shape([TRIANGLE], (64, 64)))
        assert labels.tolist() == [0]


def test_processors_get_a_size_that_networks_can_divide() -> None:
    task = InstanceSegmentation()
    processor = Mask2FormerImageProcessorPil(size={"shortest_edge": 70, "longest_edge": 90})
    task.configure_processor(processor)
    assert (processor.size.height, processor.size.width) == (96, 96)
    InstanceSegmentation(image_size=33).configure_processor(processor)
    assert (processor.size.height, processor.size.width) == (64, 64)
    with pytest.raises(UserError, match="is not for instance segmentation"):
        task.configure_processor(ViTImageProcessorPil())


def test_networks_with_another_loss_are_refused() -> None:
    network = AutoModelForObjectDetection.from_config(fake_media.tiny_config("detr"))
    with pytest.raises(UserError, match="Choose a checkpoint of mask2former or maskformer"):
        InstanceSegmentation().check_network(network)
