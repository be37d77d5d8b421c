"""Optimisers that make a run fail at its third step, each in its own way."""

import ctypes
import os
import signal
import sys
import time
from abc import abstractmethod
from typing import Any

import torch

FAILING_STEP = 3


class Mishap(torch.optim.AdamW):
    """Works like AdamW until its third step."""

    steps = 0

    def step(self, closure: Any = None) -> Any:
        self.steps += 1
        if self.steps == FAILING_STEP:
            self.fail()
        return super().step(closure)

    @abstractmethod
    def fail(self) -> None: ...


class Fine(Mishap):
    def fail(self) -> None: ...


class Raises(Mishap):
    def fail(self) -> None:
        raise RuntimeError("it raised")


class Exits(Mishap):
    def fail(self) -> None:
        sys.exit(3)


class Preempted(Mishap):
    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


class Killed(Mishap):
    def fail(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Crashes(Mishap):
    def fail(self) -> None:
        ctypes.string_at(0)


class Diverges(Mishap):
    def fail(self) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                torch.nn.init.constant_(weight, float("nan"))


class Hangs(Mishap):
    def fail(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
