"""Folders of pictures, sounds or videos: a folder for each class, a table of the files, or folders of paired files.

One implementation for all kinds of files; a class per kind has its endings.
"""

from __future__ import annotations

import os
from abc import ABC
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, final

from datasets import Dataset

from hone.core.columns import read_column
from hone.core.errors import UserError, join_names
from hone.core.paths import nearest_path
from hone.core.value_types import ColumnsByRole, Labels, OnBadRow, PartialShare, Place, Splits
from hone.data.media.file import ENDINGS
from hone.data.source import SPLITS, Source
from hone.data.sources.local import Local, match_split
from hone.data.sources.own_split import divide_rows

_TABLES = ("metadata.csv", "metadata.tsv", "metadata.jsonl", "metadata.parquet")
_NAMES = ("file_name", "file", "filename", "path")
"""The columns of a table that may name the files."""


@dataclass(frozen=True)
class MediaFolder(Source, ABC):
    """A folder of files. Its splits are folders in it, or the column `split` of its table.

    Paths are relative to `path`, and stay so until the rows are stored."""

    role: ClassVar[str]
    endings: ClassVar[tuple[str, ...]]

    path: Place
    splits: Splits = field(default_factory=dict)
    folders: Mapping[str, str] | None = None
    """The folder of each column, where files of the same name in several folders make a row."""
    columns: ColumnsByRole = field(default_factory=dict)
    labels: Labels = None
    holdout: PartialShare = 0.1
    test: PartialShare = 0.0
    """The share of the rows that becomes the test split where there is none."""
    on_bad_row: OnBadRow = "error"

    @property
    def name(self) -> str:
        return Path(self.path).absolute().name

    @property
    def media_folders(self) -> tuple[Path, ...]:
        return (Path(self.path).expanduser(),)

    def load(self) -> dict[str, Dataset]:
        top = self.media_folders[0]
        if not top.is_dir():
            kind = "not a folder." if top.exists() else f"no such folder.{nearest_path(top)}"
            raise UserError(f"dataset.path={self.path}: {kind}")
        splits = self._load_table(top) or self._load_folders(top)
        if self.test == 0 or set(splits) != {"train"}:
            return splits
        shares = {"test": self.test, "validation": self.holdout}
        return divide_rows(splits["train"], shares, self._column("label"), self.name)

    def _load_table(self, top: Path) -> dict[str, Dataset]:
        """Returns the rows of the table at the top by split, or nothing where there is none."""
        rows = self._read_table(top)
        if rows is None:
            return {}
        if "split" not in rows.column_names:
            return {"train": rows}
        values = [str(value).lower() for value in read_column(rows, "split")]
        names = {split: self.splits.get(split) or match_split(split, set(values)) for split in SPLITS}
        return {
            split: rows.select([row for row, value in enumerate(values) if value == name])
            for split, name in names.items()
            if name is not None
        }

    def _load_folders(self, top: Path) -> dict[str, Dataset]:
        """Returns the rows of each split's folder; without these, all are training rows."""
        entries = {entry.name: entry for entry in sorted(top.iterdir()) if entry.is_dir()}
        by_name = {name.lower(): entry for name, entry in entries.items()}
        parts: dict[str, Path] = {}
        for split in SPLITS:
            name = self.splits.get(split)
            if name is not None and name not in entries:
                raise UserError(
                    f"dataset.splits.{split}={name}: no such folder in {top}, which has {join_names(entries)}."
                )
            matched = match_split(split, set(by_name))
            if name is not None or matched is not None:
                parts[split] = entries[name] if name is not None else by_name[matched or ""]
        if "train" not in parts:
            parts = {"train": top}
        return {split: self._read_folder(part) for split, part in parts.items()}

    def _read_folder(self, folder: Path) -> Dataset:
        rows = self._read_table(folder)
        if rows is not None:
            return rows
        if self.folders:
            return self._pair_files(folder, self.folders)
        files = list(self._find_files(folder))
        if not files:
            raise UserError(
                f"dataset.path={self.path}: {folder} has no files that end in {', '.join(self.endings)}, and no "
                f"{_TABLES[0]} that names some. It has {join_names(sorted(entry.name for entry in folder.iterdir()))}."
            )
        columns = {self._column(self.role): [self._relative(file) for file in files]}
        if all(file.parent != folder for file in files):
            columns[self._column("label")] = [file.relative_to(folder).parts[0] for file in files]
        return Dataset.from_dict(columns)

    def _read_table(self, folder: Path) -> Dataset | None:
        """Returns the rows of a folder's table, whose paths begin at the table."""
        table = next((folder / name for name in _TABLES if (folder / name).is_file()), None)
        if table is None:
            return None
        rows = Local(str(table), columns=self.columns, on_bad_row=self.on_bad_row).load()["train"]
        named = {name: name.removesuffix("_file_name") for name in rows.column_names if name.endswith("_file_name")}
        wanted = self._column(self.role)
        if wanted not in {*rows.column_names, *named.values()}:
            column = next((name for name in _NAMES if name in rows.column_names), None)
            if column is None:
                raise UserError(
                    f"{table}: no column {join_names(_NAMES)} names the files. The columns are "
                    f"{join_names(rows.column_names)}; name the right one with dataset.columns.{self.role}=…"
                )
            named[column] = wanted
        rows = rows.rename_columns(named)
        start = self._relative(folder)
        for column in {*named.values(), wanted} if start != "." else ():
            paths = [value and os.path.join(start, value) for value in read_column(rows, column)]  # noqa: PTH118
            rows = rows.remove_columns(column).add_column(column, paths)
        return rows

    def _pair_files(self, folder: Path, folders: Mapping[str, str]) -> Dataset:
        """Returns rows of files that have one name in several folders, whatever their endings."""
        files: dict[str, dict[str, Path]] = {}
        for column, name in folders.items():
            if not (folder / name).is_dir():
                raise UserError(
                    f"dataset.folders.{column}={name}: no such folder in {folder}.{nearest_path(folder / name)}"
                )
            files[column] = {
                str(file.relative_to(folder / name).with_suffix("")): file for file in self._find_files(folder / name)
            }
        names = sorted(set().union(*files.values()))
        for column, by_name in files.items():
            missing = [name for name in names if name not in by_name]
            if missing:
                raise UserError(f"{folder / folders[column]}: no file for {join_names(missing, 5)}.")
        return Dataset.from_dict(
            {column: [self._relative(by_name[name]) for name in names] for column, by_name in files.items()}
        )

    def _find_files(self, folder: Path, above: Collection[str] = ()) -> Iterator[Path]:
        """Yields the files below that have a known ending, without those that are hidden."""
        real = os.path.realpath(folder)
        if real in above:  # a link to a folder in which it lies
            return
        for entry in sorted(folder.iterdir()):
            if entry.name.startswith("."):
                continue
            if entry.suffix.lower() in self.endings:
                yield entry
            elif entry.is_dir():
                yield from self._find_files(entry, {*above, real})

    def _relative(self, file: Path) -> str:
        return str(file.relative_to(self.media_folders[0]))

    def _column(self, role: str) -> str:
        column = self.columns.get(role)
        return column if isinstance(column, str) else role


@final
@dataclass(frozen=True)
class ImageFolder(MediaFolder):
    """A folder of pictures."""

    role: ClassVar[str] = "image"
    endings: ClassVar[tuple[str, ...]] = ENDINGS["image"]


@final
@dataclass(frozen=True)
class AudioFolder(MediaFolder):
    """A folder of sounds."""

    role: ClassVar[str] = "audio"
    endings: ClassVar[tuple[str, ...]] = ENDINGS["audio"]


@final
@dataclass(frozen=True)
class VideoFolder(MediaFolder):
    """A folder of videos."""

    role: ClassVar[str] = "video"
    endings: ClassVar[tuple[str, ...]] = ENDINGS["video"]
