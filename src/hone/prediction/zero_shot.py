"""Zero-shot classification: a network that was trained on entailment says how well each candidate label fits a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, final

import numpy as np
from datasets import Dataset
from torch import nn
from transformers import PretrainedConfig

from hone import padding
from hone.errors import UserError, listed
from hone.facts import Facts
from hone.targets import label_names
from hone.tasks.base import Batch, Columns, Fault, Predictive
from hone.text import text_faults

_WORDS = ("entail", "contradict")
"""How the classes that matter are called, or begin to be."""


@final
class ZeroShot(Predictive):
    """Each text is read once for each candidate, as `hypothesis` with the candidate in place of its braces."""

    roles: ClassVar[tuple[str, ...]] = ("text",)
    facts = Facts("text")
    auto_model: ClassVar[str] = "AutoModelForSequenceClassification"

    def __init__(self, candidates: Sequence[str], hypothesis: str, several: bool) -> None:
        if len(set(candidates)) < max(len(candidates), 2):
            raise UserError(f"zero_shot={listed(candidates)}: expected at least two labels, none of them twice.")
        if "{}" not in hypothesis:
            raise UserError(f"hypothesis={hypothesis!r}: there are no braces {{}} in it to put a label in.")
        self.candidates, self.hypothesis, self.several = list(candidates), hypothesis, several

    def equip(self, processor: Any, config: PretrainedConfig) -> None:
        """Takes the tokenizer and finds out which of the network's classes mean what."""
        self.processor = processor
        names = [name.lower() for name in label_names(config)]
        found = [next((place for place, name in enumerate(names) if name.startswith(word)), None) for word in _WORDS]
        if None in found:
            raise UserError(
                f"zero_shot: the network tells apart {listed(names)}; it takes one that was trained on entailment, "
                f"with classes called entailment and contradiction."
            )
        self.places = [place for place in found if place is not None]

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from text_faults(rows, "text")

    def encode(self, rows: Columns) -> Columns:
        count = len(self.candidates)
        texts = [text for text in rows["text"] for _ in self.candidates]
        claims = [self.hypothesis.replace("{}", label) for label in self.candidates] * len(rows["text"])
        tokens = self.processor(
            texts, claims, truncation="only_first", return_attention_mask=False,
            return_token_type_ids="token_type_ids" in self.processor.model_input_names,
        )  # fmt: skip
        lengths = [len(ids) for ids in tokens["input_ids"]]
        ids = [row for row in rows["id"] for _ in self.candidates]
        candidates = list(range(count)) * len(rows["text"])
        return {"id": ids, "candidate": candidates, "length": lengths, **tokens}

    def collate(self, rows: Columns, rng: np.random.Generator) -> Batch:
        inputs = padding.tokens(rows, self.processor, width=None, multiple=None)
        return {"id": rows["id"], "candidate": rows["candidate"], "inputs": inputs}

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        logits = network(**batch["inputs"]).logits.float()[:, self.places]
        return {"id": batch["id"], "candidate": batch["candidate"], "logits": logits.cpu().numpy()}

    def merge(self, predictions: Columns) -> Columns:
        ids, rows = np.unique(predictions["id"], return_inverse=True)
        logits = np.empty((len(ids), len(self.candidates), 2), dtype=np.float32)
        logits[rows, np.asarray(predictions["candidate"])] = predictions["logits"]
        compared = logits if self.several else logits[:, :, 0]
        scores = np.exp(compared - compared.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return {"id": ids, "scores": scores[:, :, 0] if self.several else scores}

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        scores = {label: float(score) for label, score in zip(self.candidates, record["scores"], strict=True)}
        best = max(scores, key=lambda label: scores[label])
        return {"label": best, "score": scores[best], "scores": scores}
