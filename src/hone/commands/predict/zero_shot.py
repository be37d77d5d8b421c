"""Zero-shot classification: a network trained on entailment scores how well each candidate label fits a text."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, final

import numpy as np
from datasets import Dataset
from torch import nn
from transformers import PretrainedConfig

from hone.core.draws import Draws
from hone.core.errors import UserError, join_names
from hone.core.metric import Columns
from hone.core.task import Batch, Facts, Fault, Predictive
from hone.tasks import padding
from hone.tasks.targets.kinds import label_names
from hone.tasks.text.shared.texts import text_faults

_NEGATIONS = ("not", "non", "no")
"""How the class opposed to entailment may begin if there are only two, such as not_entailment."""


@final
class ZeroShot(Predictive):
    """Reads each text once per candidate label, paired with the `hypothesis` in which the label replaces the braces."""

    roles: ClassVar[tuple[str, ...]] = ("text",)
    hypothesis: ClassVar[str] = "This text is about {}."
    """What is used unless the user gives another."""
    facts = Facts("text")
    auto_model: ClassVar[str] = "AutoModelForSequenceClassification"

    def __init__(self, candidates: Sequence[str], hypothesis: str, several: bool) -> None:
        self.candidates, self.claim, self.several = list(candidates), hypothesis, several

    def bind(self, processor: Any, config: PretrainedConfig) -> None:
        """Set the tokenizer, and find the classes for and against entailment by their names."""
        self.processor = processor
        names = [name.lower() for name in label_names(config)]
        entailment = next((place for place, name in enumerate(names) if name.startswith("entail")), None)
        opposite = next((place for place, name in enumerate(names) if _is_opposite(name)), None)
        if entailment is None or opposite is None:
            raise UserError(
                f"zero_shot: the classes of this network are {join_names(names)}. Choose a network trained on "
                f"entailment, with classes named entailment and contradiction, or entailment and not_entailment."
            )
        self.places = [entailment, opposite]
        self._require_room()

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from text_faults(rows, "text")

    def encode(self, rows: Columns) -> Columns:
        count = len(self.candidates)
        texts = [text for text in rows["text"] for _ in self.candidates]
        claims = [self._claim(label) for label in self.candidates] * len(rows["text"])
        tokens = self.processor(
            texts, claims, truncation="only_first", return_attention_mask=False,
            return_token_type_ids="token_type_ids" in self.processor.model_input_names,
        )  # fmt: skip
        lengths = [len(ids) for ids in tokens["input_ids"]]
        ids = [row for row in rows["id"] for _ in self.candidates]
        candidates = list(range(count)) * len(rows["text"])
        return {"id": ids, "candidate": candidates, "length": lengths, **tokens}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        inputs = padding.pad_inputs(rows, self.processor, width=None, multiple=None)
        return {"id": rows["id"], "candidate": rows["candidate"], "inputs": inputs}

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        logits = network(**batch["inputs"]).logits.float()[:, self.places]
        return {"id": batch["id"], "candidate": batch["candidate"], "logits": logits.cpu().numpy()}

    def merge(self, predictions: Columns) -> Columns:
        ids, rows = np.unique(predictions["id"], return_inverse=True)
        logits = np.empty((len(ids), len(self.candidates), 2), dtype=np.float32)
        logits[rows, np.asarray(predictions["candidate"])] = predictions["logits"]
        # If several labels may apply, entailment competes with its opposite; if not, the labels compete.
        compared = logits if self.several else logits[:, :, 0]
        scores = np.exp(compared - compared.max(axis=-1, keepdims=True))
        scores /= scores.sum(axis=-1, keepdims=True)
        return {"id": ids, "scores": scores[:, :, 0] if self.several else scores}

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        scores = {label: float(score) for label, score in zip(self.candidates, record["scores"], strict=True)}
        best = max(scores, key=lambda label: scores[label])
        return {"label": best, "score": scores[best], "scores": scores}

    def _require_room(self) -> None:
        """Raise UserError where a candidate alone fills the network's input, as only the text is truncated."""
        limit = int(self.processor.model_max_length)
        special_tokens = self.processor.num_special_tokens_to_add(pair=True)
        for label in self.candidates:
            claim = self.processor(self._claim(label), add_special_tokens=False, verbose=False)["input_ids"]
            if len(claim) + special_tokens >= limit:
                raise UserError(
                    f"zero_shot={textwrap.shorten(label, 60)!r}: with the hypothesis around it, this label has "
                    f"{len(claim)} tokens, and the network takes {limit} including the text. Choose a shorter label."
                )

    def _claim(self, label: str) -> str:
        return self.claim.replace("{}", label)


def require_candidates(candidates: Sequence[str], hypothesis: str | None) -> None:
    """Raise UserError unless there are labels to choose from, and a place for them in the hypothesis."""
    if len(set(candidates)) < max(len(candidates), 2):
        raise UserError(f"zero_shot={join_names(candidates)}: expected at least two different labels.")
    if hypothesis is not None and "{}" not in hypothesis:
        raise UserError(f"hypothesis={hypothesis!r}: it has no braces {{}} that a label could replace.")


def _is_opposite(name: str) -> bool:
    """Return whether a class name means the opposite of entailment: contradiction, or not_entailment."""
    return name.startswith("contradict") or (name.startswith(_NEGATIONS) and "entail" in name)
