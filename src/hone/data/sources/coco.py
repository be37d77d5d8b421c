"""Boxes and masks in the JSON files of COCO, one for each split, beside folders of pictures."""

from __future__ import annotations

import json
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from datasets import Dataset, Features, List, Value

from hone.core.errors import UserError, join_names
from hone.core.paths import nearest_path
from hone.core.value_types import ColumnsByRole, Labels, OnBadRow, PartialShare, Place, Splits
from hone.data.source import SPLITS, Source
from hone.data.sources.local import match_split

BOX_FEATURES = Features(
    {"image": Value("string"), "boxes": List(List(Value("float64"))), "label": List(Value("string"))}
)
"""The columns of a source of boxes: the path of a picture, and the sides and names of what is in it."""
PANOPTIC_FEATURES = Features(
    {
        "image": Value("string"),
        "mask": Value("string"),
        "segments": List(Value("int64")),
        "label": List(Value("string")),
    }
)
"""The columns of a source of panoptic masks: the paths of a picture and its mask, and the numbers and names in it."""
_WORD = re.compile(r"[a-z]+")


@final
@dataclass(frozen=True)
class Coco(Source):
    """A folder with files such as `annotations/instances_train2017.json`, or `panoptic_train2017.json` beside a folder
    of masks. Crowds are left out."""

    path: Place
    splits: Splits = field(default_factory=dict)
    images: Place | None = None
    """The folder of the pictures, if it is not found by itself."""
    columns: ColumnsByRole = field(default_factory=dict)
    labels: Labels = None
    holdout: PartialShare = 0.1
    on_bad_row: OnBadRow = "error"

    @property
    def name(self) -> str:
        return Path(self.path).absolute().name

    @property
    def media_folders(self) -> tuple[Path, ...]:
        return (Path(self.path).expanduser(),)

    def load(self) -> dict[str, Dataset]:
        top = require_folder(self.path)
        return {split: self._read(top, file) for split, file in self._find_files(top).items()}

    def _find_files(self, top: Path) -> dict[str, Path]:
        """Returns the JSON file of each split: one with the split's name in its own or in its folder's name."""
        entries = sorted(file for pattern in ("*.json", "*/*.json") for file in top.glob(pattern))
        files: dict[str, Path] = {}
        for split in SPLITS:
            name = self.splits.get(split)
            if name is not None:
                files[split] = top / name
                continue
            matching = [file for file in entries if match_split(split, _words(file.relative_to(top)))]
            instances = [file for file in matching if "instances" in file.stem] or matching
            if len(instances) > 1:
                names = join_names(str(file.relative_to(top)) for file in instances)
                raise UserError(
                    f"dataset.path={self.path}: {names} may all be the {split} split; "
                    f"choose with dataset.splits.{split}=…."
                )
            if instances:
                files[split] = instances[0]
        if "train" not in files:
            names = join_names(str(file.relative_to(top)) for file in entries) or "none"
            raise UserError(
                f"dataset.path={self.path}: no JSON file has train in its name; name it with dataset.splits.train=…. "
                f"The JSON files are: {names}."
            )
        return files

    def _read(self, top: Path, file: Path) -> Dataset:
        content = _parse(file)
        names = {each["id"]: str(each["name"]) for each in _records(content, "categories", ("id", "name"), file)}
        images = {each["id"]: each["file_name"] for each in _records(content, "images", ("id", "file_name"), file)}
        features: Mapping[str, Any] = PANOPTIC_FEATURES
        if _is_panoptic(content):
            columns = _read_panoptic(content, images, names, file, top)
        else:
            columns, features = _read_things(content, images, names, file)
        folder = self._find_pictures(top, file, images)
        pictures = [os.path.join(folder, name) for name in images.values()]  # noqa: PTH118 (as the file has it)
        return to_rows({"image": pictures} | columns, file, features)

    def _find_pictures(self, top: Path, file: Path, images: Mapping[Any, str]) -> str:
        """Returns the folder of the pictures, relative to the top: the first one that has the first picture."""
        if not images:
            raise UserError(f"{file}: it has no images.")
        first = next(iter(images.values()))
        folders = [top / self.images] if self.images is not None else [file.parent, top, *_folders_below(top)]
        folder = next((folder for folder in folders if (folder / first).is_file()), None)
        if folder is None:
            places = self.images or f"{self.path} and the folders in it"
            raise UserError(f"{file}: {first} is not in {places}; name its folder with dataset.images=….")
        return os.path.relpath(folder, top)


def _read_things(
    content: Mapping[str, Any], images: Mapping[Any, str], names: Mapping[Any, str], file: Path
) -> tuple[dict[str, list[Any]], Mapping[str, Any]]:
    """Returns the boxes and names in each image, and where all have them the shapes as JSON; with their features."""
    things: dict[Any, list[dict[str, Any]]] = defaultdict(list)
    for each in _records(content, "annotations", ("image_id", "category_id", "bbox"), file):
        _require_listed(each, "image_id", images, file)
        _require_listed(each, "category_id", names, file)
        if not each.get("iscrowd"):
            things[each["image_id"]].append(each)
    columns: dict[str, list[Any]] = {
        "boxes": [[each["bbox"] for each in things[image]] for image in images],
        "label": [[names[each["category_id"]] for each in things[image]] for image in images],
    }
    if not all("segmentation" in each for several in things.values() for each in several):
        return columns, BOX_FEATURES
    columns["segments"] = [json.dumps([each["segmentation"] for each in things[image]]) for image in images]
    return columns, BOX_FEATURES | {"segments": Value("string")}


def _is_panoptic(content: Mapping[str, Any]) -> bool:
    annotations = content.get("annotations")
    return isinstance(annotations, list) and bool(annotations) and "segments_info" in annotations[0]


def _read_panoptic(
    content: Mapping[str, Any], images: Mapping[Any, str], names: Mapping[Any, str], file: Path, top: Path
) -> dict[str, list[Any]]:
    """Returns the masks, and the numbers and names of their segments. Every image has one; without crowds, whose pixels
    are unlabelled then."""
    folder = os.path.relpath(file.with_suffix(""), top)
    annotations = {}
    for each in _records(content, "annotations", ("image_id", "file_name", "segments_info"), file):
        _require_listed(each, "image_id", images, file)
        annotations[each["image_id"]] = each
    segments: dict[Any, list[dict[str, Any]]] = {}
    for image in images:
        if image not in annotations:
            raise UserError(f"{file}: the image with the id {image!r} has no annotation.")
        parts = _records(annotations[image], "segments_info", ("id", "category_id"), file)
        for part in parts:
            _require_listed(part, "category_id", names, file)
        segments[image] = [part for part in parts if not part.get("iscrowd")]
    return {
        "mask": [os.path.join(folder, annotations[image]["file_name"]) for image in images],  # noqa: PTH118
        "segments": [[part["id"] for part in segments[image]] for image in images],
        "label": [[names[part["category_id"]] for part in segments[image]] for image in images],
    }


def _require_listed(record: Mapping[str, Any], key: str, listed: Mapping[Any, Any], file: Path) -> None:
    if record[key] not in listed:
        raise UserError(f"{file}: an annotation has the {key} {record[key]!r}, which the file does not list.")


def require_folder(path: str) -> Path:
    """Returns the folder that a user names. Raises UserError where there is none."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        kind = "not a folder." if folder.exists() else f"no such folder.{nearest_path(folder)}"
        raise UserError(f"dataset.path={path}: {kind}")
    return folder


def to_rows(columns: Mapping[str, Any], place: Path, features: Mapping[str, Any] = BOX_FEATURES) -> Dataset:
    """Returns rows of pictures with boxes. Raises UserError where a box or a name is of another type."""
    try:
        return Dataset.from_dict(dict(columns), features=Features(features))
    except Exception as error:  # whatever pyarrow raises, the file is at fault
        raise UserError(f"{place}: a box is not a list of numbers, or a file name is no text ({error}).") from error


def _folders_below(top: Path) -> Iterator[Path]:
    for pattern in ("*/", "*/*/"):
        yield from sorted(folder for folder in top.glob(pattern) if folder.is_dir())


def _words(path: Path) -> list[str]:
    """Returns the words of a file's name, and where these mean no split, those of its folder."""
    own = _WORD.findall(path.stem.lower())
    return own if any(match_split(split, own) for split in SPLITS) else _WORD.findall(path.parent.name.lower())


def _parse(file: Path) -> Mapping[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{file}: {error.strerror or error}.{nearest_path(file)}") from error
    except (ValueError, RecursionError) as error:
        raise UserError(f"{file}: not readable as JSON ({error}).") from error
    if not isinstance(content, dict):
        raise UserError(f"{file}: expected an object with images, annotations and categories, as COCO has it.")
    return content


def _records(content: Mapping[str, Any], part: str, keys: tuple[str, ...], file: Path) -> list[dict[str, Any]]:
    """Returns the objects of a list. Raises UserError unless each has all keys."""
    records = content.get(part)
    if not isinstance(records, list):
        raise UserError(f"{file}: expected a list {part!r}, as COCO has it; the file has {join_names(content)}.")
    for place, record in enumerate(records):
        if not isinstance(record, dict) or not record.keys() >= set(keys):
            raise UserError(f"{file}: {part}[{place}] is not an object with {join_names(keys)}.")
    return records
