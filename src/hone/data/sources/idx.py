"""Pictures in idx files, the format of MNIST and of the data sets that took its place."""

from __future__ import annotations

import gzip
import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import datasets
import numpy as np
import pyarrow as pa
from datasets import Dataset

from hone.core.errors import UserError, join_names
from hone.core.paths import nearest_path
from hone.core.value_types import ColumnsByRole, Labels, OnBadRow, PartialShare, Place
from hone.data.source import Source
from hone.data.sources.own_split import divide_rows

Bytes = np.ndarray[Any, np.dtype[np.uint8]]

_UNSIGNED_BYTE = 8
"""The only type of values that pictures and labels have; the third byte of a file."""
_MARKS = {"train": "train", "valid": "validation", "test": "test", "t10k": "test"}
"""The part of a file's name that says its split."""
_COLOURS = {1: b"P5", 3: b"P6"}
"""The first bytes of a Netpbm file, by its number of values per pixel."""


@final
@dataclass(frozen=True)
class Idx(Source):
    """A folder with pairs of files, such as `train-images-idx3-ubyte.gz` and `train-labels-idx1-ubyte.gz`.

    Where there is one pair alone, its rows are divided into training, validation and test rows."""

    path: Place
    columns: ColumnsByRole = field(default_factory=dict)
    labels: Labels = None
    holdout: PartialShare = 0.1
    test: PartialShare = 0.1
    """The share of the rows that becomes the test split where there is none."""
    on_bad_row: OnBadRow = "error"

    @property
    def name(self) -> str:
        return Path(self.path).name

    def load(self) -> dict[str, Dataset]:
        pairs = self._find_pairs(self._existing_folder())
        splits = {split: _read_pair(*files) for split, files in pairs.items()}
        if list(splits) != ["train"]:
            return splits
        return divide_rows(splits["train"], {"test": self.test, "validation": self.holdout}, "label", self.name)

    def _existing_folder(self) -> Path:
        folder = Path(self.path).expanduser()
        if not folder.is_dir():
            kind = "not a folder" if folder.exists() else f"no such folder.{nearest_path(folder)}"
            raise UserError(f"dataset.path={self.path}: {kind}")
        return folder

    def _find_pairs(self, folder: Path) -> Mapping[str, tuple[Path, Path]]:
        """Returns the files with the pictures and the labels of each split; a pair alone has training rows."""
        names = sorted(file.name for file in folder.iterdir() if file.is_file())
        pictures = [name for name in names if "images" in name and ("idx3" in name or "idx4" in name)]
        pairs: dict[str, tuple[Path, Path]] = {}
        for name in pictures:
            labels = name.replace("images", "labels").replace("idx3", "idx1").replace("idx4", "idx1")
            partner = next(
                (other for other in (labels, labels.removesuffix(".gz"), f"{labels}.gz") if other in names), ""
            )
            if not partner:
                raise UserError(f"dataset.path={self.path}: {name} has no labels; expected {labels} beside it.")
            split = next((split for mark, split in _MARKS.items() if mark in name), "train")
            pairs.setdefault(split, (folder / name, folder / partner))
        if not pairs:
            raise UserError(
                f"dataset.path={self.path}: no idx files, such as train-images-idx3-ubyte.gz and "
                f"train-labels-idx1-ubyte.gz. The folder has {join_names(names)}."
            )
        return pairs if len(pairs) > 1 else {"train": next(iter(pairs.values()))}


def _read_pair(pictures: Path, labels: Path) -> Dataset:
    values, names = _read(pictures), _read(labels)
    if values.ndim not in (3, 4) or names.ndim != 1 or (values.ndim == 4 and values.shape[3] not in _COLOURS):
        raise UserError(
            f"{pictures}: expected pictures, and in {labels.name} their labels, not {values.shape} and {names.shape}."
        )
    if len(values) != len(names):
        raise UserError(f"{pictures}: {len(values)} pictures, but {len(names)} labels in {labels.name}.")
    features = datasets.Features({"image": datasets.Image(decode=False), "label": datasets.Value("int64")})
    stored = pa.StructArray.from_arrays([_as_netpbm(values), pa.nulls(len(values), pa.string())], ["bytes", "path"])
    table = pa.table({"image": stored, "label": names.astype(np.int64)}).cast(features.arrow_schema)
    return Dataset(table, info=datasets.DatasetInfo(features=features))


def _read(file: Path) -> Bytes:
    """Returns the values of an idx file. Raises UserError where it is something else, or not complete."""
    try:
        content = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise UserError(f"{file}: not readable ({error}).") from error
    start = 4 + 4 * content[3] if len(content) > 3 else 4
    if content[:3] != bytes([0, 0, _UNSIGNED_BYTE]) or len(content) < start:
        raise UserError(f"{file}: not an idx file of unsigned bytes.")
    shape = tuple(map(int, np.frombuffer(content[4:start], dtype=">u4")))
    if len(content) - start != math.prod(shape):
        raise UserError(f"{file}: {len(content) - start} values, where its header announces {math.prod(shape)}.")
    return np.frombuffer(content, dtype=np.uint8, offset=start).reshape(shape)


def _as_netpbm(pictures: Bytes) -> pa.Array:
    """Returns each picture as a file of the simplest format there is: decoding it takes a third of what PNG takes."""
    count, height, width = pictures.shape[:3]
    mark = _COLOURS[pictures.shape[3] if pictures.ndim == 4 else 1]
    header = np.frombuffer(b"%s %d %d 255\n" % (mark, width, height), dtype=np.uint8)
    files = np.concatenate([np.tile(header, (count, 1)), pictures.reshape(count, -1)], axis=1)
    offsets = np.arange(count + 1, dtype=np.int64) * files.shape[1]
    return pa.Array.from_buffers(pa.large_binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(files)])
