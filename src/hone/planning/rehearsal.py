"""Training passes and evaluations of a network that has no weights, to see how much memory they would take."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from transformers import PreTrainedModel

from hone import seeds
from hone.anatomy import Anatomy
from hone.data.columns import Index, columns
from hone.data.feed import Pool
from hone.draft import Draft
from hone.errors import briefly
from hone.packing.packed import Packed, Packing, Padded
from hone.packing.trial import candidate, require_packed
from hone.parts import Parts
from hone.planning import sizes
from hone.planning.ledger import Ledger
from hone.planning.shadow import Product, Shadow
from hone.tasks.base import Batch, Task
from hone.types import ExactPrecision, Switch

_LOW = {"bf16-mixed": torch.bfloat16, "16-mixed": torch.float16}


@final
@dataclass(frozen=True)
class Taken:
    """Bytes beside the weights and what the optimiser keeps: at most, and of these the gradients of all weights."""

    peak: int
    gradients: int
    products: Mapping[Product, int]


@final
class Rehearsal:
    """Of one job on a kind of device."""

    def __init__(self, parts: Parts, known: Draft, precision: ExactPrecision, device: str) -> None:
        self.precomputes = parts.head.precomputes
        self.task: Task = known.task
        self.anatomy: Anatomy = known.anatomy
        self.device, self.low = device, _LOW.get(precision)
        self.network = copy.deepcopy(known.blank).to(dtype=sizes.kept_as(precision))
        """A copy: others may want the draft's."""

    def packing(self, wanted: Switch, pool: Pool) -> tuple[Packing, str]:
        """As the run would find it, but for the comparison of losses, and why it would be padded."""
        batch = self._batch(pool, np.argsort(pool.lengths)[[0, -1]])
        if wanted is False or self.device != "cpu":
            return Padded(), "batch.pack=false" if wanted is False else "packing is for CPUs so far"
        packing, reason = candidate(self.network, self.anatomy, batch)
        if isinstance(packing, Packed):
            try:
                self._taken(batch, packing, passes=1)
            except Exception as error:  # networks are built in too many ways to foresee
                packing, reason = Padded(), briefly(error)
        require_packed(wanted, reason)
        return packing, reason

    def trains(self, pool: Pool, rows: Index, packing: Packing, again: bool) -> Taken:
        """A forward and backward pass; `again`: there are gradients before it."""
        return self._taken(self._batch(pool, rows), packing, passes=2 if again else 1)

    def reads(self, pool: Pool, rows: Index) -> Taken:
        """A pass without gradients."""
        self.network.eval()
        with torch.no_grad(), self._watched() as (ledger, shadow):
            self.task.loss(self.network, self._batch(pool, rows))
        self.network.train()
        return Taken(ledger.peak, 0, shadow.products)

    def _taken(self, batch: Batch, packing: Packing, passes: int) -> Taken:
        try:
            with packing.active(), self._watched() as (ledger, shadow):
                for _ in range(passes):
                    # not the tensor's own method, during which no function would be watched
                    torch.autograd.backward(self.task.loss(self.network, batch))
            kept = [weight.grad for weight in self.network.parameters() if weight.grad is not None]
            return Taken(ledger.peak, sizes.of_tensors(kept), shadow.products)
        finally:
            self.network.zero_grad(set_to_none=True)

    @contextmanager
    def _watched(self) -> Iterator[tuple[Ledger, Shadow]]:
        known, shadow = [*self.network.parameters(), *self.network.buffers()], Shadow(self.device, self.low)
        with torch.device("meta"), Ledger(known) as ledger, shadow:
            self._have_recomputed(shadow)
            yield ledger, shadow

    def _have_recomputed(self, shadow: Shadow) -> None:
        """What is computed again for the gradients is so in torch's own hands, where no function is watched."""
        for module in self.network.modules():
            if isinstance(module, PreTrainedModel) and module.is_activation_checkpointing:
                told = {"use_reentrant": False, "context_fn": lambda: (nullcontext(), shadow)}
                module.activation_checkpointing_enable(told)

    def _batch(self, pool: Pool, rows: Index) -> Batch:
        batch = self.task.collate(columns(pool.rows, rows), seeds.stream(0, "collate"))
        if self.precomputes:
            width = int(self.network.backbone.config.hidden_size)
            batch["inputs"] = {"features": torch.zeros(len(rows), width, device="meta")}
        return batch
