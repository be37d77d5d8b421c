"""Translation: a text in one language to the same in another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from hone.generation.seq2seq import Seq2Seq
from hone.overlap.bleu import bleu
from hone.overlap.chrf import chrf
from hone.overlap.ter import ter
from hone.tasks.base import Columns, Metric
from hone.types import BleuTokens


@final
@dataclass(eq=False)
class Translation(Seq2Seq):
    """The options are the fields; `conf/task/translation.yaml` says what each does."""

    bleu_tokens: BleuTokens = "13a"

    pipeline: ClassVar[str] = "translation"
    monitor: ClassVar[str] = "bleu"

    def metrics(self) -> Mapping[str, Metric]:
        return {
            "bleu": Metric(lambda records: bleu(records["prediction"], records["target"], self.bleu_tokens)),
            "chrf": Metric(lambda records: chrf(records["prediction"], records["target"])),
            "ter": Metric(lambda records: ter(records["prediction"], records["target"]), higher_is_better=False),
            "exact": Metric(_exact),
            "tokens": Metric(lambda records: float(np.mean(records["tokens"]))),
        }

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"translation": record["prediction"]}

    @classmethod
    def sample(cls) -> Columns:
        return {
            "source": ["the dog sleeps", "a cat drinks the cold milk", "she reads", "we see a house and a tree"],
            "target": ["le chien dort", "un chat boit le lait froid", "elle lit", "nous voyons une maison et un arbre"],
        }


def _exact(records: Columns) -> float:
    """The share of translations that are the reference, to the letter."""
    pairs = zip(records["prediction"], records["target"], strict=True)
    return float(np.mean([ours.split() == theirs.split() for ours, theirs in pairs]))
