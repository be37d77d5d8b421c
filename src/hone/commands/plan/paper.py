"""The bytes of a training step's tensors, counted by torch's own tracker for a network that has shapes but no values.

The tracker and the fake tensors are private modules of torch (seen in torch 2.13); no other file uses them.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.distributed._tools.mem_tracker import MemTracker
from torch.nn.modules.module import register_module_forward_pre_hook
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.weak import WeakIdKeyDictionary

_PRODUCTS = {torch.ops.aten.mm.default, torch.ops.aten.addmm.default, torch.ops.aten.bmm.default}
Product = tuple[tuple[torch.Size, tuple[int, ...]], ...]
"""The shape and the strides of each factor."""


@final
class Paper:
    """Stands for a device on which tensors have sizes but no values."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.mode = FakeTensorMode(allow_non_fake_inputs=True)

    def copy_network(self, blank: nn.Module, floats: torch.dtype | None) -> Any:
        """Copy a network from the meta device; `floats` is a new type for its weights. Shared weights stay shared."""
        copies: dict[int, Any] = {}
        with self.mode:
            for tensor in (*blank.parameters(), *blank.buffers()):
                dtype = floats if floats is not None and tensor.is_floating_point() else tensor.dtype
                empty = torch.empty(tensor.shape, dtype=dtype, device=self.device)
                is_weight = isinstance(tensor, nn.Parameter)
                copies[id(tensor)] = nn.Parameter(empty, tensor.requires_grad) if is_weight else empty
            network = copy.deepcopy(blank, copies)  # the memo makes deepcopy use the empty tensors
        for module in network.modules():
            _hold_frozen_weights_as_buffers(module)
        return network

    @contextmanager
    def without_values(self) -> Iterator[None]:
        """While this is open, what is computed from tensors without values has no values either."""
        with self.mode, RealValuesMode():
            yield

    @contextmanager
    def count_bytes(self, root: nn.Module, *lasting: Any) -> Iterator[ByteCounter]:
        """Count `root`, the optimisers and tensors in `lasting`, and all tensors made while this is open."""
        tracker = MemTracker()
        tracker.memory_tracking = NoModuleStats()
        tracker.track_external(root, *lasting)

        def begin(module: nn.Module, _: Any) -> None:
            if module is root:
                tracker.reset_mod_stats()  # otherwise the tracker rejects a second pass of the same module

        hook = register_module_forward_pre_hook(begin)
        try:
            with self.mode, RealValuesMode() as mode, tracker, warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Module is None|Expected a tensor")
                yield ByteCounter(tracker, self.device, mode.products)
        finally:
            hook.remove()


@final
class ByteCounter:
    """Reads the tracker's numbers for one device; `products` collects the 16-bit products of matrices."""

    def __init__(self, tracker: MemTracker, device: torch.device, products: set[Product]) -> None:
        self.tracker, self.device, self.products = tracker, device, products

    def peak(self) -> int:
        return self._total("peak")

    def now(self) -> int:
        return self._total("current")

    def _total(self, when: str) -> int:
        snapshot: Mapping[torch.device, Mapping[Any, int]] = self.tracker.get_tracker_snapshot(when)
        return sum(kinds["Total"] for device, kinds in snapshot.items() if device.type == self.device.type)


@final
class RealValuesMode(TorchDispatchMode):
    """Computes with real tensors as usual, so that a batch keeps its values until it meets weights that have none.

    Masks can then be read, and rows can be packed by their lengths. It also notes the 16-bit products of matrices.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch has left it untyped
        self.products: set[Product] = set()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        options = kwargs or {}
        if func in _PRODUCTS and args[-1].dtype.itemsize == 2:
            self.products.add((*((value.shape, value.stride()) for value in args[-2:]),))
        if any(isinstance(value, FakeTensor) for value in tree_leaves((args, options))):
            return func(*args, **options)
        with unset_fake_temporarily():
            return func(*args, **options)


@final
class NoModuleStats(WeakIdKeyDictionary):
    """Hides the modules from the tracker, which would visit each after every operation; only the total is read."""

    def values(self) -> Any:
        return ()


def _hold_frozen_weights_as_buffers(module: nn.Module) -> None:
    """The tracker hooks the gradient of every parameter, which frozen parameters do not allow."""
    for name, weight in list(module.named_parameters(recurse=False, remove_duplicate=False)):
        if not weight.requires_grad:
            delattr(module, name)
            module.register_buffer(name, weight)
