"""Optimisers with which a run comes to a bad end at its third step, each in its own way."""

import ctypes
import os
import signal
import sys
import time
from abc import abstractmethod
from typing import Any

import torch

AT = 3


class Mishap(torch.optim.AdamW):
    """Works, until it does not."""

    steps = 0

    def step(self, closure: Any = None) -> Any:
        self.steps += 1
        if self.steps == AT:
            self.happen()
        return super().step(closure)

    @abstractmethod
    def happen(self) -> None: ...


class Fine(Mishap):
    def happen(self) -> None: ...


class Raises(Mishap):
    def happen(self) -> None:
        raise RuntimeError("it raised")


class Exits(Mishap):
    def happen(self) -> None:
        sys.exit(3)


class Preempted(Mishap):
    def happen(self) -> None:
        os.kill(os.getpid(), signal.SIGTERM)


class Killed(Mishap):
    def happen(self) -> None:
        os.kill(os.getpid(), signal.SIGKILL)


class Crashes(Mishap):
    def happen(self) -> None:
        ctypes.string_at(0)


class Diverges(Mishap):
    def happen(self) -> None:
        for group in self.param_groups:
            for weight in group["params"]:
                torch.nn.init.constant_(weight, float("nan"))


class Hangs(Mishap):
    def happen(self) -> None:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1000)
