"""Which numbers a run computes with; `auto`: bf16 where the hardware is made for it, fp16 on older GPUs, or fp32."""

from __future__ import annotations

import logging

import torch

from hone.core.value_types import Accelerator, ExactPrecision, Precision

log = logging.getLogger(__name__)

_FP16_FROM = (7, 0)
"""The compute capability from which GPUs are faster in fp16; most before it are far slower."""
_TF32_FROM = (8, 0)
"""That from which they multiply fp32 matrices with mantissas of ten bits, many times faster."""
_MADE_FOR_BF16 = ("amx_bf16", "avx512_bf16", "bf16")
"""What CPUs call it; without any of these bf16 is emulated, and slower than fp32."""


def settle(asked: Precision, accelerator: Accelerator, before: ExactPrecision | None = None) -> ExactPrecision:
    """The precision of a run; one that goes on keeps what was found for it `before`."""
    best = _best(accelerator)
    if asked == "auto":
        return before or best
    if asked.startswith("bf16") and not best.startswith("bf16"):
        log.warning("precision=%s: this hardware only emulates bf16, which is slow; %s would be faster.", asked, best)
    return asked


def advise(precision: ExactPrecision, rounds_at_random: bool) -> None:
    """Says so where the weights are bf16 and the optimiser is not made for that, or the other way round."""
    if precision == "bf16-true" and not rounds_at_random:
        log.warning(
            "precision=bf16-true: weights kept in bf16 lose every update below about 1/256 of them; "
            "optimizer=adamw_bf16 rounds at random, so that small updates arrive on average."
        )
    if precision != "bf16-true" and rounds_at_random:
        log.warning(
            "optimizer=adamw_bf16: with precision=%s weights are no bf16 and there is nothing to round, so this is "
            "a slower optimizer=adamw; precision=bf16-true is what it is for.", precision,
        )  # fmt: skip


def settle_products(device: torch.device, precision: ExactPrecision) -> None:
    """Products of fp32 matrices, which mixed precision has too, in TF32 where the GPU can; said anew for each run."""
    able = device.type == "cuda" and torch.cuda.get_device_capability(device) >= _TF32_FROM
    serves = able and (precision == "32-true" or precision.endswith("-mixed"))
    torch.set_float32_matmul_precision("high" if serves else "highest")
    if serves:
        log.info("products of fp32 matrices are computed in TF32")


def _best(accelerator: Accelerator) -> ExactPrecision:
    if accelerator in ("auto", "cuda") and torch.cuda.is_available():
        return _best_of_gpus()
    if accelerator == "mps" or (accelerator == "auto" and torch.backends.mps.is_available()):
        return "32-true"
    able = torch.cpu.get_capabilities()
    return "bf16-mixed" if any(able.get(name) for name in _MADE_FOR_BF16) else "32-true"


def _best_of_gpus() -> ExactPrecision:
    if torch.cuda.is_bf16_supported(including_emulation=False):
        return "bf16-mixed"
    return "16-mixed" if torch.cuda.get_device_capability() >= _FP16_FROM else "32-true"
