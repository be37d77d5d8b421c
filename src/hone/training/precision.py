"""The numerical precision of a run: what `auto` chooses for a device and a network, and advice on other choices."""

from __future__ import annotations

import logging

import torch
from torch import nn

from hone.core.hardware import device_of
from hone.core.value_types import Accelerator, ExactPrecision, Precision

log = logging.getLogger(__name__)

_FP16_FROM = (7, 0)
"""The compute capability from which GPUs are faster in fp16. Most older ones are far slower."""
_NATIVE_BF16 = ("amx_bf16", "avx512_bf16", "bf16")
"""The names of bf16 instructions on CPUs. Without them bf16 is emulated, and slower than fp32."""
_WIDE = 200
"""The mean width of its matrices from which on a network is expected to train faster in bf16 on a CPU.

Measured on CPUs with bf16 instructions, as the time in fp32 over that in bf16: 0.5 for a ViT and 0.76 for a wav2vec
2.0-BERT, both of width 75, and 1.4 to 1.8 for a MiniLM of width 510. In between nothing was measured, and this bound
is an interpolation on logarithmic scales.
"""


def resolve_precision(
    asked: Precision, accelerator: Accelerator, network: nn.Module | None = None, before: ExactPrecision | None = None
) -> ExactPrecision:
    """Return the precision of a run. A resumed one keeps what `auto` chose `before`.

    The choice follows from the device and the shapes of the network, so that equal runs have equal precisions.
    """
    best = _best(accelerator)
    if asked == "auto":
        return before or (best if network is None else _best_for(network, best, accelerator))
    if asked.startswith("bf16") and not best.startswith("bf16"):
        log.warning("precision=%s: this hardware only emulates bf16, which is slow; %s would be faster.", asked, best)
    return asked


def warn_about_precision(precision: ExactPrecision, rounds_at_random: bool) -> None:
    """Warn if weights are kept in bf16 and the optimiser does not round stochastically, or the other way round."""
    if precision == "bf16-true" and not rounds_at_random:
        log.warning(
            "precision=bf16-true: weights kept in bf16 lose every update below about 1/256 of their size; "
            "optimizer=adamw_bf16 rounds stochastically, so that small updates arrive on average."
        )
    if precision != "bf16-true" and rounds_at_random:
        log.warning(
            "optimizer=adamw_bf16: with precision=%s the weights are not bf16 and nothing is rounded, so this is "
            "a slower optimizer=adamw. It is made for precision=bf16-true.", precision,
        )  # fmt: skip


def mean_width(network: nn.Module) -> float:
    """Return the mean width of a network's matrices, each weighted by the numbers that it reads and writes.

    It says how many products there are for each number that has to be cast: n of them in a square matrix of width n.
    """
    products = numbers = 0
    for module in network.modules():
        weight = None if isinstance(module, nn.Embedding) else getattr(module, "weight", None)
        if isinstance(weight, nn.Parameter) and weight.ndim > 1:
            products += weight.numel()
            numbers += weight.shape[0] + weight.shape[1]
    return 2 * products / max(numbers, 1)


def _best_for(network: nn.Module, best: ExactPrecision, accelerator: Accelerator) -> ExactPrecision:
    """Return the best precision of a device, unless narrow matrices would make it slow."""
    is_slow = best == "bf16-mixed" and device_of(accelerator) == "cpu" and mean_width(network) < _WIDE
    return "32-true" if is_slow else best


def _best(accelerator: Accelerator) -> ExactPrecision:
    if accelerator in ("auto", "cuda") and torch.cuda.is_available():
        return _best_of_gpus()
    if accelerator == "mps" or (accelerator == "auto" and torch.backends.mps.is_available()):
        return "32-true"
    capabilities = torch.cpu.get_capabilities()
    return "bf16-mixed" if any(capabilities.get(name) for name in _NATIVE_BF16) else "32-true"


def _best_of_gpus() -> ExactPrecision:
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16-mixed"
    return "16-mixed" if torch.cuda.get_device_capability() >= _FP16_FROM else "32-true"
