"""The contract of a data source: where raw rows come from and what their columns mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

from datasets import Dataset

from hone.core.errors import UserError
from hone.core.value_types import Labels, OnBadRow, Split
from hone.data.incoming import Incoming

SPLITS: tuple[Split, ...] = ("train", "validation", "test")


class Source(ABC):
    """A config's `dataset`; a source makes fields of those attributes that its data leave open."""

    columns: Mapping[str, str | list[str] | None] = {}
    """For each role of the task, the column that plays it, where it has another name; several make a list."""
    labels: Labels = None
    """Names for labels that are plain numbers."""
    holdout: float = 0.0
    """The share of the training rows that becomes the validation split when there is none."""
    on_bad_row: OnBadRow = "error"
    """Whether a row that cannot work ends the command or is left out."""

    streaming: bool = False
    """Whether training rows are read as they are needed, never all at once."""
    shuffle_buffer: int = 10_000
    """How many rows of a stream are held to draw the next one from."""

    @property
    @abstractmethod
    def name(self) -> str:
        """How the data set is called in tables and on model cards."""

    @abstractmethod
    def load(self) -> dict[str, Dataset]:
        """The raw rows of each split that there is, under the names in SPLITS; not the training's where `streaming`."""

    def stream(self) -> Incoming:
        """The raw training rows, where `streaming`."""
        raise UserError(f"dataset.streaming: {self.name} can only be loaded.")
