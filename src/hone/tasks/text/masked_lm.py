"""Masked language modelling: predict hidden tokens from those around them. Given blanks, the model fills them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from torch import Tensor, nn

from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts
from hone.core.value_types import Count, PartialShare
from hone.tasks.metrics.scalars import MASKED_ACCURACY, PERPLEXITY
from hone.tasks.padding import pad_right
from hone.tasks.text.shared.documents import (
    CONTEXT,
    Numbers,
    Tokens,
    document_bytes,
    encode_documents,
    find_frame,
    require_end_token,
    require_size,
    token_owners,
    tokenise_texts,
)
from hone.tasks.text.shared.language_model import (
    LanguageModel,
    sum_by_document,
    target_logits,
    token_losses,
    with_targets,
)
from hone.tasks.text.shared.masking import Fill, Masking, fill_blanks
from hone.tasks.text.shared.texts import token_limit


@final
@dataclass(eq=False)
class MaskedLM(LanguageModel):
    """The masked language modelling task. Its fields are the options in `conf/task/masked_lm.yaml`."""

    probability: PartialShare = 0.15
    whole_words: bool = False
    top_k: Count = 5

    auto_model: ClassVar[str] = "AutoModelForMaskedLM"
    pipeline: ClassVar[str] = "fill-mask"

    def check(self, facts: Facts) -> None:
        if not self.probability:
            raise UserError("task.probability=0: no token would be hidden; the usual value is 0.15.")

    def configure_processor(self, processor: Any) -> None:
        if processor.mask_token_id is None:
            raise UserError(
                "checkpoint: its tokenizer has no mask token, so no token can be hidden; choose one that was trained "
                "this way, such as checkpoint=distilbert, or task=causal_lm."
            )

    def without_targets(self, rows: Columns) -> Columns:
        return {"blanks" if name == "text" else name: values for name, values in rows.items()}

    def encode(self, rows: Columns) -> Columns:
        if "text" not in rows:
            return self._encode_blanks(rows)
        first, last = (Tokens.context(ids) for ids in find_frame(self.processor))
        room = self._limit() - len(first) - len(last)
        texts = tokenise_texts(self.processor, rows["text"], rows["id"])
        if self.block_size:
            stretches = [(int(rows["id"][0]), self._join(texts))]
        else:
            stretches = [(int(number), tokens) for number, tokens in zip(rows["id"], texts, strict=True)]
        documents = []
        for number, tokens in stretches:
            pieces = [Tokens.join([first, piece, last]) for piece in tokens.split(room, overlap=0)]
            documents.append((number, pieces))
        return encode_documents(documents, words=self.whole_words)

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        ids = [np.asarray(row, dtype=np.int64) for row in rows["input_ids"]]
        if "owners" not in rows:
            return {"id": rows["id"], "rows": ids, "inputs": pad_right(ids, self.processor.pad_token_id)}
        masking = Masking(self.probability, self.whole_words, self.processor.mask_token_id, len(self.processor))
        owner = token_owners(rows)
        hidden, places = [], []
        for row, row_ids in enumerate(ids):
            maskable = (owner[row, : len(row_ids)] != CONTEXT) & (row_ids != masking.mask)
            begins = np.asarray(rows["begins"][row]) if self.whole_words else np.ones_like(row_ids)
            hidden_ids, hidden_places = masking.hide(row_ids, maskable, begins, draws.row(row))
            hidden.append(hidden_ids)
            places.append(hidden_places)
        inputs = pad_right(hidden, self.processor.pad_token_id)
        batch: Batch = {"id": rows["id"], "inputs": inputs, "owner": owner, "texts": document_bytes(rows)}
        row_of = np.repeat(np.arange(len(ids)), [len(row_places) for row_places in places])
        wanted = np.concatenate([row_ids[row_places] for row_ids, row_places in zip(ids, places, strict=True)])
        return with_targets(batch, row_of, np.concatenate(places), wanted)

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        if "wanted" not in batch:
            logits = network(**batch["inputs"]).logits
            fills = [self._fill(ids, row_logits) for ids, row_logits in zip(batch["rows"], logits, strict=True)]
            return {"id": batch["id"], "prediction": fills}
        logits = target_logits(network, batch)
        hits = logits.argmax(dim=-1) == batch["wanted"]
        return sum_by_document(batch, {"loss": token_losses(logits, batch), "hits": hits})

    def metrics(self) -> Mapping[str, Metric]:
        return {"perplexity": PERPLEXITY, "masked_accuracy": MASKED_ACCURACY}

    def describe(self, record: Mapping[str, Any]) -> str:
        outcome = self.outcome(record)
        if "fills" in outcome:
            best = [f"{fills[0]['token']} ({fills[0]['score']:.2f})" for fills in outcome["fills"]]
            return ", ".join(best) or "no blanks"
        return f"{outcome['right']} of {outcome['hidden']} hidden tokens right"

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
        """Return the most tokens of a row."""
        if self.block_size is None:
            return token_limit(self.processor, self.max_length)
        special = int(self.processor.num_special_tokens_to_add())
        require_size("task.block_size", self.block_size, int(self.processor.model_max_length), least=special + 1)
        return self.block_size

    def _join(self, texts: Iterator[Tokens]) -> Tokens:
        """Return the documents end to end, with an end token between them."""
        end = Tokens.context([require_end_token(self.processor)])
        return Tokens.join([part for tokens in texts for part in (end, tokens)][1:])

    def _encode_blanks(self, rows: Columns) -> Columns:
        """Return texts with blanks as the tokenizer reads them."""
        ids = self.processor(
            rows["blanks"], truncation=True, return_attention_mask=False, return_token_type_ids=False, verbose=False
        )["input_ids"]
        return {"id": rows["id"], "length": [len(row) for row in ids], "input_ids": ids}

    def _fill(self, ids: Numbers, logits: Tensor) -> list[list[Fill]]:
        return fill_blanks(self.processor, ids, logits, min(self.top_k, len(self.processor)))
