"""The contract of a target: from raw labels to a loss, and from logits to a decision."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

from datasets import Dataset
from torch import Tensor

from hone.core.metric import Metric
from hone.core.task import Columns, Facts, Fault
from hone.core.value_types import ClassWeights, PartialShare, Share


@final
@dataclass(frozen=True)
class TargetOptions:
    """How the loss treats the labels; a target refuses what makes no sense for it."""

    class_weights: ClassWeights = None
    label_smoothing: PartialShare = 0.0
    threshold: Share = 0.5


class Target(ABC):
    """Built with the facts of the training rows."""

    problem_type: ClassVar[str]
    """transformers' name, by which its pipelines choose softmax, sigmoid or nothing."""
    monitor: ClassVar[str]

    @abstractmethod
    def __init__(self, facts: Facts, options: TargetOptions) -> None: ...

    @classmethod
    @abstractmethod
    def find_facts(cls, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        """The labels that occur, and how often."""

    @classmethod
    @abstractmethod
    def join(cls, first: Facts, second: Facts, names: tuple[str, ...] | None) -> Facts:
        """The facts of two lots of rows together."""

    @classmethod
    @abstractmethod
    def find_faults(cls, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        """Rows whose label cannot be learned or judged."""

    @abstractmethod
    def encode(self, labels: Sequence[Any]) -> list[Any]:
        """Raw labels to numbers."""

    @abstractmethod
    def tensor(self, encoded: Sequence[Any]) -> Tensor:
        """Encoded labels of a batch."""

    @abstractmethod
    def weights(self, labels: Tensor) -> Tensor:
        """What each row counts in the loss."""

    @abstractmethod
    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The weighted loss of each row."""

    @abstractmethod
    def decide(self, logits: Tensor) -> Columns:
        """`prediction`, and `scores` where there are several classes."""

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]: ...

    @abstractmethod
    def baseline(self, records: Columns) -> Columns:
        """The records of a model that knows how often each label occurs and nothing else."""

    @abstractmethod
    def describe(self, record: Mapping[str, Any]) -> str: ...

    @abstractmethod
    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """A decision as plain values, labels by name."""
