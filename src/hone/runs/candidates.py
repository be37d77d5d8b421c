"""Every model that was the best when it was evaluated, for a tracker that keeps them all; the null twin keeps none."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from functools import partial
from typing import Any, final

from torch import nn

from hone.models.adapters import Adapter
from hone.results import save_model
from hone.runs.folder import Folder
from hone.tracking.tracker import Tracker
from hone.trainee import Trainee


class Candidates(ABC):
    """What becomes of a best model while the training goes on."""

    @abstractmethod
    def offer(self, step: int, trainee: Trainee) -> None:
        """The network has, at this moment, the weights of the best evaluation so far."""


@final
class NoCandidates(Candidates):
    """The best of all is stored at the end."""

    def offer(self, step: int, trainee: Trainee) -> None: ...


@final
class KeptCandidates(Candidates):
    """A copy is taken at once; writing it as a model folder and sending that is the tracker's, in its own time."""

    def __init__(self, tracker: Tracker, folder: Folder, adapter: Adapter) -> None:
        self.tracker, self.folder, self.adapter = tracker, folder, adapter

    def offer(self, step: int, trainee: Trainee) -> None:
        task, network, place = trainee.module.task, _copied(trainee.module.network), self.folder.candidate(step)
        save = partial(self._save, network, task.processor, task.facts)
        self.tracker.candidate(self.folder, place, save)

    def _save(self, network: Any, processor: Any, facts: Any, place: Folder) -> None:
        place.path.mkdir(parents=True, exist_ok=True)
        save_model(self.adapter.fold(network), processor, facts, place.model)


def _copied(network: nn.Module) -> Any:
    """In the machine's own memory, whatever device it is on; ties between weights are kept."""
    known: dict[int, Any] = {}
    for weight in network.parameters():
        known[id(weight)] = nn.Parameter(weight.detach().to("cpu", copy=True), weight.requires_grad)
    for buffer in network.buffers():
        known[id(buffer)] = buffer.detach().to("cpu", copy=True)
    taken = copy.deepcopy(network, known)
    for module in taken.modules():
        vars(module).pop("forward", None)  # a compiled one
    return taken
