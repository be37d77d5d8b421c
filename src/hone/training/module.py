"""The only LightningModule: a network and its task, for our loop and for a stock `lightning.Trainer`."""

from __future__ import annotations

from typing import Any, Self, final

import torch
from lightning import LightningModule
from torch import Tensor, nn

from hone.core.durations import Clock
from hone.core.scores import compute_scores, join_records
from hone.core.task import Batch, Columns, Task
from hone.models.layers import LayerMap
from hone.models.row_dependence import enter_training
from hone.training.optim.optimizers import Optimizer, schedule
from hone.training.optim.schedules import Scheduler


@final
class Module(LightningModule):
    """Forwards each step to the task, and makes its optimiser."""

    def __init__(
        self, network: nn.Module, task: Task, layer_map: LayerMap, optimizer: Optimizer, scheduler: Scheduler
    ) -> None:
        super().__init__()
        self.network, self.task, self.layer_map = network, task, layer_map
        self.recipe, self.scheduler = optimizer, scheduler
        self._seen: list[Columns] = []

    def train(self, mode: bool = True) -> Self:
        """Set the mode. In training, frozen BatchNorm layers keep their statistics."""
        super().train(mode)
        if mode:
            enter_training(self.network)
        return self

    def forward(self, step: str, batch: Batch, index: int = 0) -> Any:
        """Dispatch to a step. Fabric applies precision to `forward` only, so the steps of our loop go through here."""
        return getattr(self, step)(batch, index)

    def training_step(self, batch: Batch, index: int = 0) -> Tensor:
        return self.task.loss(self.network, batch)

    def predict_step(self, batch: Batch, index: int = 0) -> Columns:
        return self.task.predict(self.network, batch)

    def show_step(self, batch: Batch, index: int = 0) -> list[str]:
        return self.task.show(self.network, batch)

    def validation_step(self, batch: Batch, index: int = 0) -> None:
        self._seen.append(self.predict_step(batch, index))

    def test_step(self, batch: Batch, index: int = 0) -> None:
        self._seen.append(self.predict_step(batch, index))

    def on_validation_epoch_end(self) -> None:
        self._log_scores("validation")

    def on_test_epoch_end(self) -> None:
        self._log_scores("test")

    def configure_optimizers(self) -> Any:
        """Return what a stock trainer asks for; our loop calls the parts itself."""
        optimizer = self.make_optimizer()
        steps = int(self.trainer.estimated_stepping_batches)
        clock = Clock(steps_per_epoch=steps, examples_per_epoch=steps, total_steps=steps)
        every_step = {"scheduler": schedule(optimizer, self.scheduler, clock), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": every_step}

    def make_optimizer(self) -> torch.optim.Optimizer:
        return self.recipe.build(self.network, self.layer_map)

    def _log_scores(self, split: str) -> None:
        """Log the scores of the batches so far. A sanity check sees part of a split, so these are for curves only."""
        scores = compute_scores(self.task, self.task.merge(join_records(self._seen)))
        self._seen.clear()
        self.log_dict({f"{split}/{name}": value for name, value in scores.items()})
