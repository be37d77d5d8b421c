"""Data sets of the Hugging Face hub, or a folder laid out like one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

import datasets
from datasets import Dataset, get_dataset_config_names, get_dataset_split_names, load_dataset, load_dataset_builder
from datasets.exceptions import DatasetsError

from hone.core.errors import UserError, did_you_mean, join_names
from hone.core.paths import cache_key, nearest_path
from hone.core.value_types import ColumnsByRole, Count, Labels, OnBadRow, PartialShare, Place, Splits
from hone.data.source import Incoming, Source


@final
@dataclass(frozen=True)
class Hub(Source):
    """`splits` maps our names to the hub's; a split left out or null is not loaded."""

    path: Place
    subset: str | None = None
    revision: str | None = None
    splits: Splits = field(default_factory=lambda: {"train": "train"})
    columns: ColumnsByRole = field(default_factory=dict)
    labels: Labels = None
    holdout: PartialShare = 0.1
    on_bad_row: OnBadRow = "error"
    streaming: bool = False
    shuffle_buffer: Count = 10_000

    @property
    def name(self) -> str:
        return f"{self.path}/{self.subset}" if self.subset else self.path

    def load(self) -> dict[str, Dataset]:
        wanted: dict[str, str] = {ours: theirs for ours, theirs in self.splits.items() if theirs is not None}
        if self.streaming:  # to load one split `datasets` would fetch the files of all
            return {split: self._open(theirs).whole() for split, theirs in wanted.items() if split != "train"}
        place = {"revision": self.revision, "cache_dir": _store(self.path)}
        with self._explained():
            loaded = load_dataset(self.path, self.subset, split=list(wanted.values()), **place)
        return dict(zip(wanted, loaded, strict=True))

    def stream(self) -> Incoming:
        theirs = self.splits.get("train")
        if theirs is None:
            raise UserError(f"{self.name}: there is no training split; name it with dataset.splits.train=….")
        return self._open(theirs)

    def _open(self, split: str) -> Incoming:
        place = {"revision": self.revision, "cache_dir": _store(self.path)}
        with self._explained():
            return Incoming.built_by(load_dataset_builder(self.path, self.subset, **place), split)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Says what is wrong with the config when loading fails."""
        try:
            yield
        except (DatasetsError, OSError, RuntimeError, ValueError) as error:
            raise UserError(self._problem(error)) from error

    def _problem(self, error: Exception) -> str:
        place = f"dataset.path={self.path}"
        path = Path(self.path).expanduser()
        if path.is_file():
            return f"{place}: a file, not a data set of the hub or a folder laid out like one; say dataset=local."
        if "Dataset scripts are no longer supported" in str(error):
            return f"{place}: it comes as a script, which is no longer run; try dataset.revision=refs/convert/parquet."
        if isinstance(error, OSError) and not path.is_dir():
            return (
                f"{place}: no such folder here, and not to be had from the hub ({type(error).__name__}: {error})."
                f"{nearest_path(path)} Offline, point it at a local folder or use dataset=local."
            )
        return self._choice(error) or f"{place}: {error.__cause__ or error}"

    def _choice(self, error: Exception) -> str | None:
        """The subset or the split that is not there, if that is what is wrong."""
        try:
            subsets = get_dataset_config_names(self.path, revision=self.revision)
            if self.subset is None and len(subsets) > 1:
                return f"dataset.subset: {self.path} has several; choose one of {join_names(subsets)}."
            if self.subset is not None and self.subset not in subsets:
                return _not_in(f"dataset.subset={self.subset}", self.path, self.subset, subsets)
            there = get_dataset_split_names(self.path, self.subset or subsets[0], revision=self.revision)
        except (DatasetsError, OSError, RuntimeError, ValueError):  # the first error says it better
            return None
        for ours, theirs in self.splits.items():
            if theirs is not None and theirs.partition("[")[0] not in there:
                return _not_in(f"dataset.splits.{ours}={theirs}", self.path, theirs, there)
        return None


def _store(path: str) -> str | None:
    """Where `datasets` keeps what it makes of a folder: by itself it takes any two of one name for the same."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        return None
    files = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(folder.resolve().rglob("*"))]
    return str(Path(datasets.config.HF_DATASETS_CACHE, "folders", cache_key(files)))


def _not_in(said: str, path: str, word: str, there: list[str]) -> str:
    return f"{said}: not in {path}.{did_you_mean(word, there)} It has {join_names(there)}."
