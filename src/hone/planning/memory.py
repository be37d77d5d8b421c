"""The memory that a run takes, by what takes it; from shapes alone, so that it is known before anything is loaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import final

import torch
from torch import nn

from hone.hardware import device_of
from hone.planning import kernels, machine, sizes
from hone.planning.passes import Passes
from hone.planning.preflight import Feasible
from hone.planning.rehearsal import Rehearsal

_BESIDE_A_WEIGHT = 3
"""Numbers that an optimiser has for each one of the weight it is at, unless one kernel does it all."""
_LATER = 25_000_000
"""What evaluations and files bring into a process."""


@final
@dataclass(frozen=True)
class Allocator:
    """What it takes over what is in use, found by measuring: sizes come and go, and few fit into the gaps of others."""

    slack: float
    """Times as much as training has in use at most."""
    anew: float
    """The share of an evaluation that finds no room in what training has left."""


_USUAL, _RECOMPUTED, _ON_GPUS = Allocator(1.25, 0.5), Allocator(2.4, 0.5), Allocator(1.1, 0.0)


@final
@dataclass(frozen=True)
class Memory:
    """Bytes of one process: of all of it on a CPU, of what is on the device on a GPU."""

    process: int
    """Python, libraries and rows."""
    kernels: int
    weights: int
    gradients: int
    optimizer: int
    average: int
    activations: int
    """What is kept for the backward pass, and whatever else comes and goes."""
    best: int
    """The weights of the best checkpoint, which are read back in the end."""

    @property
    def total(self) -> int:
        return sum(asdict(self).values())


@final
@dataclass(frozen=True)
class Estimate:
    """`padded` says why batches are padded, if they are."""

    memory: Memory
    padded: str
    room: int
    """What there is for it."""

    @property
    def fits(self) -> bool:
        return self.memory.total <= self.room


def estimate(job: Feasible) -> Estimate:
    """Rehearses the heaviest passes of the run."""
    device = device_of(job.job.settings.accelerator)
    process = (
        _process(job) if device == "cpu" else 0
    )  # before a rehearsal, for which torch loads what no training needs
    rehearsal = Rehearsal(job.parts, job.draft, job.precision, device)
    packing, padded = rehearsal.packing(job.parts.batch.pack, job.outline.pools["train"])
    passes = Passes.of(job, packing)
    learned = sizes.of_tensors(sizes.learning(rehearsal.network))
    weights = sizes.of_tensors([*rehearsal.network.parameters(), *rehearsal.network.buffers()])
    lasting = {
        "optimizer": sizes.of_state(job.parts.optimizer, sizes.learning(rehearsal.network)),
        "average": learned if job.parts.optimizer.ema is not None else 0,
    }
    if device != "cpu":
        gradients, moving, _ = _moving(job, rehearsal, passes, _ON_GPUS)
        memory = Memory(0, 0, weights, gradients, activations=moving - gradients, best=0, **lasting)
        return Estimate(memory, padded, torch.cuda.mem_get_info()[0])
    allocator = _RECOMPUTED if job.job.settings.gradient_checkpointing else _USUAL
    gradients, moving, compiled = _moving(job, rehearsal, passes, allocator)
    memory = Memory(process, compiled, weights, gradients, activations=moving - gradients, best=learned, **lasting)
    return Estimate(memory, padded, machine.available() + machine.resident())


def _moving(job: Feasible, rehearsal: Rehearsal, passes: Passes, allocator: Allocator) -> tuple[int, int, int]:
    """The bytes of gradients, of these and all else that comes and goes, and of kernels."""
    train, validation = job.outline.pools["train"], job.outline.pools["validation"]
    tried = [(rehearsal.trains(train, rows, passes.packing, again), len(rows)) for rows, again in passes.heaviest]
    most, rows = max(tried, key=lambda pair: pair[0].peak)
    read = rehearsal.reads(validation, passes.longest)
    training = max(allocator.slack * most.peak, most.gradients + _beside(job, rehearsal.network))
    whole = max(training + allocator.anew * read.peak, allocator.slack * read.peak)
    compiled = kernels.needed(most.products, rows, passes.sizes)
    compiled += kernels.needed(read.products, len(passes.longest), passes.sizes_evaluated)
    return most.gradients, round(whole), kernels.kept(compiled)


def _process(job: Feasible) -> int:
    """As this one is, once it has done some computing, and with the rows that it reads by and by."""
    kernels.warm_up()
    shares = {"train": min(job.outline.epochs, 1.0)}
    rows = sum(shares.get(split, 1.0) * rows.data.nbytes for split, rows in job.draft.encoded.items())
    return int(machine.resident() + round(rows) + _LATER)


def _beside(job: Feasible, network: nn.Module) -> int:
    """The optimiser's scratch paper."""
    if job.parts.optimizer.over(torch.zeros(1, 1)).defaults.get("fused"):
        return 0
    return _BESIDE_A_WEIGHT * max(4 * weight.numel() for weight in sizes.learning(network))
