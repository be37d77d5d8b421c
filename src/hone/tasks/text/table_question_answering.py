"""Table question answering: select the cells of a table that answer a question, and what is to be done with them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.columns import read_column
from hone.core.draws import Draws
from hone.core.errors import RowError, UserError, one_line
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, Task
from hone.core.value_types import Count
from hone.tasks.metrics.cells import cell_metrics
from hone.tasks.padding import pad_inputs
from hone.tasks.text.shared.cell_selection import COLUMN, ROW, CellScores
from hone.tasks.text.shared.tables import (
    OPERATIONS,
    TextTable,
    aggregate,
    place_of_none,
    read_cells,
    read_operation,
    table_faults,
)
from hone.tasks.text.shared.texts import require_padded_room, text_faults
from hone.tasks.usage_snippets import table_question_answering_snippet

_TYPES = 7
"""Token types: segment, column, row, previous answer, two ranks, and the relation to the numbers of the question."""
_RANKS = slice(4, 6)
_MOST_RANKS = 256
"""How many ranks the published checkpoints tell apart. The tokenizer also ranks the rows that it leaves out."""
_MOST_ROWS, _MOST_COLUMNS = 63, 31
"""The largest table that the published checkpoints read, without its header."""


@final
@dataclass(eq=False)
class TableQuestionAnswering(Task):
    """The task of TAPAS. Its fields are the options in `conf/task/table_question_answering.yaml`."""

    max_length: Count | None = None
    pad_to_multiple_of: Count | None = None

    roles: ClassVar[tuple[str, ...]] = ("table", "question", "coordinates")
    optional_roles: ClassVar[tuple[str, ...]] = ("aggregation",)
    targets: ClassVar[tuple[str, ...]] = ("coordinates", "aggregation")
    lists: ClassVar[tuple[str, ...]] = ("coordinates",)
    auto_model: ClassVar[str] = "AutoModelForTableQuestionAnswering"
    pipeline: ClassVar[str] = "table-question-answering"
    monitor: ClassVar[str] = "exact_match"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        """Return the operations as labels if the rows have any, and the most frequent answer of one cell."""
        aggregated = "aggregation" in rows.column_names
        answers: Counter[tuple[int, int, int]] = Counter()
        operations = read_column(rows, "aggregation") if aggregated else [None] * len(rows)
        for value, operation in zip(read_column(rows, "coordinates"), operations, strict=True):
            try:
                answers[*min(read_cells(value)), read_operation(operation)] += 1
            except ValueError:
                continue  # reported by `find_faults`
        usual = answers.most_common(1)[0][0] if answers else (0, 0, 0)
        numbers = dict(zip(("row", "column", "operation"), map(float, usual), strict=True))
        return Facts("aggregated" if aggregated else "cells", OPERATIONS if aggregated else (), numbers=numbers)

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from text_faults(rows, "question")
        yield from table_faults(rows)

    def check(self, facts: Facts) -> None:
        return

    def configure_processor(self, processor: Any) -> None:
        if not hasattr(processor, "max_row_id"):
            raise UserError(
                f"task=table_question_answering: {type(processor).__name__} reads no tables; choose a TAPAS, such "
                f"as checkpoint=tapas."
            )
        limit = int(processor.model_max_length)
        if self.max_length is not None and self.max_length > limit:
            raise UserError(f"task.max_length={self.max_length}: the model takes at most {limit} tokens.")
        require_padded_room(processor, self.max_length or limit, self.pad_to_multiple_of)
        processor.padding_side = "right"
        # The tokenizer reads fewer rows and columns than these.
        processor.max_row_id = min(processor.max_row_id, _MOST_ROWS + 1)
        processor.max_column_id = min(processor.max_column_id, _MOST_COLUMNS + 1)

    def model_config(self) -> dict[str, Any]:
        names = dict(enumerate(self.facts.labels))
        return {
            "num_aggregation_labels": len(names),
            "aggregation_labels": names or None,
            "no_aggregation_label_index": place_of_none(self.facts.labels) if names else None,
            "use_answer_as_supervision": False,
        }

    def read_config(self, config: PretrainedConfig) -> None:
        """Limit tables to what the network can tell apart."""
        if not getattr(config, "select_one_column", False):
            raise UserError(
                "checkpoint: transformers cannot predict with a TAPAS that selects cells of several columns. Set "
                "checkpoint.hyperparameters={select_one_column: true}."
            )
        sizes: Any = config.type_vocab_sizes
        if len(sizes) != _TYPES or min(sizes[_RANKS]) < _MOST_RANKS:
            raise UserError(
                f"checkpoint.hyperparameters.type_vocab_sizes: expected {_TYPES} sizes, with {_MOST_RANKS} or more for "
                f"the two ranks, which are the fifth and the sixth."
            )
        self.processor.max_row_id = min(self.processor.max_row_id, config.max_num_rows, sizes[ROW])
        self.processor.max_column_id = min(self.processor.max_column_id, config.max_num_columns, sizes[COLUMN])

    def encode(self, rows: Columns) -> Columns:
        tables = [TextTable.of(value) for value in rows["table"]]
        inputs = [self._tokenise(*row) for row in zip(rows["id"], tables, rows["question"], strict=True)]
        encoded: Columns = {
            "id": rows["id"],
            "length": [len(each["input_ids"]) for each in inputs],
            "input_ids": [each["input_ids"] for each in inputs],
            "types": [_to_types(each["token_type_ids"]) for each in inputs],
            "cells": [json.dumps(table.rows, ensure_ascii=False) for table in tables],
        }
        if "coordinates" not in rows:
            return encoded
        encoded["coordinates"] = [np.array(read_cells(value)).reshape(-1) for value in rows["coordinates"]]
        encoded["operation"] = [read_operation(value) for value in rows.get("aggregation") or [None] * len(tables)]
        return encoded

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        inputs = pad_inputs(rows, self.processor, None, self.pad_to_multiple_of)
        types = np.zeros((*inputs["input_ids"].shape, _TYPES), dtype=np.int64)
        for place, values in enumerate(rows["types"]):
            row_types = np.asarray(values).reshape(-1, _TYPES)
            types[place, : len(row_types)] = row_types
        inputs["token_type_ids"] = torch.from_numpy(types)
        batch: Batch = {"id": rows["id"], "cells": rows["cells"], "inputs": inputs}
        if "coordinates" not in rows:
            return batch
        batch["coordinates"] = [np.asarray(values).reshape(-1, 2) for values in rows["coordinates"]]
        answers = [_mark(*pair) for pair in zip(types, batch["coordinates"], strict=True)]
        operations = torch.from_numpy(np.array(rows["operation"], dtype=np.int64))
        return batch | {"labels": {"answers": torch.from_numpy(np.stack(answers)), "operation": operations}}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        scores, operations = _compute(network, batch)
        weights = _weights(batch)
        return (_losses(network, scores, operations, batch) * weights).sum() / weights.sum().clamp(min=1)

    def count_targets(self, batch: Batch) -> float:
        return float(_weights(batch).sum())

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        scores, operations = _compute(network, batch)
        chosen = scores.choose()
        size = len(chosen)
        records: Columns = {
            "id": batch["id"],
            "prediction": [[list(cell) for cell in cells] for cells in chosen],
            "texts": [_texts(*pair) for pair in zip(batch["cells"], chosen, strict=True)],
            "operation": np.zeros(size, dtype=np.int64) if operations is None else operations.argmax(1).cpu().numpy(),
        }
        if "labels" not in batch:
            return records
        weights = _weights(batch)
        losses = _losses(network, scores, operations, batch) * weights
        return records | {
            "coordinates": [cells.tolist() for cells in batch["coordinates"]],
            "true_operation": batch["labels"]["operation"].cpu().numpy(),
            "loss": losses.cpu().double().numpy(),
            "targets": weights.cpu().double().numpy(),
        }

    def metrics(self) -> Mapping[str, Metric]:
        return cell_metrics(aggregated=bool(self.facts.labels))

    def baseline(self, records: Columns) -> Columns:
        """Return the records of a model that always selects one cell, the most frequent one."""
        row, column, operation = (int(self.facts.numbers[name]) for name in ("row", "column", "operation"))
        size = len(records["id"])
        return records | {"prediction": [[[row, column]]] * size, "operation": np.full(size, operation)}

    def describe(self, record: Mapping[str, Any]) -> str:
        return self.outcome(record)["answer"] or "no cell"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        texts = [str(text) for text in record["texts"]]
        cells = [[int(number) for number in cell] for cell in record["prediction"]]
        outcome = {"answer": ", ".join(texts), "coordinates": cells, "cells": texts}
        if not self.facts.labels:
            return outcome
        name = self.facts.labels[int(record["operation"])]
        if int(record["operation"]) != place_of_none(self.facts.labels):
            outcome["answer"] = f"{name} > {outcome['answer']}"
        return outcome | {"aggregator": name, "value": aggregate(name, texts)}

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        names: Any = getattr(config, "aggregation_labels", None) or {}
        if not getattr(config, "num_aggregation_labels", 0):
            names = {}
        numbers = dict.fromkeys(("row", "column", "operation"), 0.0)
        return Facts("aggregated" if names else "cells", tuple(names[key] for key in sorted(names)), numbers=numbers)

    def example(self, place: str) -> str:
        question = self.question()
        table = TextTable.of(question["table"])
        columns = dict(zip(table.header, map(list, zip(*table.rows, strict=True)), strict=True))
        return table_question_answering_snippet(place, columns, question["question"])

    @classmethod
    def sample(cls) -> Columns:
        goods = ["apple", "pear", "bread", "milk", "cheese", "tea", "salt", "rice"]
        tables = [
            {"good": goods[place:][: 1 + place % 3], "price": [str(3 + place + each) for each in range(1 + place % 3)]}
            for place in range(len(goods) - 2)
        ]
        sums = [[[row, 1] for row in range(len(table["good"]))] for table in tables]
        asked = [place % 3 > 0 for place in range(len(tables))]
        return {
            "table": tables,
            "question": [
                "what is the sum of the prices ?" if whole else f"what is the price of the {table['good'][0]} ?"
                for table, whole in zip(tables, asked, strict=True)
            ],
            "coordinates": [cells if whole else [[0, 1]] for cells, whole in zip(sums, asked, strict=True)],
            "aggregation": ["sum" if whole else "none" for whole in asked],
        }

    def _tokenise(self, row: int, table: TextTable, question: str) -> Any:
        """Return the tokens of a question and its table, of which rows at the end are left out if they do not fit."""
        limit = self.max_length or int(self.processor.model_max_length)
        try:
            return self.processor(
                table=table.frame(), queries=question, truncation="drop_rows_to_fit", max_length=limit
            )
        except ValueError as error:
            raise RowError(row, "table", f"its header and the question do not fit ({one_line(error)})") from error


def _compute(network: nn.Module, batch: Batch) -> tuple[CellScores, Tensor | None]:
    """Return the scores of columns and cells, and the logits of the operations, if there are any."""
    output: Any = network(**batch["inputs"], output_hidden_states=True)
    states = F.dropout(output.hidden_states[-1], _dropout(network), network.training)
    operations = output.logits_aggregation
    return CellScores.of(network, states, batch["inputs"]), None if operations is None else operations.float()


def _dropout(network: Any) -> float:
    return float(network.config.hidden_dropout_prob)


def _losses(network: Any, scores: CellScores, operations: Tensor | None, batch: Batch) -> Tensor:
    """Return the loss of each row."""
    losses: Tensor = scores.losses(batch["labels"]["answers"])
    if operations is None:
        return losses
    weight = float(network.config.aggregation_loss_weight)
    return losses + weight * F.cross_entropy(operations, batch["labels"]["operation"], reduction="none")


def _weights(batch: Batch) -> Tensor:
    """Return 1 for each row with a cell of its answer among the rows of the table that fit, else 0."""
    weights: Tensor = batch["labels"]["answers"].any(dim=1).float()
    return weights


def _to_types(types: Any) -> Any:
    """Return the token types as one flat array, without ranks for which the network has no embedding."""
    table = np.array(types, dtype=np.int64)
    table[:, _RANKS] = table[:, _RANKS].clip(max=_MOST_RANKS - 1)
    return table.reshape(-1)


def _mark(types: Any, cells: Any) -> Any:
    """Return for each token whether it belongs to one of the cells."""
    code = types[:, ROW] * 1_000 + types[:, COLUMN]
    return np.isin(code, (cells[:, 0] + 1) * 1_000 + cells[:, 1] + 1)


def _texts(rows: str, cells: Any) -> list[str]:
    table = json.loads(rows)
    return [table[row][column] for row, column in cells]
