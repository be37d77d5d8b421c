"""Causal language modelling: predict each token from those before it. Given a prompt, the model continues it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
from datasets import Dataset
from torch import nn

from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts
from hone.core.value_types import Count, Index, Positive, Share
from hone.models.compatibility import end_token
from hone.tasks.metrics.scalars import BITS_PER_BYTE, PERPLEXITY
from hone.tasks.padding import pad_right
from hone.tasks.text.shared.documents import (
    CONTEXT,
    Numbers,
    Tokens,
    document_bytes,
    encode_documents,
    find_frame,
    plain_token_ids,
    require_end_token,
    require_size,
    token_owners,
    tokenise_texts,
    trailing_bytes,
)
from hone.tasks.text.shared.generation import Decoding, continue_prompts
from hone.tasks.text.shared.language_model import (
    LanguageModel,
    require_causal,
    sum_by_document,
    target_logits,
    token_losses,
    with_targets,
)
from hone.tasks.usage_snippets import pipeline_snippet, to_literal

_OPENING = 12
"""The most tokens of a text without a prompt that `show` has the model continue."""


@final
@dataclass(eq=False)
class CausalLM(LanguageModel):
    """The causal language modelling task. Its fields are the options in `conf/task/causal_lm.yaml`."""

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
        """The most tokens of a row."""
        option = "task.block_size" if self.block_size else "task.max_length"
        longest = int(self.processor.model_max_length)
        size = self.block_size or self.max_length or longest
        require_size(option, size, longest, least=2)
        return size

    @property
    def start(self) -> list[int]:
        """What a document begins with: the tokenizer's own start, or an end token, as if another came before it."""
        end = end_token(self.processor)
        return find_frame(self.processor)[0] or ([] if end is None else [end])

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        if self.block_size and "prompt" in rows.column_names:
            raise UserError(
                "task.block_size: blocks run across rows, so prompts cannot be used with them; set "
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
            return self._encode_prompts(rows)
        texts = tokenise_texts(self.processor, rows["text"], rows["id"])
        if self.block_size:
            return encode_documents([(int(rows["id"][0]), self._join_into_blocks(rows, texts))])
        if "prompt" in rows:
            prompts = plain_token_ids(self.processor, rows["prompt"])
        else:
            prompts = [np.array([], dtype=np.int64)] * len(rows["id"])
        end, start, limit = end_token(self.processor), self.start, self.limit
        documents = []
        for number, text, tokens, prompt in zip(rows["id"], rows["text"], texts, prompts, strict=True):
            closing = _end_tokens(end, number, trailing_bytes(text, tokens))
            whole = Tokens.join([Tokens.context([*start, *prompt]), tokens, closing])
            documents.append((int(number), list(whole.split(limit, overlap=1))))
        return encode_documents(documents)

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        ids = [np.asarray(row, dtype=np.int64) for row in rows["input_ids"]]
        batch: Batch = {"id": rows["id"], "seed": int(draws.batch.integers(2**31)), "rows": ids}
        batch["inputs"] = pad_right(ids, self.processor.pad_token_id)
        if "owners" not in rows:
            return batch
        owner = token_owners(rows)
        row_of, place = np.nonzero(owner != CONTEXT)
        wanted = batch["inputs"]["input_ids"].numpy()[row_of, place]
        batch |= {"owner": owner, "texts": document_bytes(rows)}
        return with_targets(batch, row_of, place, wanted, before=1)

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        if "wanted" not in batch:
            return {"id": batch["id"], "prediction": self._continue(network, batch["rows"], batch["seed"])}
        losses = token_losses(target_logits(network, batch), batch)
        return sum_by_document(batch, {"loss": losses})

    def metrics(self) -> Mapping[str, Metric]:
        return {"perplexity": PERPLEXITY, "bits_per_byte": BITS_PER_BYTE}

    def show(self, network: nn.Module, batch: Batch) -> list[str]:
        openings = [self._opening(ids, owner) for ids, owner in zip(batch["rows"], batch["owner"], strict=True)]
        texts = self.processor.batch_decode(openings, skip_special_tokens=True)
        continuations = self._continue(network, openings, batch["seed"])
        return [f"{text} → {continuation}" for text, continuation in zip(texts, continuations, strict=True)]

    def describe(self, record: Mapping[str, Any]) -> str:
        if "prediction" in record:
            return str(record["prediction"])
        outcome = self.outcome(record)
        return f"perplexity {outcome['perplexity']:.2f} over {outcome['tokens']} tokens"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        if "prediction" in record:
            return {"text": str(record["prediction"])}
        columns = {name: [value] for name, value in record.items()}
        return {"perplexity": PERPLEXITY.compute(columns), "tokens": int(record["targets"])}

    def example(self, place: str) -> str:
        options = self._decoding(int(self.processor.model_max_length)).options()
        arguments = "".join(f", {name}={value}" for name, value in options.items())
        return pipeline_snippet(self.pipeline, place, to_literal(self.question()["text"]) + arguments)

    @classmethod
    def sample(cls) -> Columns:
        return {"text": ["what a lovely day it is", "this is dreadful", "i could not be happier", "so sad it is over"]}

    def _join_into_blocks(self, rows: Columns, texts: Iterator[Tokens]) -> list[Tokens]:
        """Return the documents end to end, split into blocks; the rest of each encoded batch is a shorter block."""
        end, start = require_end_token(self.processor), Tokens.context(find_frame(self.processor)[0])
        stretch: list[Tokens] = []
        for number, text, tokens in zip(rows["id"], rows["text"], texts, strict=True):
            opening = start if stretch else Tokens.context(self.start)
            stretch += [opening, tokens, _end_tokens(end, number, trailing_bytes(text, tokens))]
        return list(Tokens.join(stretch).split(self.limit, overlap=1))

    def _encode_prompts(self, rows: Columns) -> Columns:
        """Return prompts as the tokenizer reads them, but without its end."""
        frame, start = find_frame(self.processor)[0], np.array(self.start, dtype=np.int64)
        prompts = [np.array([*frame, *ids], dtype=np.int64) for ids in plain_token_ids(self.processor, rows["prompt"])]
        kept = [ids if len(ids) else start for ids in prompts]
        return {"id": rows["id"], "length": [len(ids) for ids in kept], "input_ids": kept}

    def _opening(self, ids: Numbers, owner: Numbers) -> Numbers:
        """Return the prompt of a row or, if it has none, the first part of its text."""
        text = np.flatnonzero(owner != CONTEXT)
        first = int(text[0]) if len(text) else len(ids)
        has_prompt = first > len(self.start)
        return ids[: first if has_prompt else first + min(_OPENING, max(1, len(text) // 3))]

    def _continue(self, network: nn.Module, prompts: list[Numbers], seed: int) -> list[str]:
        """Continue the prompts; of a prompt that leaves no room, only the last part is read."""
        limit = int(self.processor.model_max_length)
        decoding = self._decoding(limit)
        readable = [ids[decoding.max_new_tokens - limit :] for ids in prompts]
        return continue_prompts(network, self.processor, readable, decoding, seed)

    def _decoding(self, limit: int) -> Decoding:
        new_tokens = min(self.max_new_tokens, limit - 1)
        return Decoding(new_tokens, self.do_sample, self.temperature, self.top_p, self.num_beams)


def _end_tokens(token: int | None, number: int, size: int) -> Tokens:
    """Return the end token of a document, or nothing. It is predicted too, and `size` bytes are counted for it."""
    count = 0 if token is None else 1
    return Tokens(*(np.full(count, value, dtype=np.int64) for value in (token or 0, number, size, 1)))
