"""Numbers in fp32 put down in bf16 without bias: rounded up or down at random, the nearer neighbour more often.

Rounding to the nearest loses every update that is smaller than half a bf16 step, 1/256 of a weight or less; rounded at
random, such updates arrive on average.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LOWER_BITS = 16
"""Of fp32, which bf16 does not have."""


def put(target: Tensor, exact: Tensor, generator: torch.Generator) -> None:
    """Copies `exact`, in fp32, into `target`; only where that is bf16 is there anything to round."""
    target.copy_(stochastic(exact, generator) if target.dtype == torch.bfloat16 else exact)


def stochastic(exact: Tensor, generator: torch.Generator) -> Tensor:
    """Neighbours in bf16, still as fp32: random bits below its mantissa carry over as often as they should."""
    noise = torch.randint(1 << _LOWER_BITS, exact.shape, generator=generator, device=exact.device, dtype=torch.int32)
    bits = noise.add_(exact.view(torch.int32)).bitwise_and_(-(1 << _LOWER_BITS))
    return torch.where(exact.isfinite(), bits.view(torch.float32), exact)  # a carry would make numbers of what is none
