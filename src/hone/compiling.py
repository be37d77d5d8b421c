"""Layers that torch compiles for training passes; the null twin leaves them as they are.

Layers one by one, not the network: they share their code, so that one is compiled for all of them, and what goes on
around them (packing, idle embedding rows, an adapter's or a head's ways) stays Python. Sizes are variables of what is
compiled: batches of other widths do not compile it anew.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from typing import Any, final

import torch
from torch import nn
from transformers import PreTrainedModel

from hone.anatomy import Anatomy
from hone.errors import briefly

log = logging.getLogger(__name__)

_VARIANTS = 32
"""How often one piece of code may be compiled: with and without a mask, for layers of several kinds, in both ways to
look at a batch. Beyond, torch goes on with Python."""


class Compilation(ABC):
    """What of a network is compiled."""

    @abstractmethod
    def active(self) -> AbstractContextManager[None]:
        """While this is open, training passes may be compiled; evaluation never is."""


@final
class Uncompiled(Compilation):
    """Nothing."""

    @contextmanager
    def active(self) -> Iterator[None]:
        yield


@final
class CompiledLayers(Compilation):
    """The layers' `forward`, hooks and names as they were: weights are called what they are called uncompiled."""

    def __init__(self, layers: Sequence[Any]) -> None:
        self.layers = layers

    @contextmanager
    def active(self) -> Iterator[None]:
        from torch._dynamo import config

        recomputed = [layer for layer in self.layers if getattr(layer, "gradient_checkpointing", False)]
        for layer in self.layers:
            vars(layer)["forward"] = partial(_pass, layer, layer.forward, _compiled(layer))
        try:
            # DDP would cut graphs into its buckets, for which those of a layer are too small.
            with config.patch(recompile_limit=_VARIANTS, optimize_ddp=False):
                yield
        finally:
            for layer in self.layers:
                del layer.forward
            for layer in recomputed:
                layer.gradient_checkpointing = True


def _compiled(layer: Any) -> Callable[..., Any]:
    """What is compiled is recomputed as a whole: the other way round, packed attention could not stay Python."""
    forward: Callable[..., Any] = torch.compile(layer.forward, dynamic=True)
    if not getattr(layer, "gradient_checkpointing", False):
        return forward
    layer.gradient_checkpointing = False
    return partial(_recomputed, layer._gradient_checkpointing_func, forward)


def _recomputed(checkpoint: Any, forward: Callable[..., Any], *inputs: Any, **more: Any) -> Any:
    return checkpoint(partial(forward, **more), *inputs)


def _pass(layer: nn.Module, plain: Callable[..., Any], compiled: Callable[..., Any], *inputs: Any, **more: Any) -> Any:
    return (compiled if layer.training else plain)(*inputs, **more)


def compilation_for(wanted: bool, network: nn.Module, anatomy: Anatomy, device: torch.device) -> Compilation:
    """Compiled layers where they are wanted, there are any, and this machine can compile."""
    if not wanted:
        return Uncompiled()
    bare = next(module for module in network.modules() if isinstance(module, PreTrainedModel))
    layers = [layer for stack, _ in anatomy.stacks for layer in bare.get_submodule(stack).children()]
    problem = _problem(device) if layers else "no layers of their own were found in the network"
    if problem:
        log.warning("compile=true: %s; the run goes on uncompiled, which is slower.", problem)
        return Uncompiled()
    log.info("%d layers are compiled in the first steps", len(layers))
    return CompiledLayers(layers)


def _problem(device: torch.device) -> str:
    """Why nothing can be compiled here, if so: a compiler, its headers or Triton may be missing, so it is tried."""
    try:
        torch.compile(_sample, dynamic=True)(torch.ones(2, 3, device=device))
    except Exception as error:  # each backend has errors of its own
        return f"nothing can be compiled on this machine ({briefly(_root(error))})"
    return ""


def _sample(values: torch.Tensor) -> torch.Tensor:
    return values.sin() + 1


def _root(error: BaseException) -> BaseException:
    """What torch's own errors are about."""
    inner = getattr(error, "inner_exception", None) or error.__cause__
    return _root(inner) if inner is not None else error
