"""Boxes in files of COCO and of Pascal VOC: the splits, the pictures, and what is wrong with a file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import fake_media
from hone.core.errors import UserError
from hone.data.rows import Rows, load_rows
from hone.data.source import Source
from hone.data.sources.coco import Coco
from hone.data.sources.voc import Voc
from hone.data.tiny.objects import object_examples
from hone.tasks.vision.object_detection import ObjectDetection

EXPECTED = object_examples(16)


def loaded(source: Source) -> Rows:
    return load_rows(source, ObjectDetection())


def coco(**changes: Any) -> Path:
    """A file of COCO with these parts, beside a picture."""
    parts = {
        "images": [{"id": 7, "file_name": "a.png"}],
        "categories": [{"id": 3, "name": "circle"}],
        "annotations": [{"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}],
    }
    Path("own/train").mkdir(parents=True)
    Path("own/train/a.png").write_bytes(EXPECTED["image"][0])
    file = Path("own/train/_annotations.coco.json")
    file.write_text(json.dumps(parts | changes))
    return file


@pytest.mark.parametrize(("source", "folder"), [(Coco, "street"), (Voc, "cells")])
def test_every_box_is_read_with_its_name(source: Any, folder: str) -> None:
    fake_media.write_box_folders(Path())
    rows = loaded(source(folder))
    assert rows.sizes == {"train": 10, "validation": 6}
    assert rows.facts.labels == ("blue", "green", "red")
    read = [row for split in ("train", "validation") for row in rows.splits[split]]
    assert [row["boxes"] for row in read] == EXPECTED["boxes"]
    assert [row["label"] for row in read] == EXPECTED["label"]
    assert [Path(row["image"]["path"]).read_bytes() for row in read] == EXPECTED["image"]


def test_pictures_may_lie_beside_their_file_and_crowds_are_left_out() -> None:
    crowd = {"image_id": 7, "category_id": 3, "bbox": [0, 0, 9, 9], "iscrowd": 1}
    coco(annotations=[crowd, {"image_id": 7, "category_id": 3, "bbox": [1, 2, 3, 4]}])
    rows = Coco("own").load()["train"]
    assert rows[:] == {"image": ["train/a.png"], "boxes": [[[1, 2, 3, 4]]], "label": [["circle"]]}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"annotations": [{"image_id": 8, "category_id": 3, "bbox": [1, 2, 3, 4]}]}, "the image_id 8, which the file"),
        ({"annotations": [{"image_id": 7, "category_id": 4, "bbox": [1, 2, 3, 4]}]}, "the category_id 4, which the"),
        ({"annotations": [{"image_id": 7, "bbox": [1, 2, 3, 4]}]}, r"annotations\[0\] is not an object with"),
        ({"annotations": [{"image_id": 7, "category_id": 3, "bbox": ["a"]}]}, "a box is not a list of numbers"),
        ({"categories": None}, "expected a list 'categories'"),
        ({"images": []}, "image_id 7"),
        ({"images": [{"id": 7, "file_name": "b.png"}]}, "b.png is not in own and the folders in it"),
    ],
)
def test_a_broken_file_of_coco_is_a_mistake(changes: dict[str, Any], words: str) -> None:
    file = coco(**changes)
    with pytest.raises(UserError, match=words) as error:
        Coco("own").load()
    assert str(file.name) in str(error.value)


def test_a_split_without_a_file_is_named() -> None:
    coco().rename("own/train/boxes.json")
    Path("own/train").rename("own/all")
    with pytest.raises(UserError, match=r"no JSON file has train in its name.*all/boxes.json"):
        Coco("own").load()
    assert len(Coco("own", splits={"train": "all/boxes.json"}).load()["train"]) == 1
    with pytest.raises(UserError, match="no such folder"):
        Coco("elsewhere").load()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<annotation><object><name>circle</name></object></annotation>", "an object has no bndbox"),
        ("<annotation><object><bndbox><xmin>a</xmin></bndbox></object></annotation>", "expected a bndbox with xmin"),
        ("<annotation>", "not readable as XML"),
        ('<!DOCTYPE a [<!ENTITY b "bbb">]><annotation>&b;</annotation>', "it defines entities"),
    ],
)
def test_a_broken_file_of_voc_is_a_mistake(content: str, words: str) -> None:
    fake_media.write_box_folders(Path())
    Path("cells/Annotations/3.xml").write_text(content)
    with pytest.raises(UserError, match=words) as error:
        Voc("cells").load()
    assert "3.xml" in str(error.value)


def test_without_lists_all_pictures_of_voc_are_training_rows() -> None:
    fake_media.write_box_folders(Path())
    for file in Path("cells/ImageSets/Main").iterdir():
        file.unlink()
    assert {split: len(rows) for split, rows in Voc("cells").load().items()} == {"train": 16}
    with pytest.raises(UserError, match="no folder Annotations"):
        Voc("street").load()
