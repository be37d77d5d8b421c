"""The rows that are read, as an embedding of their own, with a gradient and moments of its size.

What decay does to the other rows is made up for, to the bit, whenever the whole table is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, cast, final

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from hone.vocabulary.base import Vocabulary

_IN_CACHE = 65_536
"""Numbers that are decayed together, again and again, without going back to memory."""


@final
class Trimmed(Vocabulary):
    """The `read` rows of an embedding under AdamW; a row that turns up later joins them."""

    def __init__(self, embedding: nn.Embedding, optimizer: Optimizer, read: Tensor) -> None:
        self.embedding, self.optimizer = embedding, optimizer
        self.weight, self.table = embedding.weight, embedding.weight.data
        self.read = read
        if embedding.padding_idx is not None:
            self.read[embedding.padding_idx] = True
        self.places: Tensor | None = None
        self.gradient = torch.empty(0)
        self.touched: list[Tensor] = []
        self.decays: list[float] = []

    @contextmanager
    def active(self) -> Iterator[None]:
        vars(self.embedding)["forward"] = self._look_up
        self._trim()
        try:
            yield
        finally:
            self._restore()
            del self.embedding.forward

    @contextmanager
    def whole(self) -> Iterator[None]:
        if self.places is None:
            yield
            return
        self._restore()
        try:
            yield
        finally:
            self._trim()

    def stepped(self) -> None:
        group = next(group for group in self.optimizer.param_groups if any(p is self.weight for p in group["params"]))
        if group["weight_decay"]:
            self.decays.append(1 - group["lr"] * group["weight_decay"])
        for rows in self.touched:
            self.gradient[rows] = 0.0
        self.touched.clear()

    def gradients(self, weights: Iterable[Tensor]) -> list[Tensor]:
        others = [weight.grad for weight in weights if weight is not self.weight and weight.grad is not None]
        return [*others, self.gradient[torch.cat(self.touched).unique()]] if self.touched else others

    def collect(self, places: Tensor, gradient: Tensor) -> None:
        """Adds the gradient of rows that were looked up to a tensor that stays: making it anew costs a pass a step."""
        rows, back = places.reshape(-1).unique(return_inverse=True)
        summed = torch.ops.aten.embedding_dense_backward(gradient, back.view_as(places), len(rows), -1, False)
        if self.embedding.padding_idx is not None:
            summed[rows == cast(Tensor, self.places)[self.embedding.padding_idx]] = 0.0
        self.gradient[rows] += summed
        self.weight.grad = self.gradient
        self.touched.append(rows)

    def _look_up(self, ids: Tensor) -> Tensor:
        if self.places is None:
            return nn.Embedding.forward(self.embedding, ids)
        places = self.places[ids]
        if bool((places < 0).any()):
            with self.whole():
                self.read[ids.unique()] = True
            places = self.places[ids]
        found: Tensor = _LookUp.apply(self.weight, places, self)  # type: ignore[no-untyped-call]  # torch says no types
        return found

    @torch.no_grad()
    def _trim(self) -> None:
        self.table = self.weight.data
        for moment in self._moments().values():  # a row that has moved once goes on moving
            self.read |= moment.any(dim=1)
        rows = self.read.nonzero().squeeze(1)
        self._replace(self.table[rows], lambda whole: whole[rows])
        self.gradient = torch.zeros_like(self.weight) if self.weight.grad is None else self.weight.grad
        self.touched = [] if self.weight.grad is None else [self.gradient.any(dim=1).nonzero().squeeze(1)]
        self.places = torch.full((len(self.read),), -1).index_copy_(0, rows, torch.arange(len(rows)))

    @torch.no_grad()
    def _restore(self) -> None:
        rows = self.read.nonzero().squeeze(1)
        self._catch_up()
        self._replace(
            self.table.index_copy_(0, rows, self.weight.data),
            lambda part: part.new_zeros(self.table.shape).index_copy_(0, rows, part),
        )
        self.places = None

    def _replace(self, weight: Tensor, convert: Any) -> None:
        """The weight, and all that has its shape."""
        moments = {name: convert(moment) for name, moment in self._moments().items()}
        gradient = None if self.weight.grad is None else convert(self.weight.grad)
        self.weight.grad = None
        self.weight.data, self.weight.grad = weight, gradient
        self.optimizer.state.get(self.weight, {}).update(moments)

    def _moments(self) -> dict[str, Tensor]:
        state: dict[str, Any] = self.optimizer.state.get(self.weight, {})
        return {name: value for name, value in state.items() if isinstance(value, Tensor) and value.ndim == 2}

    def _catch_up(self) -> None:
        """Decays the rows that were left out, a factor a step as the optimiser would have: a power rounds otherwise."""
        if self.decays:
            for rows in (~self.read).nonzero().squeeze(1).split(max(1, _IN_CACHE // self.table.shape[1])):
                part = self.table[rows]
                for factor in self.decays:
                    part.mul_(factor)
                self.table.index_copy_(0, rows, part)
            self.decays.clear()


@final
class _LookUp(torch.autograd.Function):
    """An embedding whose gradient goes where the trimmed rows want it."""

    @staticmethod
    def forward(context: Any, weight: Tensor, places: Tensor, rows: Trimmed) -> Tensor:
        context.places, context.rows = places, rows
        return nn.functional.embedding(places, weight)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[None, None, None]:
        context.rows.collect(context.places, gradients[0])
        return None, None, None
