"""The features a frozen backbone gives for encoded rows, through the cache."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset

from hone import cache
from hone.data.columns import columns
from hone.data.plan import sorted_batches
from hone.data.rows import fingerprint
from hone.key import key
from hone.tasks.base import Task

_BATCH = 64


def featurise(encoded: Dataset, network: Any, task: Task, device: torch.device) -> Dataset:
    """The encoded rows with `features` in place of what the backbone read."""
    name = key(fingerprint([encoded]), weights_digest(network), repr(network.config), task.processor.padding_side)
    kept = [column for column in ("id", "label") if column in encoded.column_names]

    def make(file: str | None) -> Dataset:
        features = _run(encoded, network, task, device)
        flat = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), features.shape[1])
        rows = encoded.select_columns(kept).add_column("length", np.ones(len(encoded), dtype=np.int64))
        return cache.store(rows.add_column("features", flat), file)

    return cache.remember("features", name, make)


def weights_digest(network: Any) -> str:
    """A digest of the backbone's weights."""
    digest = hashlib.sha256()
    for name, weight in network.backbone.state_dict().items():
        digest.update(name.encode() + weight.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@torch.inference_mode()
def _run(encoded: Dataset, network: Any, task: Task, device: torch.device) -> np.ndarray[Any, Any]:
    rows = encoded.with_format("arrow")
    lengths = np.asarray(rows.select_columns("length")[:]["length"].to_numpy())
    was_training = network.training
    network.eval().to(device)
    features = np.empty((len(encoded), network.backbone.config.hidden_size), dtype=np.float32)
    for places in sorted_batches(lengths, _BATCH):
        batch = task.collate(columns(rows, places), np.random.default_rng(0))
        inputs = {name: value.to(device) for name, value in batch["inputs"].items()}
        features[places] = network.featurise(**inputs).float().cpu().numpy()
    network.train(was_training).to("cpu")
    return features
