"""Compiles layers with torch for training passes.

Layers are compiled one by one, not the network as a whole: they share their code, so that one compilation serves all
of them, and the code around them (packing, adapters, heads) stays Python. Sizes are variables of the compiled code, so
that batches of other widths do not compile it again.
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
"""How often one piece of code may be compiled: with and without a mask, for several kinds of layers, packed and padded.
After that, torch runs it uncompiled."""

Compilation = Callable[[], AbstractContextManager[None]]
"""Opens a context in which training passes may be compiled; evaluation never is."""


def compilation_for(wanted: bool, network: nn.Module, layer_map: LayerMap, device: torch.device) -> Compilation:
    """Returns a context that compiles the layers, or one that does nothing where they cannot be or should not be."""
    if not wanted:
        return nullcontext
    bare = next(module for module in network.modules() if isinstance(module, PreTrainedModel))
    layers = [layer for stack, _ in layer_map.stacks for layer in bare.get_submodule(stack).children()]
    problem = _try_compiling(device) if layers else "no layers were recognised in the network"
    if problem:
        log.warning("compile=true: %s; the run continues uncompiled, which is slower.", problem)
        return nullcontext
    log.info("%d layers are compiled in the first steps", len(layers))
    return partial(compiled_layers, layers)


@contextmanager
def compiled_layers(layers: Sequence[Any]) -> Iterator[None]:
    """Compiles the layers' `forward`. Their hooks and the names of their weights stay the same."""
    from torch._dynamo import config

    checkpointed = [layer for layer in layers if getattr(layer, "gradient_checkpointing", False)]
    for layer in layers:
        vars(layer)["forward"] = partial(_forward, layer, layer.forward, _compile(layer))
    try:
        # DDP would split graphs at its buckets, but a layer's graph is smaller than a bucket.
        with config.patch(recompile_limit=_VARIANTS, optimize_ddp=False):
            yield
    finally:
        for layer in layers:
            del layer.forward
        for layer in checkpointed:
            layer.gradient_checkpointing = True


def _forward(
    layer: nn.Module, plain: Callable[..., Any], compiled: Callable[..., Any], *inputs: Any, **options: Any
) -> Any:
    return (compiled if layer.training else plain)(*inputs, **options)


def _compile(layer: Any) -> Callable[..., Any]:
    """Returns a layer's compiled `forward`, wrapped in gradient checkpointing where the layer uses it.

    The compiled code is inside the checkpoint: the other way round, packed attention could not stay Python.
    """
    forward: Callable[..., Any] = torch.compile(layer.forward, dynamic=True)
    if not getattr(layer, "gradient_checkpointing", False):
        return forward
    layer.gradient_checkpointing = False
    return partial(_checkpoint, layer._gradient_checkpointing_func, forward)


def _checkpoint(checkpoint: Any, forward: Callable[..., Any], *inputs: Any, **options: Any) -> Any:
    return checkpoint(partial(forward, **options), *inputs)


def _try_compiling(device: torch.device) -> str:
    """Compiles a small function, because a compiler, its headers or Triton may be missing; returns the problem."""
    try:
        torch.compile(_sample, dynamic=True)(torch.ones(2, 3, device=device))
    except Exception as error:  # each backend has errors of its own
        return f"nothing can be compiled on this machine ({one_line(_root_cause(error))})"
    return ""


def _sample(values: torch.Tensor) -> torch.Tensor:
    return values.sin() + 1


def _root_cause(error: BaseException) -> BaseException:
    """Returns the error that torch's own errors wrap."""
    inner = getattr(error, "inner_exception", None) or error.__cause__
    return _root_cause(inner) if inner is not None else error
