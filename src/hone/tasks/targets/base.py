"""The contract of a target: from raw labels to a loss, and from logits to a decision."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

from datasets import Dataset
from torch import Tensor

from hone.core.metric import Columns, Metric
from hone.core.task import Facts, Fault
from hone.core.value_types import ClassWeights, PartialShare, Share


@final
@dataclass(frozen=True)
class TargetOptions:
    """Options for the loss and the decision. A target raises UserError for options that do not apply to it."""

    class_weights: ClassWeights = None
    label_smoothing: PartialShare = 0.0
    threshold: Share = 0.5


class Target(ABC):
    """One kind of label; an instance is built from the facts about the training rows."""

    problem_type: ClassVar[str]
    """The name in transformers, whose pipelines choose softmax, sigmoid or neither by it."""
    monitor: ClassVar[str]
    """The metric that selects the best model by default."""

    @abstractmethod
    def __init__(self, facts: Facts, options: TargetOptions) -> None: ...

    @classmethod
    @abstractmethod
    def find_facts(cls, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        """Return the labels that occur in the rows, and how often."""

    @classmethod
    @abstractmethod
    def join(cls, first: Facts, second: Facts, names: tuple[str, ...] | None) -> Facts:
        """Return the facts about two sets of rows taken together."""

    @classmethod
    @abstractmethod
    def find_faults(cls, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        """Yield the rows whose label cannot be learned or scored."""

    @abstractmethod
    def encode(self, labels: Sequence[Any]) -> list[Any]:
        """Turn raw labels into numbers."""

    @abstractmethod
    def tensor(self, encoded: Sequence[Any]) -> Tensor:
        """Turn the encoded labels of a batch into a tensor."""

    @abstractmethod
    def weights(self, labels: Tensor) -> Tensor:
        """Return the weight of each row in the mean loss."""

    @abstractmethod
    def losses(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the weighted loss of each row."""

    @abstractmethod
    def decide(self, logits: Tensor) -> Columns:
        """Return the `prediction` of each row, and its `scores` if there are several classes."""

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """Return the metrics of this target by name."""

    @abstractmethod
    def baseline(self, records: Columns) -> Columns:
        """Return the records of a model that knows only how often each label occurs."""

    @abstractmethod
    def describe(self, record: Mapping[str, Any]) -> str:
        """Return a decision as a short text for people."""

    @abstractmethod
    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return a decision as plain values, with labels by name."""
