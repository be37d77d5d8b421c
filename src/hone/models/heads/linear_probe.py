"""A linear layer on the features of a frozen backbone, which are computed once for every row.

Nothing is augmented: each epoch reads the same features, of the rows as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pyarrow as pa
import torch
from datasets import Dataset
from transformers import PretrainedConfig, PreTrainedModel

from hone.core import cache
from hone.core.errors import UserError
from hone.core.paths import cache_key
from hone.core.task import Task
from hone.core.value_types import FixedPooling, PartialShare
from hone.data.encoded import processor_digest
from hone.data.encoded_rows import EncodedRows
from hone.data.plan import sorted_batches
from hone.data.rows import fingerprint
from hone.models.adapters import Adapter, NoAdapter
from hone.models.checkpoint import Checkpoint
from hone.models.head import Head
from hone.models.heads.pooled import attach_pooled, check_pooling
from hone.models.sentence_transformers import pooling_hint

_BATCH = 64
"""How many rows the backbone reads at a time."""


@final
@dataclass(frozen=True)
class LinearProbe(Head):
    """Only the linear layer is trained. `attention` pooling is no choice, because it has weights to be trained."""

    pooling: FixedPooling
    dropout: PartialShare = 0.0

    precomputes: ClassVar[bool] = True

    def check(self, config: PretrainedConfig, task: Task, adapter: Adapter) -> None:
        check_pooling(config, task, self.pooling)
        if not isinstance(adapter, NoAdapter):
            raise UserError("head=linear_probe freezes the backbone: there is nothing for an adapter to adapt.")

    def hint(self, config: PretrainedConfig, task: Task) -> str:
        return pooling_hint("head.pooling", self.pooling, config)

    def attach(self, checkpoint: Checkpoint, config: PretrainedConfig, task: Task) -> PreTrainedModel:
        network = attach_pooled(checkpoint, config, task, pooling=self.pooling, dropout=self.dropout)
        network.base_model.requires_grad_(False)
        return network

    def precompute(
        self, encoded: Mapping[str, EncodedRows], network: PreTrainedModel, task: Task, device: torch.device
    ) -> Mapping[str, EncodedRows]:
        return {split: _with_features(rows, network, task, device) for split, rows in encoded.items()}


def _with_features(encoded: EncodedRows, network: Any, task: Task, device: torch.device) -> EncodedRows:
    """Returns the encoded rows with `features`, from the cache or computed, in place of the backbone's inputs."""
    name = cache_key(
        fingerprint([encoded.rows, *([] if encoded.media is None else [encoded.media.rows])]),
        _weights_digest(network),
        repr(network.config),
        processor_digest(task.processor),
        getattr(task.processor, "padding_side", None),
    )
    columns_kept = [column for column in ("id", "label") if column in encoded.rows.column_names]

    def make(file: str | None) -> Dataset:
        features = _compute_features(encoded, network, task, device)
        flat = pa.FixedSizeListArray.from_arrays(pa.array(features.reshape(-1)), features.shape[1])
        rows = encoded.rows.with_format(None).select_columns(columns_kept)
        rows = rows.add_column("length", np.ones(len(rows), dtype=np.int64))
        return cache.store_rows(rows.add_column("features", flat), file)

    return EncodedRows.of(cache.load_or_make("features", name, make), None, task)


def _weights_digest(network: Any) -> str:
    """Returns a digest of the backbone's weights."""
    digest = hashlib.sha256()
    for name, weight in network.backbone.state_dict().items():
        digest.update(name.encode() + weight.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


@torch.inference_mode()
def _compute_features(encoded: EncodedRows, network: Any, task: Task, device: torch.device) -> np.ndarray[Any, Any]:
    was_training = network.training
    network.eval().to(device)
    features = np.empty((len(encoded.lengths), network.config.width), dtype=np.float32)
    for places in sorted_batches(encoded.lengths, _BATCH):
        batch = encoded.collate(task, places)
        inputs = {name: value.to(device) for name, value in batch["inputs"].items()}
        features[places] = network.featurise(**inputs).float().cpu().numpy()
    network.train(was_training).to("cpu")
    return features
