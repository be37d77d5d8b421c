"""The memory that a run takes, by what takes it; from shapes alone, so that it is known before anything is loaded."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, final

import torch
import torch.nn.functional as F
from torch import nn

from hone.commands.plan import kernels
from hone.core import hardware as machine
from hone.core.errors import HoneError, one_line
from hone.core.hardware import device_of
from hone.training import preflight as sizes
from hone.training.fast.packing import Packing, Padded, propose_packing, require_packed
from hone.training.preflight import Feasible

if TYPE_CHECKING:
    from hone.commands.plan.rehearsal import Rehearsal, Taken

_LATER = 25_000_000
"""What evaluations and files bring into a process."""
_WIDTH = 192
"""Of the layer that warms a process up."""


@final
@dataclass(frozen=True)
class Allocator:
    """What it takes over what is in use, found by measuring: sizes come and go, and few fit into the gaps of others."""

    slack: float
    """Times as much as training has in use at most."""
    anew: float
    """The share of an evaluation that finds no room in what training has left."""


_PACKED, _PADDED = Allocator(1.1, 0.5), Allocator(1.25, 0.5)
"""Packed batches come in fewer sizes."""
_RECOMPUTED, _ON_GPUS = Allocator(2.4, 0.5), Allocator(1.1, 0.0)
_KERNELS_ANEW = 0.5
"""The share of compiled kernels that finds no room in memory that was freed."""


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
    activations: int | None
    """What is kept for the backward pass, and whatever else comes and goes; None where only a real step shows it."""
    best: int
    """The weights of the best checkpoint, which are read back in the end."""

    @property
    def total(self) -> int:
        return sum(size for size in asdict(self).values() if size is not None)


@final
@dataclass(frozen=True)
class Estimate:
    """`padded` says why batches are padded, if they are; `unknown`, why the activations cannot be computed."""

    memory: Memory
    padded: str
    unknown: str
    room: int
    """What is available for it."""

    @property
    def fits(self) -> bool:
        return self.memory.total <= self.room


def estimate(job: Feasible) -> Estimate:
    """Rehearses the heaviest step of the run; a network whose forward pass depends on values cannot be rehearsed."""
    device = device_of(job.job.settings.accelerator)
    process = _process(job) if device == "cpu" else 0

    from hone.commands.plan.rehearsal import Rehearsal  # with it, much of torch that no training needs

    rehearsal, padded, unknown = Rehearsal(job), "", ""
    try:
        taken, padded = _rehearsed(job, rehearsal)
    except HoneError:
        raise
    except Exception as error:  # networks are built in too many ways to foresee
        taken, unknown = None, one_line(error)
    memory = _lasting(job, process) if taken is None else _memory(job, process, taken, packed=not padded)
    free = torch.cuda.mem_get_info()[0] if device == "cuda" else machine.available_memory() + machine.resident_memory()
    return Estimate(memory, padded, unknown, free)


def _rehearsed(job: Feasible, rehearsal: Rehearsal) -> tuple[Taken, str]:
    """What the step takes, packed if the run would find that it can be, and why it is padded."""
    wanted = job.parts.batch.pack
    packing, reason = _packing(job, rehearsal)
    try:
        taken = rehearsal.taken(packing)
    except Exception as error:
        if isinstance(packing, Padded):
            raise
        taken, reason = rehearsal.taken(Padded()), one_line(error)
    require_packed(wanted, reason)
    return taken, reason


def _packing(job: Feasible, rehearsal: Rehearsal) -> tuple[Packing, str]:
    """As the run would find it, but for the comparison of losses."""
    if job.parts.batch.pack is False:
        return Padded(), "batch.pack=false"
    if rehearsal.fabric.device.type != "cpu":
        return Padded(), "packing is for CPUs so far"
    return propose_packing(rehearsal.blank, job.prepared.layer_map, rehearsal.specimen())


def _memory(job: Feasible, process: int, taken: Taken, packed: bool) -> Memory:
    on_cpu = device_of(job.job.settings.accelerator) == "cpu"
    allocator = _allocator(job, packed) if on_cpu else _ON_GPUS
    training = allocator.slack * taken.moving + allocator.anew * taken.reading
    moving = round(max(training, allocator.slack * taken.reading))
    best = (
        sizes.of_tensors(sizes.trainable_weights(job.prepared.blank), sizes.weight_dtype(job.precision))
        if on_cpu
        else 0
    )
    trained, evaluated = taken.products
    count = trained * kernels.sizes_trained(job, packed) + evaluated * kernels.sizes_evaluated(job) if on_cpu else 0
    compiled = round(_KERNELS_ANEW * kernels.kept(count))
    return Memory(
        process, compiled, taken.weights, taken.gradients, taken.optimizer, taken.average,
        activations=max(0, moving - taken.gradients), best=best,
    )  # fmt: skip


def _allocator(job: Feasible, packed: bool) -> Allocator:
    if job.job.settings.gradient_checkpointing:
        return _RECOMPUTED
    return _PACKED if packed else _PADDED


def _lasting(job: Feasible, process: int) -> Memory:
    """What is known from the shapes of the weights alone."""
    network, kept_as = job.prepared.blank, sizes.weight_dtype(job.precision)
    learned = sizes.of_tensors(sizes.trainable_weights(network), kept_as)
    state = sizes.of_state(job.parts.optimizer, sizes.trainable_weights(network), kept_as)
    average = learned if job.parts.optimizer.ema is not None else 0
    weights = sizes.of_tensors([*network.parameters(), *network.buffers()], kept_as)
    return Memory(process, 0, weights, learned, state, average, activations=None, best=learned if process else 0)


def _process(job: Feasible) -> int:
    """As this one is, once it has done some computing, and with the rows that it reads by and by."""
    _warm_up()
    shares = {"train": min(job.outline.epochs, 1.0)}
    rows = sum(shares.get(split, 1.0) * rows.data.nbytes for split, rows in job.prepared.encoded.items())
    return int(machine.resident_memory() + round(rows) + _LATER)


def _warm_up() -> None:
    """Loads what the first step of any training leaves in memory for good."""
    layer = nn.TransformerEncoderLayer(_WIDTH, 4, _WIDTH, batch_first=True)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
    for low in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=low):
            read = layer(torch.zeros(2, 8, _WIDTH))[:, 0].float()
            F.cross_entropy(read, torch.zeros(2, dtype=torch.int64)).backward()
        optimizer.step()
