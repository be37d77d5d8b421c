"""Where the loop gets its steps from: made when it asks, or on a GPU one ahead, while that works."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from hone.data.module import Step


def prefetched(steps: Iterator[Step], device: torch.device) -> Generator[Step]:
    """The same steps in the same order; to be closed when no more are wanted.

    Where the loop itself does the computing, a thread would only take turns with it. Fabric copies pinned tensors to a
    GPU without waiting for them.
    """
    return ahead(steps, Tensor.pin_memory) if device.type == "cuda" else (step for step in steps)


def ahead(steps: Iterator[Step], pin: Callable[[Tensor], Tensor]) -> Generator[Step]:
    """A thread makes the next step during this one, and puts its tensors where `pin` wants them.

    Batches draw from generators of their own place, so it does not matter who makes them, or when.
    """

    def make() -> Step | None:
        step = next(steps, None)
        return None if step is None else replace(step, batches=apply_to_collection(step.batches, Tensor, pin))

    with ThreadPoolExecutor(1, thread_name_prefix="hone-prefetch") as thread:
        coming = thread.submit(make)
        while (step := coming.result()) is not None:
            coming = thread.submit(make)
            yield step
