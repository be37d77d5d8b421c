"""Extractive question answering: a long context becomes several windows, which are merged into one answer."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn

from hone.core.draws import Draws
from hone.core.metric import Columns, Metric, SumMetric
from hone.core.task import Batch, Facts, Fault, Task
from hone.tasks.padding import pad_inputs


@final
@dataclass(eq=False)
class QuestionAnswering(Task):
    """Windows of `window` tokens that overlap by `stride`."""

    window: int = 32
    stride: int = 8

    roles: ClassVar[tuple[str, ...]] = ("question", "context", "answer", "start")
    auto_model: ClassVar[str] = "AutoModelForQuestionAnswering"
    pipeline: ClassVar[str] = "question-answering"
    monitor: ClassVar[str] = "exact_match"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return Facts("span")

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        for place, row in enumerate(rows):
            if not row["context"][row["start"] :].startswith(row["answer"]):
                yield Fault(place, "answer", "the answer does not stand at its offset")

    def check(self, facts: Facts) -> None: ...

    def model_config(self) -> dict[str, Any]:
        return {}

    def encode(self, rows: Columns) -> Columns:
        tokens = self.processor(
            rows["question"], rows["context"], truncation="only_second", max_length=self.window, stride=self.stride,
            return_overflowing_tokens=True, return_offsets_mapping=True, return_attention_mask=False,
        )  # fmt: skip
        out: Columns = {
            name: []
            for name in ("id", "length", "input_ids", "token_type_ids", "begin", "end", "spans", "context", "answer")
        }
        for window, row in enumerate(tokens["overflow_to_sample_mapping"]):
            inside = [part == 1 for part in tokens.sequence_ids(window)]
            spans = zip(tokens["offset_mapping"][window], inside, strict=True)
            offsets = [list(span) if in_context else [-1, -1] for span, in_context in spans]
            first, last = rows["start"][row], rows["start"][row] + len(rows["answer"][row])
            begins = [place for place, (start, end) in enumerate(offsets) if start <= first < end]
            ends = [place for place, (start, end) in enumerate(offsets) if start < last <= end]
            answered = bool(begins and ends)
            for name, value in {
                "id": rows["id"][row], "length": len(offsets), "input_ids": tokens["input_ids"][window],
                "token_type_ids": tokens["token_type_ids"][window], "begin": begins[0] if answered else 0,
                "end": ends[0] if answered else 0, "spans": [offset for span in offsets for offset in span],
                "context": rows["context"][row], "answer": rows["answer"][row],
            }.items():  # fmt: skip
                out[name].append(value)
        return out

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        labels = {name: torch.tensor(np.asarray(rows[name])) for name in ("begin", "end")}
        kept = {name: rows[name] for name in ("id", "spans", "context", "answer")}
        return {**kept, "inputs": pad_inputs(rows, self.processor, None, None), "labels": labels}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return self._losses(network(**batch["inputs"]), batch).mean()

    def count_targets(self, batch: Batch) -> float:
        return float(len(batch["id"]))

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        output = network(**batch["inputs"])
        logits = (output.start_logits.float().cpu().numpy(), output.end_logits.float().cpu().numpy())
        windows = zip(*logits, batch["spans"], strict=True)
        best = [self._best_span(begin, end, np.asarray(spans).reshape(-1, 2)) for begin, end, spans in windows]
        return {
            "id": batch["id"],
            "score": np.array([score for score, _, _ in best]),
            "prediction": [text[start:stop] for text, (_, start, stop) in zip(batch["context"], best, strict=True)],
            "answer": batch["answer"],
            "loss": self._losses(output, batch).double().cpu().numpy(),
            "targets": np.ones(len(best)),
        }

    def merge(self, predictions: Columns) -> Columns:
        best: dict[int, int] = {}
        for place, identity in enumerate(predictions["id"]):
            if identity not in best or predictions["score"][place] > predictions["score"][best[identity]]:
                best[identity] = place
        return {name: np.asarray(values)[list(best.values())] for name, values in predictions.items()}

    def metrics(self) -> Mapping[str, Metric]:
        return {"exact_match": SumMetric(lambda records: records["prediction"] == records["answer"])}

    def describe(self, record: Mapping[str, Any]) -> str:
        return str(record["prediction"])

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"answer": self.describe(record)}

    @classmethod
    def sample(cls) -> Columns:
        aside = "we watched an old movie and i made coffee and sat down by the window because the house is quiet then "
        names = ["anna", "bob", "carl", "dora", "emil", "fred", "gina", "hans"] * 8
        contexts = [aside * (place % 3) + f"my friend is {name} these days" for place, name in enumerate(names)]
        return {
            "question": ["who is my friend"] * len(names), "context": contexts, "answer": names,
            "start": [text.index(f"is {name}") + 3 for text, name in zip(contexts, names, strict=True)],
        }  # fmt: skip

    @staticmethod
    def _losses(output: Any, batch: Batch) -> Tensor:
        # Without the mask, the loss of a row would depend on the length of the other rows in its batch.
        padding = batch["inputs"]["attention_mask"] == 0
        begin, end = (logits.masked_fill(padding, -1e9) for logits in (output.start_logits, output.end_logits))
        losses = F.cross_entropy(begin, batch["labels"]["begin"], reduction="none")
        return (losses + F.cross_entropy(end, batch["labels"]["end"], reduction="none")) / 2

    @staticmethod
    def _best_span(begin: Any, end: Any, spans: Any) -> tuple[float, int, int]:
        inside = np.flatnonzero(spans[:, 0] >= 0)
        first = inside[begin[inside].argmax()]
        last = first + end[first : inside[-1] + 1].argmax()
        return float(begin[first] + end[last]), int(spans[first][0]), int(spans[last][1])
