"""Layers that torch compiles for training passes.

Layers one by one, not the network: they share their code, so that one is compiled for all of them, and what goes on
around them (packing, an adapter's or a head's ways) stays Python. Sizes are variables of what is
compiled: batches of other widths do not compile it anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel

from hone.core.errors import one_line
from hone.models.layers import LayerMap

log = logging.getLogger(__name__)

_VARIANTS = 32
"""How often one piece of code may be compiled: with and without a mask, for layers of several kinds, in both ways to
look at a batch. Beyond, torch goes on with Python."""


Compilation = Callable[[], AbstractContextManager[None]]
"""While what it returns is open, training passes may be compiled; evaluation never is."""


@contextmanager
def compiled_layers(layers: Sequence[Any]) -> Iterator[None]:
    """Compiles the layers' `forward`. Their hooks and the names of their weights are the same as uncompiled."""
    from torch._dynamo import config

    recomputed = [layer for layer in layers if getattr(layer, "gradient_checkpointing", False)]
    for layer in layers:
        vars(layer)["forward"] = partial(_pass, layer, layer.forward, _compiled(layer))
    try:
        # DDP would cut graphs into its buckets, for which those of a layer are too small.
        with config.patch(recompile_limit=_VARIANTS, optimize_ddp=False):
            yield
    finally:
        for layer in layers:
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


def compilation_for(wanted: bool, network: nn.Module, layer_map: LayerMap, device: torch.device) -> Compilation:
    """Compiled layers where they are wanted, there are any, and this machine can compile."""
    if not wanted:
        return nullcontext
    bare = next(module for module in network.modules() if isinstance(module, PreTrainedModel))
    layers = [layer for stack, _ in layer_map.stacks for layer in bare.get_submodule(stack).children()]
    problem = _problem(device) if layers else "no layers of their own were found in the network"
    if problem:
        log.warning("compile=true: %s; the run goes on uncompiled, which is slower.", problem)
        return nullcontext
    log.info("%d layers are compiled in the first steps", len(layers))
    return partial(compiled_layers, layers)


def _problem(device: torch.device) -> str:
    """Why nothing can be compiled here, if so: a compiler, its headers or Triton may be missing, so it is tried."""
    try:
        torch.compile(_sample, dynamic=True)(torch.ones(2, 3, device=device))
    except Exception as error:  # each backend has errors of its own
        return f"nothing can be compiled on this machine ({one_line(_root(error))})"
    return ""


def _sample(values: torch.Tensor) -> torch.Tensor:
    return values.sin() + 1


def _root(error: BaseException) -> BaseException:
    """What torch's own errors are about."""
    inner = getattr(error, "inner_exception", None) or error.__cause__
    return _root(inner) if inner is not None else error
