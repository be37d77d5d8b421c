"""Your own files: csv, tsv, json lines, json, parquet or plain text, one a split, or a saved `DatasetDict`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from datasets import Dataset, DatasetDict, load_dataset, load_dataset_builder, load_from_disk
from datasets.exceptions import DatasetGenerationError

from hone.core.errors import UserError, did_you_mean, join_names
from hone.core.paths import nearest_path
from hone.core.value_types import ColumnsByRole, Count, Documents, Labels, OnBadRow, PartialShare, Place, Splits
from hone.data.source import SPLITS, Incoming, Source
from hone.data.sources.broken_lines import read_around, require_whole


def read_text(file: Path, documents: Documents) -> Dataset:
    """The documents of a plain text, under the name that tasks over text look for; what is blank is none."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeError as error:
        raise UserError(f"{file}: not readable as text (hone reads UTF-8): {error}") from error
    parts = {"lines": text.split("\n"), "paragraphs": re.split(r"\n\s*\n", text), "files": [text]}[documents]
    rows = [part if documents == "files" else part.strip("\n") for part in parts if part.strip()]
    if not rows:
        raise UserError(f"{file}: it has no rows.")
    return Dataset.from_dict({"text": rows})


_FORMATS = {
    ".csv": "csv", ".tsv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet",
    ".txt": "text",
}  # fmt: skip
_ALSO = {"validation": ("validation", "valid", "val", "dev"), "train": ("train", "training"), "test": ("test", "eval")}


@final
@dataclass(frozen=True)
class Local(Source):
    """`path` is a folder or one file of training rows; `splits` names files where their names do not tell."""

    path: Place
    splits: Splits = field(default_factory=dict)
    columns: ColumnsByRole = field(default_factory=dict)
    labels: Labels = None
    holdout: PartialShare = 0.1
    on_bad_row: OnBadRow = "error"
    streaming: bool = False
    shuffle_buffer: Count = 10_000
    documents: Documents = "lines"
    """What a row of a .txt file is."""

    @property
    def name(self) -> str:
        return Path(self.path).name

    def load(self) -> dict[str, Dataset]:
        path = self._there()
        if _is_saved(path):
            return {split: rows for split, rows in self._saved(path).items() if self._loads(split)}
        return {split: self._read(file) for split, file in self._files(path).items() if self._loads(split)}

    def stream(self) -> Incoming:
        path = self._there()
        if _is_saved(path):
            rows = self._saved(path)["train"]
            return Incoming.of(rows.to_iterable_dataset(), rows._fingerprint)
        return _open(self._files(path)["train"])

    def _read(self, file: Path) -> Dataset:
        kind, options = _format(file)
        if kind == "text":
            return read_text(file, self.documents)
        try:
            with _explained(file, kind, ", or leave them out with dataset.on_bad_row=skip"):
                rows = load_dataset(kind, data_files=str(file), split="train", **options)
        except UserError:
            around = read_around(file) if self.on_bad_row == "skip" else None
            if around is None:
                raise
            return around
        _require_separator(rows.column_names, file)
        return rows

    def _loads(self, split: str) -> bool:
        return split != "train" or not self.streaming

    def _there(self) -> Path:
        path = Path(self.path).expanduser()
        if not path.exists():
            raise UserError(f"dataset.path={self.path}: no such file or folder.{nearest_path(path)}")
        return path

    def _saved(self, path: Path) -> dict[str, Dataset]:
        try:
            saved = load_from_disk(str(path))
        except (OSError, ValueError, KeyError) as error:
            raise UserError(f"dataset.path={self.path}: no whole saved data set: {error}") from error
        if not isinstance(saved, DatasetDict):
            return {"train": saved}
        chosen = {split: self.splits.get(split) or _match(split, list(saved)) for split in SPLITS}
        for split, theirs in chosen.items():
            if theirs is not None and theirs not in saved:
                hint = did_you_mean(theirs, saved)
                raise UserError(f"dataset.splits.{split}={theirs}: not in {path}.{hint} It has {join_names(saved)}.")
        return {split: saved[theirs] for split, theirs in chosen.items() if theirs is not None}

    def _files(self, path: Path) -> dict[str, Path]:
        if path.is_file():
            return {"train": path} | {split: path.parent / file for split, file in self.splits.items() if file}
        there = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in _FORMATS)
        by_stem = {entry.stem.lower(): entry for entry in reversed(there)}
        files: dict[str, Path] = {}
        for split in SPLITS:
            named = self.splits.get(split)
            match = _match(split, list(by_stem))
            if named or match:
                files[split] = path / named if named else by_stem[str(match)]
        if "train" not in files:
            raise UserError(
                f"dataset.path={self.path}: no train.csv, .tsv, .jsonl, .json, .parquet or .txt in this folder. "
                f"It has {join_names(entry.name for entry in sorted(path.iterdir()))}; name one with dataset.splits.train=…"
            )
        return files


def _is_saved(path: Path) -> bool:
    return (path / "dataset_dict.json").is_file() or (path / "state.json").is_file()


def _open(file: Path) -> Incoming:
    kind, options = _format(file)
    if kind == "text":
        raise UserError(f"dataset.streaming=true: {file.name} can only be loaded; streams come from tables and .jsonl.")
    with _explained(file, kind):
        incoming = Incoming.built_by(load_dataset_builder(kind, data_files=str(file), **options), "train", file)
    _require_separator(list(incoming.features), file)
    return incoming


def _format(file: Path) -> tuple[str, dict[str, Any]]:
    """What `datasets` calls it, with options."""
    kind = _FORMATS.get(file.suffix.lower())
    if not file.is_file():
        raise UserError(f"{file}: no such file.{nearest_path(file)}")
    if kind is None:
        raise UserError(f"{file}: unknown format {file.suffix!r}; hone reads {join_names(_FORMATS)}.")
    if file.stat().st_size == 0:
        raise UserError(f"{file}: the file is empty.")
    return kind, {"sep": "\t"} if file.suffix.lower() == ".tsv" else {}


@contextmanager
def _explained(file: Path, kind: str, remedy: str = "") -> Iterator[None]:
    """Says of what a reader raises which file it was, and which rows."""
    try:
        yield
    except (DatasetGenerationError, ValueError) as error:
        if "corresponds to no data" in str(error):
            raise UserError(f"{file}: it has no rows.") from error
        require_whole(file, remedy)
        utf8 = " (hone reads UTF-8)" if isinstance(error.__cause__, UnicodeError) else ""
        raise UserError(f"{file}: not readable as {kind}{utf8}: {error.__cause__ or error}") from error


def _require_separator(columns: list[str], file: Path) -> None:
    """One column with separators in its name is a file in another dialect."""
    other = next((mark for mark in (";", "\t", "|", ",") if mark in columns[0]), None)
    if other and len(columns) == 1:
        raise UserError(f"{file}: its columns seem to be separated by {other!r}; .csv wants commas, .tsv tabs.")


def _match(split: str, names: list[str]) -> str | None:
    """The name that means this split: `dev` is as good as `validation`."""
    return next((name for name in _ALSO[split] if name in names), None)
