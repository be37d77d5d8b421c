"""The contract of a task: everything that is specific to one kind of problem, in one class.

Rows are passed as columns (a dict of equally long lists or arrays) through `encode`, `collate` and `predict`:

    raw rows ─ encode ─→ encoded rows ─ collate ─→ batch ─ loss ─→ training
                                                     └── predict ─→ predictions ─ merge ─→ records ─ metrics ─→ scores

`encode` may return more rows than it got (windows over a long text); `merge` turns them into one record per example.
"""

from __future__ import annotations

import copy
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, final

from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.draws import Draws
from hone.core.errors import UserError, damaged, one_line
from hone.core.files import drafted
from hone.core.metric import Columns, Metric

__all__ = ["Batch", "Columns", "Facts", "Fault", "Predictive", "Task"]


@final
@dataclass(frozen=True)
class Facts:
    """What a task has learned about the training rows before training. A task uses the fields that it needs."""

    kind: str
    """The kind of problem, by a name that the task defines, such as `single_label`."""
    labels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    """The number of training rows of each label."""
    numbers: Mapping[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        """Write facts. Labels are data, so they stay as they are even where one equals a secret."""
        with drafted(path) as draft:
            draft.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Facts:
        """Read facts. Raise UserError if the file is damaged."""
        try:
            return cls.of(json.loads(path.read_text(encoding="utf-8")))
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise damaged(path, one_line(error)) from error

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Facts:
        return cls(saved["kind"], tuple(saved["labels"]), tuple(saved["counts"]), saved["numbers"])


Batch = dict[str, Any]

MediaKind = Literal["image", "audio", "video"]


@final
@dataclass(frozen=True)
class Fault:
    """A row that no model can learn from: its place in the split, the role at fault and the problem."""

    row: int
    role: str
    problem: str


class Predictive(ABC):
    """The part of a task's contract that a prediction needs."""

    roles: ClassVar[tuple[str, ...]]
    """The roles for which a data set must have a column."""
    optional_roles: ClassVar[tuple[str, ...]] = ()
    targets: ClassVar[tuple[str, ...]] = ("label",)
    """The roles that are to be predicted: a prediction needs no column for them."""
    lists: ClassVar[tuple[str, ...]] = ()
    """The roles whose values are lists. In a file or on a command line that only has text, they are written in JSON."""
    media: ClassVar[Mapping[str, MediaKind]] = {}
    """The roles whose values are files, by kind. `encode` and `collate` get them as `MediaFile`s, `find_faults` as
    stored: an encoded row has no content of a file."""
    advice: ClassVar[Mapping[str, str]] = {}
    """What to say where a role has no column, by role, if the name of a column is not all that may be wrong."""
    unit: ClassVar[str] = "tokens"
    """What `length` counts: what the network computes, such as tokens, patches or frames."""
    bulky: ClassVar[Mapping[str, MediaKind]] = {}
    """The columns of an answer that are as large as the input, such as a mask: each becomes a file of its own."""
    auto_model: ClassVar[str]
    """The name of the transformers class with this task's head."""
    auto_processor: ClassVar[str] = "AutoTokenizer"

    processor: Any
    facts: Facts

    @abstractmethod
    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        """Yield the rows that the model must not get. Rows of a prediction have no targets."""

    @abstractmethod
    def encode(self, rows: Columns) -> Columns:
        """Turn raw columns into what the model reads, with `length` (the cost of a row) and `id` (its example).

        Raise `RowError` for a row that does not fit the model, if only the processor can detect it."""

    @abstractmethod
    def collate(self, rows: Columns, draws: Draws) -> Batch:
        """Turn encoded rows into one padded batch. All randomness comes from `draws`, so that a batch can be repeated.

        The rows have their `media` again, as `MediaFile`s."""

    @abstractmethod
    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        """Predict each encoded row. The result is on the CPU; with labels it has `loss` and `targets` (weight) too."""

    def answer(self, network: nn.Module, batch: Batch) -> Columns:
        """Predict each encoded row in full, with what is too large for a record of an evaluation: see `bulky`."""
        return self.predict(network, batch)

    @abstractmethod
    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        """Return one record's prediction as plain values for files and programs: names of labels, texts, spans."""

    def without_targets(self, rows: Columns) -> Columns:
        """Return raw rows without their targets, as a prediction gets them."""
        return {name: values for name, values in rows.items() if name not in self.targets}

    def merge(self, predictions: Columns) -> Columns:
        """Turn predictions of encoded rows into records of examples. Most tasks have one row per example."""
        return predictions


class Task(Predictive):
    """A task. It is built from its config with its options only; `bind` then adds the processor and the facts."""

    pipeline: ClassVar[str]
    """The Hub's name for the task, on model cards and in `pipeline()`."""

    shown: int = 0
    """The number of validation rows that `show` gets."""

    @abstractmethod
    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        """Collect what the network must know about the training rows. `names` are labels from the data set's config."""

    @abstractmethod
    def check(self, facts: Facts) -> None:
        """Raise UserError if the options do not fit the data."""

    @abstractmethod
    def model_config(self) -> dict[str, Any]:
        """Return the entries of the network's config that follow from the facts: label names, sizes."""

    @abstractmethod
    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        """Return the mean loss over the batch's targets."""

    @abstractmethod
    def count_targets(self, batch: Batch) -> float:
        """Return the number of targets that `loss` averages over: examples, labelled tokens, target tokens."""

    @property
    def independent_rows(self) -> bool:
        """Whether the loss of a row is the same in every batch. If not, a batch is never split."""
        return True

    @property
    @abstractmethod
    def monitor(self) -> str:
        """The metric that selects the best model, unless the user names another."""

    @abstractmethod
    def metrics(self) -> Mapping[str, Metric]:
        """Return the metrics to compute from the records, by name. `loss` is added to them."""

    @abstractmethod
    def describe(self, record: Mapping[str, Any]) -> str:
        """Describe one record's prediction in a line of text."""

    @classmethod
    @abstractmethod
    def sample(cls) -> Columns:
        """Return a few raw rows for tests and examples."""

    def question(self) -> dict[str, Any]:
        """Return one raw row to predict, for examples."""
        roles = [role for role in self.roles if role not in self.targets]
        return {role: values[0] for role, values in self.sample().items() if role in roles}

    def example(self, place: str) -> str:
        """Return Python code for the model card, which loads the model from `place` without hone."""
        cls = self.auto_model
        return f"from transformers import {cls}\n\nmodel = {cls}.from_pretrained({place})"

    def add_facts(self, facts: Facts, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        """Return the facts about these rows and all rows before them. The rows of a stream come in such steps."""
        raise UserError(f"dataset.streaming=true: {type(self).__name__} needs all training rows at once.")

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        """Return the facts that the config of a model from elsewhere has, such as its labels."""
        return Facts("unlabelled")

    def configure_processor(self, processor: Any) -> None:
        """Apply the options to the processor, which is saved with the model."""
        return

    def configure_generation(self, network: Any) -> None:
        """Apply the options to the network's generation config, which is saved with it."""
        return

    def read_config(self, config: PretrainedConfig) -> None:
        """Set the options that the user left to the network's config."""
        return

    def check_network(self, network: Any) -> None:
        """Raise UserError if the loaded network cannot do what the options require."""
        return

    def show(self, network: nn.Module, batch: Batch) -> list[str]:
        """Describe the predictions for a few validation rows. They are logged after each evaluation."""
        records = self.merge(self.predict(network, batch))
        rows = range(len(records["id"]))
        return [self.describe({name: values[row] for name, values in records.items()}) for row in rows]

    def baseline(self, records: Columns) -> Columns | None:
        """Return the records of a model that ignores its input, or None if the task has no such model."""
        return None

    @final
    def bind(self, processor: Any, facts: Facts) -> Self:
        """Return this task with what it needs to encode, train and predict."""
        self.check(facts)
        self.configure_processor(processor)
        bound = copy.copy(self)
        bound.processor, bound.facts = processor, facts
        return bound
