"""The head of TAPAS: it selects a column, and cells of that column. Its loss, and its choice, are computed per row.

The network's own loss is the mean of a batch, and padding changes its choice where an answer may be empty. Here padding
never counts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, final

import torch
import torch.nn.functional as F
from torch import Tensor

from hone.tasks.text.shared.tables import Cell

COLUMN, ROW = 1, 2
"""The places of these among the token types. Both are 0 outside the table, and the row is 0 in the header."""
_NEVER = -10_000.0
"""What is added to the logit of a column that cannot be selected."""


@final
@dataclass(frozen=True, eq=False)
class CellScores:
    """The logits of a batch. Column 0 stands for no column, and row 0 for the header."""

    columns: Tensor
    """A row per example, a logit per column."""
    cells: Tensor
    """A logit per row and column of each example."""
    exists: Tensor
    """Whether a table has this cell, as 0 or 1."""
    place: Tensor
    """The cell of each token, counted row by row."""

    @classmethod
    def of(cls, network: Any, states: Tensor, inputs: Mapping[str, Tensor]) -> Self:
        """Return the logits that a network's head gives its last hidden states."""
        config: Any = network.config
        height, width = config.max_num_rows, config.max_num_columns
        types, mask = inputs["token_type_ids"], inputs["attention_mask"].float()
        place = types[..., ROW].clamp(max=height - 1) * width + types[..., COLUMN].clamp(max=width - 1)

        def add(values: Tensor) -> Tensor:
            return values.new_zeros(len(values), height * width).scatter_add(1, place, values * mask)

        counts = add(torch.ones_like(mask))
        states = states.float()
        # Mixed precision returns products in bf16, whose sums over many tokens would be too coarse.
        tokens = (states @ network.output_weights.float()).float() + network.output_bias.float()
        column_tokens = (states @ network.column_output_weights.float()).float() + network.column_output_bias.float()
        cells, of_columns = (
            add(values) / counts.clamp(min=1) for values in (tokens / config.temperature, column_tokens)
        )
        exists = (counts > 0).float().view(-1, height, width)
        size = exists.sum(dim=1)
        columns = of_columns.view_as(exists).sum(dim=1) / size.clamp(min=1)
        never = size == 0
        never[:, 0] = not config.allow_empty_column_selection
        return cls(columns + _NEVER * never.float(), cells.view_as(exists), exists, place)

    def losses(self, answers: Tensor) -> Tensor:
        """Return the loss of each example, given for each token whether it belongs to the answer."""
        width = self.columns.shape[1]
        per_cell = torch.zeros_like(self.cells).flatten(1).scatter_add(1, self.place, answers.float())
        per_cell = per_cell.view_as(self.cells)
        column = per_cell.sum(dim=1).argmax(dim=1)  # the column with most tokens of the answer, or none
        column_losses = F.cross_entropy(self.columns, column, reduction="none")
        chosen = F.one_hot(column, width).float()[:, None]
        logits, exists, labels = (
            (values * chosen).sum(dim=2) for values in (self.cells, self.exists, (per_cell > 0).float())
        )
        cell_losses = F.binary_cross_entropy_with_logits(logits, labels, reduction="none") * exists
        answered = (column > 0).float()
        return column_losses + answered * cell_losses.sum(dim=1) / exists.sum(dim=1).clamp(min=1)

    def choose(self) -> list[list[Cell]]:
        """Return the selected cells of each example: those of the best column that are more likely than not."""
        column = self.columns.argmax(dim=1)
        rows = torch.arange(len(column), device=column.device)
        selected = (self.cells[rows, :, column] > 0) & (self.exists[rows, :, column] > 0)
        selected[:, 0] = False  # neither the header, nor what stands for no column
        return [
            [(row - 1, int(place) - 1) for row in chosen.nonzero()[:, 0].tolist()]
            for place, chosen in zip(column.cpu(), selected.cpu(), strict=True)
        ]
