"""The steps of the loop, made when it asks for them or, on a GPU, one ahead."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from hone.data.module import Step


def prefetched(steps: Iterator[Step], device: torch.device) -> Generator[Step]:
    """Yield the same steps in the same order. Close it when no more are wanted.

    On a CPU a thread would only take turns with the loop. On a GPU the tensors are pinned, so that Fabric copies them
    without waiting.
    """
    return ahead(steps, Tensor.pin_memory) if device.type == "cuda" else (step for step in steps)


def ahead(steps: Iterator[Step], pin: Callable[[Tensor], Tensor]) -> Generator[Step]:
    """Make the next step in a thread during this one, and pin its tensors.

    Batches draw from random streams of their own, so it does not matter which thread makes them, or when.
    """

    def make() -> Step | None:
        step = next(steps, None)
        return None if step is None else replace(step, batches=apply_to_collection(step.batches, Tensor, pin))

    with ThreadPoolExecutor(1, thread_name_prefix="hone-prefetch") as thread:
        coming = thread.submit(make)
        while (step := coming.result()) is not None:
            coming = thread.submit(make)
            yield step
