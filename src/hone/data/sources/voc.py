"""Boxes in the XML files of Pascal VOC, one for each picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final
from xml.etree import ElementTree

from datasets import Dataset

from hone.core.errors import UserError, join_names, one_line
from hone.core.paths import nearest_path
from hone.core.value_types import ColumnsByRole, Labels, OnBadRow, PartialShare, Place, Splits
from hone.data.source import SPLITS, Source
from hone.data.sources.coco import require_folder, to_rows
from hone.data.sources.local import match_split

_CORNERS = ("xmin", "ymin", "xmax", "ymax")


@final
@dataclass(frozen=True)
class Voc(Source):
    """A folder with `Annotations/*.xml`, `JPEGImages/` and the splits in `ImageSets/Main/*.txt`.

    Without the last, all are training rows. A box is as wide as `xmax` is beyond `xmin`."""

    path: Place
    splits: Splits = field(default_factory=dict)
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
        for name in ("Annotations", "JPEGImages"):
            if not (top / name).is_dir():
                entries = join_names(sorted(entry.name for entry in top.iterdir()))
                raise UserError(f"dataset.path={self.path}: no folder {name}, as Pascal VOC has it. It has {entries}.")
        return {split: _read(top, names) for split, names in self._find_names(top).items()}

    def _find_names(self, top: Path) -> dict[str, list[str]]:
        """Returns the names of the pictures of each split."""
        folder = top / "ImageSets" / "Main"
        lists = {file.stem: file for file in sorted(folder.glob("*.txt"))} if folder.is_dir() else {}
        names: dict[str, list[str]] = {}
        for split in SPLITS:
            chosen = self.splits.get(split) or match_split(split, lists)
            if chosen is not None and chosen not in lists:
                raise UserError(
                    f"dataset.splits.{split}={chosen}: {folder} has the splits {join_names(lists) or 'none'}."
                )
            if chosen is not None:
                names[split] = [line.split()[0] for line in lists[chosen].read_text().splitlines() if line.strip()]
        if "train" not in names:
            names["train"] = [file.stem for file in sorted((top / "Annotations").glob("*.xml"))]
        return names


def _read(top: Path, names: list[str]) -> Dataset:
    columns: dict[str, list[Any]] = {"image": [], "boxes": [], "label": []}
    for name in names:
        file = top / "Annotations" / f"{name}.xml"
        things = list(_iter_things(file))
        columns["image"].append(f"JPEGImages/{_picture_of(top, name)}")
        columns["boxes"].append([box for box, _ in things])
        columns["label"].append([label for _, label in things])
    return to_rows(columns, top)


def _picture_of(top: Path, name: str) -> str:
    """Returns the picture that has this name with one of the usual endings; a missing one is a bad row."""
    files = (f"{name}{ending}" for ending in (".jpg", ".jpeg", ".png", ".JPG", ".PNG"))
    return next((file for file in files if (top / "JPEGImages" / file).is_file()), f"{name}.jpg")


def _iter_things(file: Path) -> Iterator[tuple[list[float], str]]:
    """Yields the box and the name of each object. Parts of objects, such as heads, are not among them."""
    for thing in _parse(file).iterfind("object"):
        box = thing.find("bndbox")
        try:
            if box is None:
                raise ValueError("an object has no bndbox")
            left, top, right, bottom = (float(box.findtext(side, "")) for side in _CORNERS)
        except ValueError as error:
            raise UserError(f"{file}: expected a bndbox with {join_names(_CORNERS)} ({error}).") from error
        yield [left, top, right - left, bottom - top], thing.findtext("name", "").strip()


def _parse(file: Path) -> ElementTree.Element:
    """Returns the content of a file. One that defines entities is refused: they could fill the memory."""
    try:
        content = file.read_bytes()
        if b"<!ENTITY" in content:
            raise UserError(f"{file}: it defines entities, which Pascal VOC does not have.")
        return ElementTree.fromstring(content)  # noqa: S314 (without entities nothing can be expanded or fetched)
    except OSError as error:
        raise UserError(f"{file}: {error.strerror or error}.{nearest_path(file)}") from error
    except ElementTree.ParseError as error:
        raise UserError(f"{file}: not readable as XML ({one_line(error)}).") from error
