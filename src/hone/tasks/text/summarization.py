"""Summarization: a text to a short one that says the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from hone.core.metric import Metric
from hone.core.task import Columns
from hone.tasks.metrics import rouge
from hone.tasks.metrics.scalars import mean_of
from hone.tasks.text.shared.seq2seq import Seq2Seq


@final
@dataclass(eq=False)
class Summarization(Seq2Seq):
    """The options are the fields; `conf/task/summarization.yaml` says what each does."""

    pipeline: ClassVar[str] = "summarization"
    monitor: ClassVar[str] = "rougeL"

    def metrics(self) -> Mapping[str, Metric]:
        scores = {
            "rouge1": rouge.rouge_1, "rouge2": rouge.rouge_2, "rougeL": rouge.rouge_l, "rougeLsum": rouge.rouge_lsum,
        }  # fmt: skip
        return {name: rouge.mean(score) for name, score in scores.items()} | {"tokens": mean_of("tokens")}

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"summary": record["prediction"]}

    @classmethod
    def sample(cls) -> Columns:
        return {
            "source": [
                "the council met on monday. after a long debate it agreed to build a bridge over the river.",
                "anna and bob talked about the weekend. in the end they will go to the cinema on sunday.",
                "it rained for days and the cellar was full of water, so the school stayed closed.",
                "the match began late. nobody scored for an hour, then the home team won in the last minute.",
            ],
            "target": ["a bridge will be built.", "they go to the cinema.", "school closed by rain.", "a late win."],
        }
