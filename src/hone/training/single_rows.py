"""Batches of one row, with which some networks cannot be trained."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy as np
import torch
from torch import Tensor

from hone.config.settings import TrainSettings
from hone.core.errors import UserError
from hone.core.task import Task
from hone.data.batching import Batching
from hone.data.encoded_rows import EncodedRows
from hone.data.plan import StepPlan
from hone.models.row_dependence import why_rows_depend


def require_no_single_rows(
    rows: EncodedRows, task: Task, batching: Batching, settings: TrainSettings, blank: Any
) -> None:
    """Raise UserError where a batch of an epoch has one row, whose values BatchNorm cannot normalise.

    A picture has many pixels to average over, unless the network has reduced it to one."""
    if not why_rows_depend(blank) or not _has_single_row(rows, batching, settings):
        return
    inputs = rows.collate(task, np.zeros(1, dtype=np.int64))["inputs"]
    problem = ""
    with torch.no_grad(), suppress(NotImplementedError, RuntimeError):  # not everything can be computed without values
        try:
            blank(**{name: value.to("meta") if isinstance(value, Tensor) else value for name, value in inputs.items()})
        except ValueError as error:
            problem = str(error)
    if "more than 1 value per channel" in problem:
        raise UserError(
            f"batch_size={settings.batch_size}: a batch of an epoch of {len(rows.lengths)} rows has a single row, and "
            f"the network's BatchNorm layers need two. Set another batch_size, such as {settings.batch_size + 1}."
        )


def _has_single_row(rows: EncodedRows, batching: Batching, settings: TrainSettings) -> bool:
    """Return whether the process with the fewest rows ever has a batch of one. Every epoch has batches of equal size,
    unless they are counted in tokens."""
    last = settings.devices - 1
    plan = StepPlan(
        rows.lengths, batching, settings.batch_size, settings.accumulate, settings.seed, last, settings.devices
    )
    return any(len(micro.rows) == 1 for step in plan.epoch(0) for micro in step)
