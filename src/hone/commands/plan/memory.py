"""The memory that a run will take, by what takes it, estimated from shapes before any weights are loaded.

Tensors are counted to the byte (`rehearsal.py`). What the process takes beyond them is not: the constants here were
fitted by hand to a few scenes of `make bench-memory`, on one kind of machine (Linux with glibc, a few cores with bf16
units). That benchmark fails where an estimate is off by more than a fifth. On a machine of another kind run
it again, or measure with `plan.probe=true`. It does not cover GPUs.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, final

import torch
import torch.nn.functional as F
from torch import nn

from hone.commands.plan import kernels
from hone.core import hardware
from hone.core.errors import HoneError, one_line
from hone.training import sizes
from hone.training.fast.packing import Packing, Padded, propose_packing, require_packed, why_not_packed
from hone.training.preflight import Feasible

if TYPE_CHECKING:
    from hone.commands.plan.rehearsal import Rehearsal, StepBytes

_SLACK = {"packed": 1.1, "padded": 1.25, "recomputed": 2.4, "gpu": 1.1}
"""Memory taken per byte in use: the more sizes come and go, the fewer fit into freed gaps. Fitted."""
_NOT_REUSED = 0.5
"""The share of evaluations' tensors and of compiled kernels that finds no room in memory that was freed. Fitted."""
_LATER = 25_000_000
"""Bytes that evaluations and written files bring into a process later. Fitted."""


@final
@dataclass(frozen=True)
class Memory:
    """Bytes of one process: all of it on a CPU, its share of the device on a GPU."""

    process: int
    """Python, libraries and rows."""
    kernels: int
    weights: int
    gradients: int
    optimizer: int
    average: int
    activations: int | None
    """What is kept for the backward pass and all other temporary tensors; None where only a real step shows it."""
    best: int
    """The weights of the best checkpoint, which are loaded again at the end."""

    @property
    def total(self) -> int:
        return sum(size for size in asdict(self).values() if size is not None)


@final
@dataclass(frozen=True)
class Estimate:
    """`padded` says why batches are padded: empty where they are packed, None where only a real step shows it.
    `unknown` says why the activations cannot be computed."""

    memory: Memory
    padded: str | None
    unknown: str
    room: int
    """Bytes available to the run."""

    @property
    def fits(self) -> bool:
        return self.memory.total <= self.room


def estimate(feasible: Feasible) -> Estimate:
    """Rehearse the heaviest step of the run; a network whose forward pass depends on values cannot be rehearsed."""
    device = hardware.device_of(feasible.job.settings.accelerator)
    process = _process_bytes(feasible) if device == "cpu" else 0

    # Imported late: it brings in much of torch that a run never loads, and the process was just measured without it.
    from hone.commands.plan.rehearsal import Rehearsal

    padded = ""
    try:
        rehearsal = Rehearsal(feasible)
        packing, padded = _find_packing(feasible, rehearsal)
        step, padded = _rehearse(feasible, rehearsal, packing, padded)
    except HoneError:
        raise
    except Exception as error:  # networks and losses fail without values in more ways than can be listed
        memory = _memory_without_activations(feasible, process)
        return Estimate(memory, padded or None, one_line(error), _room(device))
    memory = _memory(feasible, process, step, packed=not padded)
    return Estimate(memory, padded, "", _room(device))


def _room(device: str) -> int:
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    return hardware.available_memory() + hardware.resident_memory()


def _process_bytes(feasible: Feasible) -> int:
    """Return the size of this process after some computing, plus the rows that a run reads in the course of time."""
    _warm_up()
    train_share = min(feasible.outline.epochs, 1.0)
    rows = 0.0
    for split, encoded in feasible.prepared.encoded.items():
        rows += encoded.rows.data.nbytes * (train_share if split == "train" else 1.0)
    return int(hardware.resident_memory() + round(rows) + _LATER)


def _warm_up() -> None:
    """Take a tiny training step, to load what the first step of any training keeps in memory for good."""
    width = 192
    layer = nn.TransformerEncoderLayer(width, 4, width, batch_first=True)
    optimizer = torch.optim.AdamW(layer.parameters(), fused=True)
    for autocast in (False, True):
        with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
            logits = layer(torch.zeros(2, 8, width))[:, 0].float()
            F.cross_entropy(logits, torch.zeros(2, dtype=torch.int64)).backward()
        optimizer.step()


def _rehearse(feasible: Feasible, rehearsal: Rehearsal, packing: Packing, reason: str) -> tuple[StepBytes, str]:
    """Return the bytes of the step, packed where the run would pack, and otherwise the reason why it is padded."""
    try:
        step = rehearsal.run(packing)
    except Exception as error:
        if isinstance(packing, Padded):
            raise
        step, reason = rehearsal.run(Padded()), why_not_packed(error)
    require_packed(feasible.parts.batch.pack, reason)
    return step, reason


def _find_packing(feasible: Feasible, rehearsal: Rehearsal) -> tuple[Packing, str]:
    """Choose as the run does, except that the run also compares the losses of packed and padded batches."""
    if feasible.parts.batch.pack is False:
        return Padded(), "batch.pack=false"
    if rehearsal.fabric.device.type != "cpu":
        return Padded(), "packing is for CPUs so far"
    return propose_packing(rehearsal.blank, feasible.prepared.layer_map, rehearsal.specimen())


def _memory(feasible: Feasible, process: int, step: StepBytes, packed: bool) -> Memory:
    network = feasible.prepared.blank
    slack, compiled, best, evaluation = _SLACK["gpu"], 0, 0, 0.0
    if hardware.device_of(feasible.job.settings.accelerator) == "cpu":
        slack = _slack_on_cpu(feasible, packed)
        compiled = round(_NOT_REUSED * kernels.kernel_bytes(_count_kernels(feasible, step, packed)))
        best = sizes.of_tensors(sizes.trainable_weights(network), sizes.weight_dtype(feasible.precision))
        evaluation = _NOT_REUSED * step.evaluation_peak
    peak = round(max(slack * step.step_peak + evaluation, slack * step.evaluation_peak))
    return Memory(
        process, compiled, step.weights, step.gradients, step.optimizer, step.average,
        activations=max(0, peak - step.gradients), best=best,
    )  # fmt: skip


def _slack_on_cpu(feasible: Feasible, packed: bool) -> float:
    if feasible.job.settings.gradient_checkpointing:
        return _SLACK["recomputed"]
    return _SLACK["packed" if packed else "padded"]


def _count_kernels(feasible: Feasible, step: StepBytes, packed: bool) -> int:
    """Each product of 16-bit matrices has one kernel per batch size that it meets."""
    training = step.training_products * kernels.count_training_sizes(feasible, packed)
    return training + step.evaluation_products * kernels.count_evaluation_sizes(feasible)


def _memory_without_activations(feasible: Feasible, process: int) -> Memory:
    """Return what the shapes of the weights alone tell."""
    network, dtype = feasible.prepared.blank, sizes.weight_dtype(feasible.precision)
    trainable = sizes.of_tensors(sizes.trainable_weights(network), dtype)
    state = sizes.of_state(feasible.parts.optimizer, sizes.trainable_weights(network), dtype)
    average = trainable if feasible.parts.optimizer.ema is not None else 0
    weights = sizes.of_tensors([*network.parameters(), *network.buffers()], dtype)
    best = trainable if process else 0
    return Memory(process, 0, weights, trainable, state, average, activations=None, best=best)
