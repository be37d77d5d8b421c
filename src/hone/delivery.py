"""Where the loop gets its steps from: made when it asks, or on a GPU one ahead, while that works."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import final

import torch
from lightning_utilities.core.apply_func import apply_to_collection
from torch import Tensor

from hone.data.module import Step


class Delivery(ABC):
    """How steps come to the loop, the same ones in the same order."""

    @abstractmethod
    def serve(self, steps: Iterator[Step]) -> Generator[Step]:
        """The steps, one after the other; to be closed when no more are wanted."""


@final
class Direct(Delivery):
    """Made when asked for: where the loop itself does the computing, a thread would only take turns with it."""

    def serve(self, steps: Iterator[Step]) -> Generator[Step]:
        yield from steps


@final
class Ahead(Delivery):
    """A thread makes the next step meanwhile and puts its tensors where the device can fetch them without waiting.

    Batches draw from generators of their own place, so it does not matter who makes them, or when.
    """

    def __init__(self, pin: Callable[[Tensor], Tensor]) -> None:
        self.pin = pin

    def serve(self, steps: Iterator[Step]) -> Generator[Step]:
        with ThreadPoolExecutor(1, thread_name_prefix="hone-delivery") as thread:
            coming = thread.submit(self._make, steps)
            while (step := coming.result()) is not None:
                coming = thread.submit(self._make, steps)
                yield step

    def _make(self, steps: Iterator[Step]) -> Step | None:
        step = next(steps, None)
        return None if step is None else replace(step, batches=apply_to_collection(step.batches, Tensor, self.pin))


def delivery_for(device: torch.device) -> Delivery:
    """Ahead for a GPU; Fabric copies what is pinned without waiting for it."""
    return Ahead(Tensor.pin_memory) if device.type == "cuda" else Direct()
