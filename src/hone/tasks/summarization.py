"""Summarization: a text to a short one that says the same."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np

from hone.generation.seq2seq import Seq2Seq
from hone.overlap import rouge
from hone.overlap.rouge import Rouge
from hone.tasks.base import Columns, Metric


@final
@dataclass(eq=False)
class Summarization(Seq2Seq):
    """The options are the fields; `conf/task/summarization.yaml` says what each does."""

    pipeline: ClassVar[str] = "summarization"
    monitor: ClassVar[str] = "rougeL"

    def metrics(self) -> Mapping[str, Metric]:
        return {
            "rouge1": _metric(rouge.rouge_1),
            "rouge2": _metric(rouge.rouge_2),
            "rougeL": _metric(rouge.rouge_l),
            "rougeLsum": _metric(rouge.rouge_lsum),
            "tokens": Metric(lambda records: float(np.mean(records["tokens"]))),
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


def _metric(score: Rouge) -> Metric:
    return Metric(lambda records: rouge.mean(score, records["prediction"], records["target"]))
