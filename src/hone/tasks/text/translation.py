"""Translation: turn a text in one language into the same text in another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from hone.core.metric import Columns, Metric, SumMetric
from hone.core.task import Facts
from hone.core.value_types import BleuTokens
from hone.tasks.metrics.bleu import require_tokenizer, translation_metrics
from hone.tasks.metrics.scalars import mean_of
from hone.tasks.text.shared.seq2seq import Seq2Seq


@final
@dataclass(eq=False)
class Translation(Seq2Seq):
    """The translation task. Its fields are the options in `conf/task/translation.yaml`."""

    bleu_tokens: BleuTokens = "13a"

    pipeline: ClassVar[str] = "translation"
    monitor: ClassVar[str] = "bleu"

    def check(self, facts: Facts) -> None:
        require_tokenizer(self.bleu_tokens)

    def metrics(self) -> Mapping[str, Metric]:
        return {**translation_metrics(self.bleu_tokens), "exact": SumMetric(_exact), "tokens": mean_of("tokens")}

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"translation": record["prediction"]}

    @classmethod
    def sample(cls) -> Columns:
        return {
            "source": ["the dog sleeps", "a cat drinks the cold milk", "she reads", "we see a house and a tree"],
            "target": ["le chien dort", "un chat boit le lait froid", "elle lit", "nous voyons une maison et un arbre"],
        }


def _exact(records: Columns) -> list[bool]:
    """Return whether each translation equals its reference, word for word."""
    pairs = zip(records["prediction"], records["target"], strict=True)
    return [prediction.split() == target.split() for prediction, target in pairs]
