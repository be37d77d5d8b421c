"""Multiple choice: select which of a row's choices answers its question. Rows may have any number of choices."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.draws import Draws
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, Task
from hone.core.value_types import Count
from hone.tasks.metrics.scalars import ACCURACY
from hone.tasks.padding import group_parts, join_parts, pad_inputs, padded_index, split_parts
from hone.tasks.text.shared.choices import (
    LabelStyle,
    choice_faults,
    choice_index,
    correct_choices,
    find_label_style,
    nonempty,
)
from hone.tasks.text.shared.texts import text_faults, tokenise_pairs
from hone.tasks.usage_snippets import multiple_choice_snippet


@final
@dataclass(eq=False)
class MultipleChoice(Task):
    """The multiple-choice task. Its fields are the options in `conf/task/multiple_choice.yaml`."""

    max_length: Count | None = None
    truncation: Literal["longest_first", "only_first", "do_not_truncate"] = "longest_first"
    truncation_side: Literal["right", "left"] = "right"
    pad_to_multiple_of: Count | None = None

    roles: ClassVar[tuple[str, ...]] = ("question", "choices", "label")
    optional_roles: ClassVar[tuple[str, ...]] = ("stem", "names")
    lists: ClassVar[tuple[str, ...]] = ("choices", "names")
    auto_model: ClassVar[str] = "AutoModelForMultipleChoice"
    pipeline: ClassVar[str] = "multiple-choice"
    monitor: ClassVar[str] = "accuracy"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        """Return the label style as `kind`, and how often each place holds the correct choice as `counts`."""
        style = find_label_style(rows)
        counts = Counter(correct_choices(rows, style))
        return Facts(style, counts=tuple(counts[place] for place in range(max(counts, default=-1) + 1)))

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from text_faults(rows, "question")
        if "stem" in rows.column_names:
            yield from (fault for fault in text_faults(rows, "stem") if fault.problem != "the text is empty")
        yield from choice_faults(rows, cast(LabelStyle, facts.kind))

    def check(self, facts: Facts) -> None:
        return

    def configure_processor(self, processor: Any) -> None:
        processor.truncation_side = self.truncation_side

    def model_config(self) -> dict[str, Any]:
        return {}

    def encode(self, rows: Columns) -> Columns:
        choices = [nonempty(row) for row in rows["choices"]]
        stems = rows.get("stem") or [""] * len(choices)
        ids, pairs = [], []
        for row, question, stem, row_choices in zip(rows["id"], rows["question"], stems, choices, strict=True):
            for choice in row_choices:
                ids.append(row)
                pairs.append((question, f"{stem} {choice}".strip()))
        tokens = tokenise_pairs(self.processor, ids, pairs, self.truncation, self.max_length, self.pad_to_multiple_of)
        counts = [len(row) for row in choices]
        sizes = group_parts([len(row) for row in tokens["input_ids"]], counts)
        encoded = {"id": rows["id"], "length": [sum(row) for row in sizes], "sizes": sizes, "choices": choices}
        encoded |= {name: join_parts(parts, counts) for name, parts in tokens.items()}
        if "label" in rows:
            style, names = cast(LabelStyle, self.facts.kind), rows.get("names") or [None] * len(choices)
            labelled = zip(rows["label"], choices, names, strict=True)
            encoded["label"] = [
                choice_index(style, label, options, option_names) for label, options, option_names in labelled
            ]
        return encoded

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        """Put the choices of all rows side by side, as if they were one row's, so that none is made up as padding."""
        names = [name for name in ("input_ids", "token_type_ids") if name in rows]
        flat: Columns = {name: split_parts(rows[name], rows["sizes"]) for name in names}
        inputs = pad_inputs(flat, self.processor, None, self.pad_to_multiple_of)
        places, real = padded_index([len(sizes) for sizes in rows["sizes"]])
        wide = {name: tensor[None] for name, tensor in inputs.items()}
        batch: Batch = {"id": rows["id"], "inputs": wide, "places": places, "real": real, "choices": rows["choices"]}
        labels = {"labels": torch.from_numpy(np.array(rows["label"], dtype=np.int64))} if "label" in rows else {}
        return batch | labels

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return F.cross_entropy(_logits(network, batch), batch["labels"])

    def count_targets(self, batch: Batch) -> float:
        return float(len(batch["labels"]))

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        logits = _logits(network, batch)
        probabilities = logits.softmax(dim=-1).cpu().tolist()
        predictions = {
            "id": batch["id"],
            "prediction": logits.argmax(dim=-1).cpu().numpy(),
            "scores": [row[: len(choices)] for row, choices in zip(probabilities, batch["choices"], strict=True)],
            "choices": batch["choices"],
        }
        if "labels" not in batch:
            return predictions
        losses = F.cross_entropy(logits, batch["labels"], reduction="none").cpu().double().numpy()
        return predictions | {"label": batch["labels"].cpu().numpy(), "loss": losses, "targets": np.ones(len(losses))}

    def metrics(self) -> Mapping[str, Metric]:
        return {"accuracy": ACCURACY}

    def baseline(self, records: Columns) -> Columns:
        """Predict the place that is correct most often, among those that a row has."""
        counts = self.facts.counts or (1,)
        places = [int(np.argmax(counts[: len(choices)])) for choices in records["choices"]]
        return records | {"prediction": np.array(places)}

    def describe(self, record: Mapping[str, Any]) -> str:
        place = int(record["prediction"])
        return f"{record['choices'][place]} {float(record['scores'][place]):.2f}"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        place, scores = int(record["prediction"]), [float(score) for score in record["scores"]]
        return {"choice": str(record["choices"][place]), "place": place, "score": scores[place], "scores": scores}

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        return Facts("index")

    def example(self, place: str) -> str:
        return multiple_choice_snippet(place, *self.question().values())

    @classmethod
    def sample(cls) -> Columns:
        rows = [
            ("i was thirsty so i", "drank some water", ["went to bed", "bought a hat"]),
            ("it was late so i", "went to bed", ["drank some water"]),
            ("it rained so i", "took an umbrella", ["drank some water", "bought a hat", "sang a song"]),
            ("my head was cold so i", "bought a hat", ["took an umbrella", "went to bed"]),
        ] * 4
        # The correct choice comes first and second by turns.
        choices = [[*others[: row % 2], right, *others[row % 2 :]] for row, (_, right, others) in enumerate(rows)]
        labels = ["AB"[row % 2] for row in range(len(rows))]
        return {
            "question": [question for question, _, _ in rows],
            "stem": [""] * len(rows),
            "choices": choices,
            "names": [list("ABCD"[: len(row)]) for row in choices],
            "label": labels,
        }


def _logits(network: nn.Module, batch: Batch) -> Tensor:
    """Return a table with the logits of each row's choices, filled up with -inf."""
    flat: Tensor = network(**batch["inputs"]).logits.float().reshape(-1)
    return flat[batch["places"]].masked_fill(~batch["real"], -torch.inf)
