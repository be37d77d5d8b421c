"""What classifiers of pictures and of videos share: changed and mixed training rows, and the five best guesses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from hone.core.metric import Metric
from hone.core.task import Batch
from hone.tasks.metrics.scalars import top_accuracy
from hone.tasks.targets.classification import Classification
from hone.tasks.vision.shared.augmentation import AugmentOptions
from hone.tasks.vision.shared.mixing import MixOptions

_TOP = 5


@dataclass(eq=False)
class MixedClassification(Classification, AugmentOptions, MixOptions):
    """The base of classifiers whose training rows may be mixed in pairs."""

    @property
    def independent_rows(self) -> bool:
        return not self.is_mixing

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        if "share" not in batch:
            return super().loss(network, batch)
        logits = network(**batch["inputs"]).logits.float()
        own, partners = (self.target.losses(logits, batch[name]) for name in ("labels", "partner_labels"))
        return own.lerp(partners, batch["share"].to(own)).sum() / self._mixed_weights(batch).sum()

    def count_targets(self, batch: Batch) -> float:
        return float(self._mixed_weights(batch).sum()) if "share" in batch else super().count_targets(batch)

    def metrics(self) -> Mapping[str, Metric]:
        metrics = super().metrics()
        if self.facts.kind != "single_label" or len(self.facts.labels) <= _TOP:
            return metrics
        return {"accuracy": metrics["accuracy"], f"top_{_TOP}": top_accuracy(_TOP), **metrics}

    def _mixed_weights(self, batch: Batch) -> Tensor:
        own, partners = (self.target.weights(batch[name]) for name in ("labels", "partner_labels"))
        return own.float().lerp(partners.float(), batch["share"])
