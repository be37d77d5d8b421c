"""The scores of beginnings and ends of answers in windows: from the network, as a loss, and merged over windows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hone.core.metric import Columns
from hone.core.task import Batch
from hone.tasks.text.shared.answers import merge_spans


def span_logits(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
    """Return the logits of beginnings and ends, -inf outside the context.

    Otherwise the loss of a row would depend on its padding, and so on the other rows of its batch. A network that
    reads a picture as well has logits for its parts, which follow those of the tokens and are left out.
    """
    output: Any = network(**batch["inputs"])
    outside = ~batch["allowed"]
    begin, end = (logits.float()[:, : outside.shape[1]] for logits in (output.start_logits, output.end_logits))
    return begin.masked_fill(outside, -torch.inf), end.masked_fill(outside, -torch.inf)


def span_losses(begin: Tensor, end: Tensor, labels: Mapping[str, Tensor]) -> Tensor:
    """Return the loss of each window."""
    begin_losses = F.cross_entropy(begin, labels["begin"], reduction="none")
    return (begin_losses + F.cross_entropy(end, labels["end"], reduction="none")) / 2


def merge_windows(predictions: Columns, n_best: int) -> Columns:
    """Return the best spans of each example, and the sums of what its windows count."""
    windows: dict[int, list[int]] = {}
    for window, identity in enumerate(predictions["id"]):
        windows.setdefault(int(identity), []).append(window)
    groups = list(windows.values())
    nbest = [merge_spans((predictions["nbest"][window] for window in group), n_best) for group in groups]
    # A question has no answer only if it has none in any window, so the lowest score counts.
    nulls = np.array([min(predictions["null"][window] for window in group) for group in groups])
    records: Columns = {"id": np.array(list(windows)), "nbest": nbest, "null": nulls}
    if "answers" in predictions:
        records["answers"] = [predictions["answers"][group[0]] for group in groups]
        for name in ("loss", "targets"):
            records[name] = np.array([np.sum(predictions[name][group]) for group in groups])
    return records
