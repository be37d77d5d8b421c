"""The contract of a task: all that is particular to one kind of problem, in one plain class.

Rows travel as columns (a dict of equally long lists or arrays) through `encode`, `collate` and `predict`:

    raw rows ─ encode ─→ encoded rows ─ collate ─→ batch ─ loss ─→ training
                                                     └── predict ─→ predictions ─ merge ─→ records ─ metrics ─→ scores

`encode` may return more rows than it got (windows over a long text); `merge` brings them back to one record an example.
"""

from __future__ import annotations

import copy
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self, final

import numpy as np
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.errors import UserError
from hone.core.metric import Columns, Metric


@final
@dataclass(frozen=True)
class Facts:
    """Names, counts and sizes that a task found in the training rows; a task uses the fields it needs."""

    kind: str
    labels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Facts:
        return cls.of(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Facts:
        return cls(saved["kind"], tuple(saved["labels"]), tuple(saved["counts"]), saved["numbers"])


Batch = dict[str, Any]


@final
@dataclass(frozen=True)
class Fault:
    """A row no model can learn from: its place in the split, the role at fault and what is wrong."""

    row: int
    role: str
    problem: str


class Predictive(ABC):
    """The half of a task that a prediction needs."""

    roles: ClassVar[tuple[str, ...]]
    """The columns a data set must map."""
    optional_roles: ClassVar[tuple[str, ...]] = ()
    targets: ClassVar[tuple[str, ...]] = ("label",)
    """The roles among them that a prediction does without."""
    lists: ClassVar[tuple[str, ...]] = ()
    """The roles that hold lists; where a file or a command line has room for text alone, these are lists in JSON."""
    auto_model: ClassVar[str]
    """The transformers class that has this task's head."""
    auto_processor: ClassVar[str] = "AutoTokenizer"

    processor: Any
    facts: Facts

    @abstractmethod
    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        """The rows that must not reach the model; those of a prediction have no targets."""

    @abstractmethod
    def encode(self, rows: Columns) -> Columns:
        """Raw columns to what the model reads, with `length` (the cost of a row) and `id` (its example).

        A `RowError` says of a row that it does not go into the model, which only the processor can tell."""

    @abstractmethod
    def collate(self, rows: Columns, rng: np.random.Generator) -> Batch:
        """Encoded rows to one padded batch; any randomness comes from `rng`, so that a batch can be made again."""

    @abstractmethod
    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        """A prediction for each encoded row, on the CPU; with labels also its `loss` and `targets` (a weight)."""

    @abstractmethod
    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """One record's prediction as plain values by name, for files and programs: labels by name, texts, spans."""

    def without_targets(self, rows: Columns) -> Columns:
        """Raw rows as questions: what a prediction is made from, whatever else is known of them."""
        return {name: values for name, values in rows.items() if name not in self.targets}

    def merge(self, predictions: Columns) -> Columns:
        """Predictions of encoded rows to records of examples; most tasks have one row an example."""
        return predictions


class Task(Predictive):
    """Built from its config with options alone; `equip` then gives it the processor and the facts."""

    independent_rows: ClassVar[bool] = True
    """Whether the loss of a row is the same in any batch; else a batch is never taken apart."""
    pipeline: ClassVar[str]
    """The hub's name for it, on model cards and in `pipeline()`."""

    shown: int = 0
    """How many validation rows `show` gets to see."""

    @abstractmethod
    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        """What the network must know of the training rows; `names` are labels the data set's config gives."""

    @abstractmethod
    def check(self, facts: Facts) -> None:
        """Raises UserError where the options do not fit the data."""

    @abstractmethod
    def model_config(self) -> dict[str, Any]:
        """What the facts ask of the network's config: label names, sizes."""

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """The mean over the batch's targets."""

    @abstractmethod
    def count_targets(self, batch: Batch) -> float:
        """What `loss` averages over, as a weight: examples, labelled tokens, target tokens."""

    @property
    @abstractmethod
    def monitor(self) -> str:
        """The metric that picks the best model unless the user names another."""

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """What to compute from the records, by name; `loss` comes by itself."""

    @abstractmethod
    def describe(self, record: Mapping[str, Any]) -> str:
        """One record's prediction in words, for people."""

    @classmethod
    @abstractmethod
    def sample(cls) -> Columns:
        """A few raw rows made in code, for tests and examples."""

    def question(self) -> dict[str, Any]:
        """A raw row to predict, for examples."""
        asked = [role for role in self.roles if role not in self.targets]
        return {role: values[0] for role, values in self.sample().items() if role in asked}

    def example(self, place: str) -> str:
        """Returns Python for the card that uses the saved model without hone; `place` goes into `from_pretrained`."""
        cls = self.auto_model
        return f"from transformers import {cls}\n\nmodel = {cls}.from_pretrained({place})"

    def add_facts(self, facts: Facts, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        """The facts of these rows and of those before them; by such steps the facts of a stream are found."""
        raise UserError(f"dataset.streaming=true: {type(self).__name__} needs all training rows at once.")

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        """What a model that was trained elsewhere says of its training rows; without labels there is nothing to say."""
        return Facts("unlabelled")

    def configure_processor(self, processor: Any) -> None:
        """Sets what the options say of the processor, which is saved with the model."""
        return

    def configure_generation(self, network: Any) -> None:
        """Sets what the options determine of the network beside its config, which is saved with it: how it writes."""
        return

    def read_config(self, config: PretrainedConfig) -> None:
        """Sets the options that were left to the network's config."""
        return

    def check_network(self, network: Any) -> None:
        """Raises UserError where the network, with its weights, cannot do what it is asked to."""
        return

    def show(self, network: nn.Module, batch: Batch) -> list[str]:
        """What the network makes of a few validation rows, in words: the log gets it after each evaluation."""
        records = self.merge(self.predict(network, batch))
        rows = range(len(records["id"]))
        return [self.describe({name: values[row] for name, values in records.items()}) for row in rows]

    def baseline(self, records: Columns) -> Columns | None:
        """The records of a model that never looks at the input, or None where there is no such thing."""
        return None

    @final
    def bind(self, processor: Any, facts: Facts) -> Self:
        """This task with what it needs to encode, train and predict."""
        self.check(facts)
        self.configure_processor(processor)
        equipped = copy.copy(self)
        equipped.processor, equipped.facts = processor, facts
        return equipped
