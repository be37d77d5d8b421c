"""Causal language modelling: every token from those before it; given a prompt, the model writes on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from datasets import Dataset
from torch import nn

from hone.core.errors import UserError
from hone.core.metric import Metric
from hone.core.task import Batch, Columns, Facts
from hone.core.value_types import Count, Index, Positive, Share
from hone.models.compatibility import end_token
from hone.tasks import usage
from hone.tasks.metrics.scalars import BITS_PER_BYTE, PERPLEXITY
from hone.tasks.text.shared import documents as blocks
from hone.tasks.text.shared import language_model as token_loss
from hone.tasks.text.shared import padding
from hone.tasks.text.shared.documents import (
    CONTEXT,
    Numbers,
    Tokens,
    frame,
    plain_ids,
    require_end_token,
    rest,
    tokenised,
)
from hone.tasks.text.shared.generation import Writing, write
from hone.tasks.text.shared.language_model import LanguageModel, require_causal

_OPENING = 12
"""The tokens of a text without a prompt that the model goes on from when it shows what it can do."""


@final
@dataclass(eq=False)
class CausalLM(LanguageModel):
    """The options are the fields; `conf/task/causal_lm.yaml` says what each does."""

    max_new_tokens: Count = 40
    do_sample: bool = False
    temperature: Positive = 1.0
    top_p: Share = 1.0
    num_beams: Count = 1
    shown: Index = 3

    optional_roles: ClassVar[tuple[str, ...]] = ("prompt",)
    auto_model: ClassVar[str] = "AutoModelForCausalLM"
    pipeline: ClassVar[str] = "text-generation"

    @property
    def limit(self) -> int:
        """The tokens of a row."""
        place = "task.block_size" if self.block_size else "task.max_length"
        most = int(self.processor.model_max_length)
        size = self.block_size or self.max_length or most
        blocks.require_size(place, size, most, least=2)
        return size

    @property
    def start(self) -> list[int]:
        """What a document begins with: the tokenizer's own way, or an end token, as if another came before it."""
        end = end_token(self.processor)
        return frame(self.processor)[0] or ([] if end is None else [end])

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        if self.block_size and "prompt" in rows.column_names:
            raise UserError(
                "task.block_size: blocks run on over all rows, so prompts have no place in them; say "
                "task.block_size=null, or dataset.columns.prompt=null."
            )
        return super().find_facts(rows, names)

    def check(self, facts: Facts) -> None: ...

    def check_network(self, network: Any) -> None:
        require_causal(network, len(self.processor))

    def without_targets(self, rows: Columns) -> Columns:
        kept = {name: values for name, values in rows.items() if name != "text"}
        return {"prompt": rows["text"], **kept} if "text" in rows else kept

    def encode(self, rows: Columns) -> Columns:
        if "text" not in rows:
            return self._questions(rows)
        texts = tokenised(self.processor, rows["text"], rows["id"])
        if self.block_size:
            return blocks.rows([(int(rows["id"][0]), self._blocks(rows, texts))])
        prompts = plain_ids(self.processor, rows["prompt"]) if "prompt" in rows else [np.array([])] * len(rows["id"])
        end, start, limit = end_token(self.processor), self.start, self.limit
        documents = []
        for number, text, tokens, prompt in zip(rows["id"], rows["text"], texts, prompts, strict=True):
            whole = [Tokens.context([*start, *prompt]), tokens, _end(end, number, rest(text, tokens))]
            documents.append((int(number), list(Tokens.join(whole).cut(limit, overlap=1))))
        return blocks.rows(documents)

    def collate(self, rows: Columns, rng: np.random.Generator) -> Batch:
        ids = [np.asarray(row, dtype=np.int64) for row in rows["input_ids"]]
        batch: Batch = {"id": rows["id"], "seed": int(rng.integers(2**31)), "rows": ids}
        batch["inputs"] = padding.on_the_right(ids, self.processor.pad_token_id)
        if "owners" not in rows:
            return batch
        owner = blocks.owners(rows)
        row_of, place = np.nonzero(owner != CONTEXT)
        wanted = batch["inputs"]["input_ids"].numpy()[row_of, place]
        batch |= {"owner": owner, "texts": blocks.texts(rows)}
        return token_loss.chosen(batch, row_of, place, wanted, before=1)

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        if "wanted" not in batch:
            return {"id": batch["id"], "prediction": self._written(network, batch["rows"], batch["seed"])}
        losses = token_loss.token_losses(token_loss.chosen_logits(network, batch), batch)
        return token_loss.by_document(batch, {"loss": losses})

    def metrics(self) -> Mapping[str, Metric]:
        return {
            "perplexity": PERPLEXITY,
            "bits_per_byte": BITS_PER_BYTE,
        }

    def show(self, network: nn.Module, batch: Batch) -> list[str]:
        openings = [self._opening(ids, owner) for ids, owner in zip(batch["rows"], batch["owner"], strict=True)]
        said = self.processor.batch_decode(openings, skip_special_tokens=True)
        return [f"{a} → {b}" for a, b in zip(said, self._written(network, openings, batch["seed"]), strict=True)]

    def describe(self, record: Mapping[str, Any]) -> str:
        if "prediction" in record:
            return str(record["prediction"])
        told = self.outcome(record)
        return f"perplexity {told['perplexity']:.2f} over {told['tokens']} tokens"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        if "prediction" in record:
            return {"text": str(record["prediction"])}
        alone = {name: [value] for name, value in record.items()}
        return {"perplexity": PERPLEXITY.compute(alone), "tokens": int(record["targets"])}

    def example(self, place: str) -> str:
        text, how = usage.quoted(self.question()["text"]), self._writing(int(self.processor.model_max_length))
        told = "".join(f", {name}={value}" for name, value in how.options().items())
        return usage.by_pipeline(self.pipeline, place, text + told)

    @classmethod
    def sample(cls) -> Columns:
        return {"text": ["what a lovely day it is", "this is dreadful", "i could not be happier", "so sad it is over"]}

    def _blocks(self, rows: Columns, texts: Iterator[Tokens]) -> list[Tokens]:
        """The documents end to end; what is over at the end of a batch of them becomes a shorter block."""
        end, own = require_end_token(self.processor), Tokens.context(frame(self.processor)[0])
        stretch: list[Tokens] = []
        for number, text, tokens in zip(rows["id"], rows["text"], texts, strict=True):
            stretch += [own if stretch else Tokens.context(self.start), tokens, _end(end, number, rest(text, tokens))]
        return list(Tokens.join(stretch).cut(self.limit, overlap=1))

    def _questions(self, rows: Columns) -> Columns:
        """Prompts as the tokenizer reads them, but without an end."""
        own, start = frame(self.processor)[0], np.array(self.start, dtype=np.int64)
        prompts = [np.array([*own, *ids], dtype=np.int64) for ids in plain_ids(self.processor, rows["prompt"])]
        kept = [ids if len(ids) else start for ids in prompts]
        return {"id": rows["id"], "length": [len(ids) for ids in kept], "input_ids": kept}

    def _opening(self, ids: Numbers, owner: Numbers) -> Numbers:
        """The prompt of a row; where it has none, the first part of its text."""
        text = np.flatnonzero(owner != CONTEXT)
        first = int(text[0]) if len(text) else len(ids)
        return ids[: first if first > len(self.start) else first + min(_OPENING, max(1, len(text) // 3))]

    def _written(self, network: nn.Module, prompts: list[Numbers], seed: int) -> list[str]:
        """Of a prompt that leaves no room the last part is read."""
        most = int(self.processor.model_max_length)
        how = self._writing(most)
        return write(network, self.processor, [ids[how.max_new_tokens - most :] for ids in prompts], how, seed)

    def _writing(self, most: int) -> Writing:
        new = min(self.max_new_tokens, most - 1)
        return Writing(new, self.do_sample, self.temperature, self.top_p, self.num_beams)


def _end(token: int | None, number: int, size: int) -> Tokens:
    """The token behind a document, which is foretold too and stands for what its last token left."""
    count = 0 if token is None else 1
    each = (np.full(count, value, dtype=np.int64) for value in (token or 0, number, size, 1))
    return Tokens(*each)
