"""Counts the bytes of tensors that have no place in memory, as if they had one: how much lives, and at most lived."""

from __future__ import annotations

import weakref
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@final
class Ledger(TorchDispatchMode):
    """While this is open, every storage that an operation makes is entered, and struck out when nobody has it any more.

    Those of `known` tensors are somebody else's to count.
    """

    def __init__(self, known: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has left it untyped
        self.live = self.peak = 0
        self.entered: dict[int, Any] = {}
        self.known = {tensor.untyped_storage()._cdata for tensor in known}

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        made = func(*args, **(kwargs or {}))
        for value in tree_leaves(made):
            if isinstance(value, Tensor) and value.is_meta:
                self._enter(value.untyped_storage())
        self.peak = max(self.peak, self.live)
        return made

    def _enter(self, storage: torch.UntypedStorage) -> None:
        name, size = storage._cdata, storage.nbytes()
        if name not in self.entered and name not in self.known:
            self.live += size
            self.entered[name] = weakref.finalize(storage, self._strike, name, size)

    def _strike(self, name: int, size: int) -> None:
        self.live -= size
        del self.entered[name]
