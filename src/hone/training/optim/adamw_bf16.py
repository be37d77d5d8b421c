"""AdamW for weights that are kept in bf16 only: computed in fp32, stored with stochastic rounding.

The moments stay in fp32: the second one changes by a thousandth a step, which bf16 cannot even hold. A weight takes 12
bytes with its gradient and moments, where fp32 takes 16, and activations and gradients take half.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, final

import torch
from torch import Tensor

from hone.core import seeds
from hone.core.value_types import Index, NotNegative, PartialShare, Positive

_LOWER_BITS = 16
"""The bits of fp32 that bf16 lacks."""


def put(target: Tensor, exact: Tensor, generator: torch.Generator) -> None:
    """Copy `exact`, in fp32, into `target`, rounding if the target is bf16."""
    target.copy_(stochastic(exact, generator) if target.dtype == torch.bfloat16 else exact)


def stochastic(exact: Tensor, generator: torch.Generator) -> Tensor:
    """Round to a neighbour in bf16, returned as fp32: random bits below the mantissa carry in the right proportion."""
    noise = torch.randint(1 << _LOWER_BITS, exact.shape, generator=generator, device=exact.device, dtype=torch.int32)
    bits = noise.add_(exact.view(torch.int32)).bitwise_and_(-(1 << _LOWER_BITS))
    return torch.where(exact.isfinite(), bits.view(torch.float32), exact)  # a carry would turn inf and nan into numbers


@final
class AdamWBf16(torch.optim.Optimizer):
    """AdamW with randomness that depends on seed and step only: weights must stay the same on every process."""

    def __init__(
        self,
        params: Iterable[Any],
        lr: Positive = 1e-3,
        betas: tuple[PartialShare, PartialShare] = (0.9, 0.999),
        eps: NotNegative = 1e-8,
        weight_decay: NotNegative = 0.01,
        seed: Index = 0,
    ) -> None:
        self.seed = seed
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "step": 0})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Update one tensor at a time: all of them in fp32 at once would take the memory that bf16 saves."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for place, group in enumerate(self.param_groups):
            group["step"] += 1
            word = int(seeds.stream(self.seed, "rounding", group["step"], place).integers(2**63))
            weights = [weight for weight in group["params"] if weight.grad is not None]
            generators = {device: torch.Generator(device).manual_seed(word) for device in {w.device for w in weights}}
            for weight in weights:
                put(weight, self._updated(weight, weight.grad.float(), group), generators[weight.device])
        return loss

    def _updated(self, weight: Tensor, gradient: Tensor, group: Mapping[str, Any]) -> Tensor:
        """Return the updated weight, in fp32."""
        state, (first, second) = self.state[weight], group["betas"]
        if not state:
            state |= {name: torch.zeros_like(weight, dtype=torch.float32) for name in ("exp_avg", "exp_avg_sq")}
        mean, square = state["exp_avg"], state["exp_avg_sq"]
        mean.lerp_(gradient, 1 - first)
        square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = square.sqrt().div_(math.sqrt(1 - second ** group["step"])).add_(group["eps"])
        kept: Tensor = weight.float() * (1 - group["lr"] * group["weight_decay"])
        return kept.addcdiv_(mean, size, value=-group["lr"] / (1 - first ** group["step"]))

    def load_state_dict(self, state_dict: Any) -> None:
        """Load a state as torch does, but keep the moments in fp32: torch would convert them to the weights' bf16."""
        super().load_state_dict(state_dict)
        weights = [weight for group in self.param_groups for weight in group["params"]]
        for place, kept in state_dict["state"].items():
            device = weights[place].device
            self.state[weights[place]] = {name: moment.to(device, copy=True) for name, moment in kept.items()}
