"""The user's own files, one per split: csv, tsv, JSON lines, JSON, parquet or plain text; or a saved `DatasetDict`."""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from datasets import Dataset, DatasetDict, Json, load_dataset, load_dataset_builder, load_from_disk
from pyarrow.dataset import ParquetFragmentScanOptions

from hone.core.errors import UserError, did_you_mean, join_names, one_line
from hone.core.paths import nearest_path
from hone.core.value_types import ColumnsByRole, Count, Documents, Labels, OnBadRow, PartialShare, Place, Splits
from hone.data.source import SPLITS, RawStream, Source
from hone.data.sources.broken_lines import (
    SEPARATORS,
    read_with_empty_rows,
    require_clear_texts,
    require_readable_rows,
    require_storable_numbers,
)
from hone.data.sources.file_checks import decode_text, describe_encoding, require_sound
from hone.data.sources.saved_files import require_own_files

_FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet",
    ".txt": "text",
}  # fmt: skip
"""The formats by file ending, as `datasets` calls them."""
_SYNONYMS = {
    "validation": ("validation", "valid", "val", "dev"),
    "train": ("train", "training"),
    "test": ("test", "eval"),
}
"""The names of files that mean a split."""
_SKIP = ", or leave them out with dataset.on_bad_row=skip"
_STREAM_HEAD = 16
"""How many MB of a stream's file are checked when it is opened: more than a reader looks at to find the columns."""


@final
@dataclass(frozen=True)
class Local(Source):
    """`path` is a folder, or one file of training rows. `splits` names files whose names do not say their split."""

    path: Place
    root: Place | None = None
    """The folder of the files that rows name."""
    splits: Splits = field(default_factory=dict)
    columns: ColumnsByRole = field(default_factory=dict)
    labels: Labels = None
    holdout: PartialShare = 0.1
    on_bad_row: OnBadRow = "error"
    streaming: bool = False
    shuffle_buffer: Count = 10_000
    documents: Documents = "lines"
    """What makes one row of a .txt file."""

    @property
    def name(self) -> str:
        return Path(self.path).name

    @property
    def media_folders(self) -> tuple[Path, ...]:
        path = Path(self.path).expanduser()
        if self.root is not None:
            return (Path(self.root).expanduser(),)
        return (path if path.is_dir() else path.parent,)

    def load(self) -> dict[str, Dataset]:
        path = self._existing_path()
        if _is_saved(path):
            return {split: rows for split, rows in self._load_saved(path).items() if self._loads(split)}
        return {split: self._read(file) for split, file in self._find_files(path).items() if self._loads(split)}

    def stream(self) -> RawStream:
        path = self._existing_path()
        if _is_saved(path):
            return RawStream.from_saved(self._load_saved(path)["train"])
        return _open_stream(self._find_files(path)["train"])

    def _read(self, file: Path) -> Dataset:
        kind, options = _reader_of(file)
        if kind == "text":
            return read_text(file, self.documents)
        try:
            require_sound(file, _SKIP)
            with _explain_errors(file, kind, _SKIP):
                rows = load_dataset(kind, data_files=glob.escape(str(file)), split="train", **options)
            mixed = [name for name, feature in rows.features.items() if isinstance(feature, Json)]
            if mixed:  # columns of several types have another parser, which keeps the last of two equal keys
                require_readable_rows(file, _SKIP)
                require_clear_texts(file, [name for name in mixed if name in self.columns.values()])
        except UserError:
            readable = read_with_empty_rows(file) if self.on_bad_row == "skip" else None
            if readable is None:
                raise
            return readable
        _require_separator(rows.column_names, file)
        return rows

    def _loads(self, split: str) -> bool:
        return split != "train" or not self.streaming

    def _existing_path(self) -> Path:
        path = Path(self.path).expanduser()
        if not path.exists():
            raise UserError(f"dataset.path={self.path}: no such file or folder.{nearest_path(path)}")
        return path

    def _load_saved(self, path: Path) -> dict[str, Dataset]:
        require_own_files(path)
        try:
            saved = load_from_disk(str(path))
        except Exception as error:  # whatever datasets and pyarrow raise, the files are at fault
            raise UserError(f"dataset.path={self.path}: this saved data set is incomplete: {error}") from error
        if not isinstance(saved, DatasetDict):
            return {"train": saved}
        chosen = {split: self.splits.get(split) or match_split(split, list(saved)) for split in SPLITS}
        for split, theirs in chosen.items():
            if theirs is not None and theirs not in saved:
                hint = did_you_mean(theirs, saved)
                raise UserError(f"dataset.splits.{split}={theirs}: not in {path}.{hint} It has {join_names(saved)}.")
        return {split: saved[theirs] for split, theirs in chosen.items() if theirs is not None}

    def _find_files(self, path: Path) -> dict[str, Path]:
        if path.is_file():
            return {"train": path} | {split: path.parent / file for split, file in self.splits.items() if file}
        entries = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in _FORMATS)
        by_stem = {entry.stem.lower(): entry for entry in reversed(entries)}  # of two with one stem, the first counts
        files: dict[str, Path] = {}
        for split in SPLITS:
            name = self.splits.get(split)
            stem = match_split(split, list(by_stem))
            if name:
                files[split] = path / name
            elif stem:
                files[split] = by_stem[stem]
        if "train" not in files:
            raise UserError(
                f"dataset.path={self.path}: no train.csv, .tsv, .jsonl, .json, .parquet or .txt in this folder. "
                f"It has {join_names(entry.name for entry in sorted(path.iterdir()))}; "
                "name one with dataset.splits.train=…"
            )
        return files


def read_text(file: Path, documents: Documents) -> Dataset:
    """Returns the documents of a plain text file in a column `text`. Blank documents are left out."""
    text = decode_text(file)
    pieces = {"lines": text.split("\n"), "paragraphs": re.split(r"\n\s*\n", text), "files": [text]}[documents]
    rows = [piece if documents == "files" else piece.strip("\n") for piece in pieces if piece.strip()]
    if not rows:
        raise UserError(f"{file}: it has no rows.")
    return Dataset.from_dict({"text": rows})


def _is_saved(path: Path) -> bool:
    return (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()


def _open_stream(file: Path) -> RawStream:
    kind, options = _reader_of(file)
    if kind == "text":
        raise UserError(
            f"dataset.streaming=true: {file.name} can only be loaded; only tables and .jsonl files can be streamed."
        )
    require_sound(file, chunks=_STREAM_HEAD)
    with _explain_errors(file, kind):
        builder = load_dataset_builder(kind, data_files=glob.escape(str(file)), **options)
        incoming = RawStream.from_builder(builder, "train", file)
    _require_separator(list(incoming.features), file)
    return incoming


def _reader_of(file: Path) -> tuple[str, dict[str, Any]]:
    """Returns the reader's name in `datasets`, and its options."""
    kind = _FORMATS.get(file.suffix.lower())
    if not file.is_file():
        raise UserError(f"{file}: no such file.{nearest_path(file)}")
    if kind is None:
        raise UserError(f"{file}: unknown format {file.suffix!r}; hone reads {join_names(_FORMATS)}.")
    if file.stat().st_size == 0:
        raise UserError(f"{file}: the file is empty.")
    if kind == "parquet":  # by default much of the file is read ahead, with all pictures that it has
        return kind, {"fragment_scan_options": ParquetFragmentScanOptions(pre_buffer=False)}
    return kind, {"sep": "\t"} if file.suffix.lower() == ".tsv" else {}


@contextmanager
def _explain_errors(file: Path, kind: str, remedy: str = "") -> Iterator[None]:
    """Turns the errors of a reader into a UserError that names the file and, where it can, the rows."""
    try:
        yield
    except Exception as error:  # whatever datasets, pandas and pyarrow raise, the file is at fault
        cause = error.__cause__ or error
        if "corresponds to no data" in str(error) or "BatchSize must be greater than 0" in str(error):
            raise UserError(f"{file}: it has no rows.") from error
        require_readable_rows(file, remedy)
        if kind != "parquet" and (place := describe_encoding(file)):
            raise UserError(f"{file}: not readable as {kind} (hone reads UTF-8): {place}") from error
        if isinstance(cause, OverflowError) and file.suffix.lower() in SEPARATORS:
            require_storable_numbers(file)
        raise UserError(f"{file}: not readable as {kind}: {one_line(cause)}") from error


def _require_separator(columns: list[str], file: Path) -> None:
    """Raises UserError for a file in another dialect: it has one column, with separators in its name."""
    separator = next((mark for mark in (";", "\t", "|", ",") if mark in columns[0]), None)
    if separator and len(columns) == 1:
        raise UserError(
            f"{file}: its columns seem to be separated by {separator!r}; hone expects commas in .csv and tabs in .tsv."
        )


def match_split(split: str, names: Collection[str]) -> str | None:
    """Returns the name among `names` that means this split, such as `dev` for validation."""
    return next((name for name in _SYNONYMS[split] if name in names), None)
