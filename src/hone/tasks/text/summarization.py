"""Summarization: turn a text into a short one with the same content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

from hone.core.metric import Columns, Metric
from hone.tasks.metrics.rouge import mean_rouge, rouge_1, rouge_2, rouge_l, rouge_lsum
from hone.tasks.metrics.scalars import mean_of
from hone.tasks.text.shared.seq2seq import Seq2Seq


@final
@dataclass(eq=False)
class Summarization(Seq2Seq):
    """The summarization task. Its fields are the options in `conf/task/summarization.yaml`."""

    pipeline: ClassVar[str] = "summarization"
    monitor: ClassVar[str] = "rougeL"

    def metrics(self) -> Mapping[str, Metric]:
        return {
            "rouge1": mean_rouge(rouge_1),
            "rouge2": mean_rouge(rouge_2),
            "rougeL": mean_rouge(rouge_l),
            "rougeLsum": mean_rouge(rouge_lsum),
            "tokens": mean_of("tokens"),
        }

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
