"""Masked language modelling: hidden tokens from what stands around them; given blanks, the model fills them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from torch import Tensor, nn

from hone.core.errors import UserError
from hone.core.metric import Metric
from hone.core.task import Batch, Columns, Facts
from hone.core.value_types import Count, PartialShare
from hone.tasks.metrics.scalars import MASKED_ACCURACY, PERPLEXITY
from hone.tasks.text.shared import documents as blocks
from hone.tasks.text.shared import language_model as token_loss
from hone.tasks.text.shared import padding
from hone.tasks.text.shared.documents import CONTEXT, Numbers, Tokens, frame, require_end_token, tokenised
from hone.tasks.text.shared.language_model import LanguageModel
from hone.tasks.text.shared.masking import Masking, fills
from hone.tasks.text.shared.texts import token_limit


@final
@dataclass(eq=False)
class MaskedLM(LanguageModel):
    """The options are the fields; `conf/task/masked_lm.yaml` says what each does."""

    probability: PartialShare = 0.15
    whole_words: bool = False
    top_k: Count = 5

    auto_model: ClassVar[str] = "AutoModelForMaskedLM"
    pipeline: ClassVar[str] = "fill-mask"

    def check(self, facts: Facts) -> None:
        if not self.probability:
            raise UserError("task.probability=0: nothing would be hidden; usual is 0.15.")

    def configure_processor(self, processor: Any) -> None:
        if processor.mask_token_id is None:
            raise UserError(
                "checkpoint: its tokenizer has no mask token, so nothing can be hidden; choose one that was trained "
                "this way, such as checkpoint=distilbert, or task=causal_lm."
            )

    def without_targets(self, rows: Columns) -> Columns:
        return {"blanks" if name == "text" else name: values for name, values in rows.items()}

    def encode(self, rows: Columns) -> Columns:
        if "text" not in rows:
            return self._questions(rows)
        first, last = (Tokens.context(ids) for ids in frame(self.processor))
        room = self._limit() - len(first) - len(last)
        texts = tokenised(self.processor, rows["text"], rows["id"])
        if self.block_size:
            stretches = [(int(rows["id"][0]), self._joined(texts))]
        else:
            stretches = [(int(number), tokens) for number, tokens in zip(rows["id"], texts, strict=True)]
        framed = [
            (number, [Tokens.join([first, piece, last]) for piece in tokens.cut(room, overlap=0)])
            for number, tokens in stretches
        ]
        return blocks.rows(framed, words=self.whole_words)

    def collate(self, rows: Columns, rng: np.random.Generator) -> Batch:
        ids = [np.asarray(row, dtype=np.int64) for row in rows["input_ids"]]
        if "owners" not in rows:
            return {"id": rows["id"], "rows": ids, "inputs": padding.on_the_right(ids, self.processor.pad_token_id)}
        masking = Masking(self.probability, self.whole_words, self.processor.mask_token_id, len(self.processor))
        owner, draw = blocks.owners(rows), int(rng.integers(2**31))
        hidden, places = [], []
        for row, each in enumerate(ids):
            can_be = (owner[row, : len(each)] != CONTEXT) & (each != masking.mask)
            begins = np.asarray(rows["begins"][row]) if self.whole_words else np.ones_like(each)
            behind, found = masking.hide(each, can_be, begins, [draw, int(rows["id"][row])])
            hidden.append(behind)
            places.append(found)
        inputs = padding.on_the_right(hidden, self.processor.pad_token_id)
        batch: Batch = {"id": rows["id"], "inputs": inputs, "owner": owner, "texts": blocks.texts(rows)}
        row_of = np.repeat(np.arange(len(ids)), [len(found) for found in places])
        wanted = np.concatenate([each[found] for each, found in zip(ids, places, strict=True)])
        return token_loss.chosen(batch, row_of, np.concatenate(places), wanted)

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        if "wanted" not in batch:
            logits = network(**batch["inputs"]).logits
            found = zip(batch["rows"], logits, strict=True)
            return {"id": batch["id"], "prediction": [self._fills(ids, each) for ids, each in found]}
        logits = token_loss.chosen_logits(network, batch)
        hits = logits.argmax(dim=-1) == batch["wanted"]
        return token_loss.by_document(batch, {"loss": token_loss.token_losses(logits, batch), "hits": hits})

    def metrics(self) -> Mapping[str, Metric]:
        return {
            "perplexity": PERPLEXITY,
            "masked_accuracy": MASKED_ACCURACY,
        }

    def describe(self, record: Mapping[str, Any]) -> str:
        told = self.outcome(record)
        if "fills" in told:
            best = [f"{choices[0]['token']} ({choices[0]['score']:.2f})" for choices in told["fills"]]
            return ", ".join(best) or "no blanks"
        return f"{told['right']} of {told['hidden']} hidden tokens right"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        if "prediction" in record:
            return {"fills": record["prediction"]}
        return {"right": int(record["hits"]), "hidden": int(record["targets"])}

    def question(self) -> dict[str, Any]:
        return {"text": f"what a lovely {self.processor.mask_token} it was"}

    @classmethod
    def sample(cls) -> Columns:
        return {
            "text": [
                "what a lovely day it was when we walked to the market and back with all those people",
                "this is dreadful and i should go to bed before the phone rings again",
                "i could not be happier about the way things turned out this morning at work",
                "it is so sad that the summer is over and the house is quiet",
            ]
        }

    def _limit(self) -> int:
        if self.block_size is None:
            return token_limit(self.processor, self.max_length)
        own = int(self.processor.num_special_tokens_to_add())
        blocks.require_size("task.block_size", self.block_size, int(self.processor.model_max_length), least=own + 1)
        return self.block_size

    def _joined(self, texts: Iterator[Tokens]) -> Tokens:
        """The documents end to end, an end token between them."""
        end = Tokens.context([require_end_token(self.processor)])
        return Tokens.join([part for tokens in texts for part in (end, tokens)][1:])

    def _questions(self, rows: Columns) -> Columns:
        """Texts with blanks, as the tokenizer reads them."""
        ids = self.processor(
            rows["blanks"], truncation=True, return_attention_mask=False, return_token_type_ids=False, verbose=False
        )["input_ids"]
        return {"id": rows["id"], "length": [len(row) for row in ids], "input_ids": ids}

    def _fills(self, ids: Numbers, logits: Tensor) -> list[list[dict[str, Any]]]:
        return fills(self.processor, ids, logits, min(self.top_k, len(self.processor)))
