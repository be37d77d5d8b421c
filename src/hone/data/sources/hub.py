"""Data sets of the Hugging Face hub, and folders with the layout of one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import datasets
from datasets import Dataset, get_dataset_config_names, get_dataset_split_names, load_dataset, load_dataset_builder
from huggingface_hub.constants import HF_HUB_CACHE

from hone.core.errors import UserError, did_you_mean, join_names, one_line
from hone.core.paths import cache_key, nearest_path
from hone.core.value_types import ColumnsByRole, Count, Labels, OnBadRow, PartialShare, Place, Splits
from hone.data.source import RawStream, Source
from hone.data.sources.file_checks import require_sound
from hone.data.sources.saved_files import require_inside


@final
@dataclass(frozen=True)
class Hub(Source):
    """A data set of the hub. `splits` maps our names to the hub's; a split that is missing or null is not loaded."""

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

    @property
    def media_folders(self) -> tuple[Path, ...]:
        """The folder, or the caches where files of the hub and what they were packed in are kept."""
        folder = Path(self.path).expanduser()
        if folder.is_dir():
            return (folder,)
        return (Path(HF_HUB_CACHE), Path(datasets.config.HF_DATASETS_CACHE))

    def load(self) -> dict[str, Dataset]:
        wanted: dict[str, str] = {ours: theirs for ours, theirs in self.splits.items() if theirs is not None}
        if self.streaming:  # `load_dataset` would fetch the files of all splits, even for one of them
            return {split: self._open(theirs).read_all() for split, theirs in wanted.items() if split != "train"}
        options = {"revision": self.revision, "cache_dir": _cache_folder(self.path)}
        self._find()
        with self._explain_errors():
            loaded = load_dataset(self.path, self.subset, split=list(wanted.values()), **options)
        return dict(zip(wanted, loaded, strict=True))

    def stream(self) -> RawStream:
        theirs = self.splits.get("train")
        if theirs is None:
            raise UserError(f"{self.name}: no training split; name it with dataset.splits.train=….")
        return self._open(theirs)

    def _open(self, split: str) -> RawStream:
        builder = self._find()
        with self._explain_errors():
            return RawStream.from_builder(builder, split)

    def _find(self) -> Any:
        """Returns the builder of the data set, which knows its files, after a check of these."""
        options = {"revision": self.revision, "cache_dir": _cache_folder(self.path)}
        with self._explain_errors():
            builder = load_dataset_builder(self.path, self.subset, **options)
        files = [file for files in (builder.config.data_files or {}).values() for file in files]
        require_inside(files, self.path, "its card (data_files in README.md)")
        for file in map(Path, files):
            if file.is_file():
                require_sound(file)
        return builder

    @contextmanager
    def _explain_errors(self) -> Iterator[None]:
        """Turns the errors of loading into a UserError that says what is wrong with the config."""
        try:
            yield
        except Exception as error:  # whatever datasets and the readers of files raise, the data set is at fault
            raise UserError(self._describe_problem(error)) from error

    def _describe_problem(self, error: Exception) -> str:
        place = f"dataset.path={self.path}"
        path = Path(self.path).expanduser()
        if path.is_file():
            return f"{place}: a file, not a data set of the hub or a folder with the layout of one; use dataset=local."
        if "Dataset scripts are no longer supported" in str(error):
            return f"{place}: scripts are no longer run; try dataset.revision=refs/convert/parquet."
        if isinstance(error, OSError) and not path.is_dir():
            return (
                f"{place}: no such folder, and the hub does not provide it ({type(error).__name__}: {error})."
                f"{nearest_path(path)} Offline, point it at a local folder or use dataset=local."
            )
        return self._describe_choices() or f"{place}: not readable as a data set: {one_line(error.__cause__ or error)}"

    def _describe_choices(self) -> str | None:
        """Returns a message about a subset or a split that does not exist, if that is what is wrong."""
        try:
            subsets = get_dataset_config_names(self.path, revision=self.revision)
            if self.subset is None and len(subsets) > 1:
                return f"dataset.subset: {self.path} has several; choose one of {join_names(subsets)}."
            if self.subset is not None and self.subset not in subsets:
                return self._not_found(f"dataset.subset={self.subset}", self.subset, subsets)
            splits = get_dataset_split_names(self.path, self.subset or subsets[0], revision=self.revision)
        except Exception:  # whatever datasets raises once more, the error of loading says more
            return None
        for ours, theirs in self.splits.items():
            if theirs is not None and theirs.partition("[")[0] not in splits:
                return self._not_found(f"dataset.splits.{ours}={theirs}", theirs, splits)
        return None

    def _not_found(self, override: str, name: str, choices: list[str]) -> str:
        return f"{override}: not in {self.path}.{did_you_mean(name, choices)} It has {join_names(choices)}."


def _cache_folder(path: str) -> str | None:
    """Returns a cache folder for a local data set: by default `datasets` confuses folders that have the same name."""
    folder = Path(path).expanduser()
    if not folder.is_dir():
        return None
    files = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in sorted(folder.resolve().rglob("*"))]
    return str(Path(datasets.config.HF_DATASETS_CACHE, "folders", cache_key(files)))
