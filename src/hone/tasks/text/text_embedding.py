"""Text embedding: one vector per text, near the vectors of texts with a similar meaning.

It learns from pairs that belong together or from pairs with a similarity score. In the first case each text is pushed
away from the partners of the other rows of its batch and from the rows' `negative` texts, if there are any.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar, cast, final

import numpy as np
import torch
import torch.nn.functional as F
from datasets import Dataset
from torch import Tensor, nn
from transformers import PretrainedConfig

from hone.core.columns import read_column
from hone.core.draws import Draws
from hone.core.errors import UnsuitableRows, UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, Task
from hone.core.value_types import Count, FixedPooling, Positive
from hone.models.heads.pooled_model import Pooling
from hone.models.sentence_transformers import chosen_pooling, warn_of_pooling
from hone.tasks.metrics.retrieval import embedding_metrics, mark_rivals, partner_ranks, text_key
from hone.tasks.padding import group_parts, pad_inputs
from hone.tasks.targets.regression import Regression
from hone.tasks.text.shared.texts import text_faults, token_limit
from hone.tasks.usage_snippets import text_embedding_snippet

_PARTS = ("text", "text_pair", "negative")
"""The order in which the texts of a row are joined end to end."""


@final
@dataclass(eq=False)
class TextEmbedding(Task):
    """The text embedding task. Its fields are the options in `conf/task/text_embedding.yaml`."""

    pooling: FixedPooling = "auto"
    temperature: Positive = 0.05
    candidates: Count = 5000
    max_length: Count | None = None

    roles: ClassVar[tuple[str, ...]] = ("text", "text_pair")
    optional_roles: ClassVar[tuple[str, ...]] = ("label", "negative")
    targets: ClassVar[tuple[str, ...]] = ("text_pair", "label", "negative")
    auto_model: ClassVar[str] = "AutoModel"
    pipeline: ClassVar[str] = "feature-extraction"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        if "label" not in rows.column_names:
            return Facts("triplets" if "negative" in rows.column_names else "pairs")
        if names is not None or "negative" in rows.column_names:
            odd = "classes" if names is not None else "given beside a negative"
            raise UserError(
                f"dataset.columns.label: expected a similarity score for each pair, and these are {odd}. For pairs "
                f"that belong together set dataset.columns.label=null, and keep no other pairs."
            )
        return Facts("scores", numbers=_range(read_column(rows, "label")))

    def add_facts(self, facts: Facts, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        if facts.kind != "scores":
            return facts
        return Facts("scores", numbers=_range([*facts.numbers.values(), *read_column(rows, "label")]))

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        for role in _PARTS:
            if role in rows.column_names:
                yield from text_faults(rows, role)
        if "label" in rows.column_names:
            yield from Regression.find_faults(rows, facts)

    def check(self, facts: Facts) -> None:
        if facts.kind == "scores" and facts.numbers["low"] == facts.numbers["high"]:
            raise UnsuitableRows(
                f"all training pairs have the score {facts.numbers['low']:g}, so there is nothing to learn."
            )

    def model_config(self) -> dict[str, Any]:
        return {}

    def encode(self, rows: Columns) -> Columns:
        paired = "text_pair" in rows  # otherwise only one embedding is wanted, whatever the other columns
        roles = [role for role in _PARTS if role in rows] if paired else ["text"]
        texts = list(zip(*(self._tokenise(rows[role]) for role in roles), strict=True))
        encoded = {
            "id": rows["id"],
            "length": [sum(map(len, parts)) for parts in texts],
            "input_ids": [list(chain.from_iterable(parts)) for parts in texts],
            "sizes": [list(map(len, parts)) for parts in texts],
            "keys": [list(map(text_key, parts)) for parts in texts],
        }
        if paired and "label" in rows:
            encoded["label"] = [float(label) for label in rows["label"]]
        return encoded

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        split_rows = [group_parts(ids, sizes) for ids, sizes in zip(rows["input_ids"], rows["sizes"], strict=True)]
        texts = [text for part in zip(*split_rows, strict=True) for text in part]  # all queries, then all partners, …
        keys = np.array([np.asarray(row) for row in rows["keys"]]).T
        inputs = pad_inputs({"input_ids": texts}, self.processor, None, None)
        batch: Batch = {"id": rows["id"], "inputs": inputs, "parts": len(keys), "keys": keys}
        if len(keys) > 1 and self.facts.kind != "scores":
            batch["rivals"] = torch.from_numpy(mark_rivals(keys))
        return batch | ({"label": torch.tensor(np.asarray(rows["label"]))} if "label" in rows else {})

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return self._losses(self._embed(network, batch), batch).mean()

    def count_targets(self, batch: Batch) -> float:
        return float(len(batch["id"]))

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        embeddings = self._embed(network, batch)
        query, *others = (part.cpu().numpy() for part in embeddings)
        predictions: Columns = {"id": batch["id"], "prediction": query}
        for name, other in zip(("similarity", "negative_similarity"), others, strict=False):
            predictions[name] = np.einsum("rd,rd->r", query, other)
        if "rivals" in batch:
            predictions |= {"partner": others[0], "query_key": batch["keys"][0], "partner_key": batch["keys"][1]}
        if "label" in batch:
            predictions["label"] = batch["label"].cpu().numpy()
        if not {"label", "rivals"} & batch.keys():
            return predictions
        losses = self._losses(embeddings, batch).cpu().double().numpy()
        return predictions | {"loss": losses, "targets": np.ones(len(losses))}

    def merge(self, predictions: Columns) -> Columns:
        if "partner" not in predictions:
            return predictions
        kept = dict(predictions)
        partner, query_key, partner_key = (kept.pop(name) for name in ("partner", "query_key", "partner_key"))
        return kept | {"rank": partner_ranks(kept["prediction"], partner, query_key, partner_key, self.candidates)}

    @property
    def independent_rows(self) -> bool:
        return False

    @property
    def monitor(self) -> str:
        return "spearman" if self.facts.kind == "scores" else "mrr"

    def metrics(self) -> Mapping[str, Metric]:
        return embedding_metrics(self.facts.kind)

    def describe(self, record: Mapping[str, Any]) -> str:
        if "similarity" not in record:
            return f"{len(record['prediction'])} numbers"
        rank = f", its partner has rank {int(record['rank'])}" if "rank" in record else ""
        return f"cosine {float(record['similarity']):.3f}{rank}"

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        similarity = {"similarity": float(record["similarity"])} if "similarity" in record else {}
        return {**similarity, "embedding": [float(number) for number in record["prediction"]]}

    def read_config(self, config: PretrainedConfig) -> None:
        self.pooling = cast(FixedPooling, chosen_pooling(self.pooling, config))

    def check_network(self, network: Any) -> None:
        warn_of_pooling("task.pooling", self.pooling, network)

    def facts_from_config(self, config: PretrainedConfig) -> Facts:
        return Facts("pairs")

    def example(self, place: str) -> str:
        return text_embedding_snippet(place, [self.sample()[role][0] for role in _PARTS], self.pooling)

    @classmethod
    def sample(cls) -> Columns:
        return {
            "text": ["what a lovely day", "this is dreadful", "i could not be happier", "so sad it is over"],
            "text_pair": ["the weather is fine", "how awful", "i am very glad", "a pity that it ends here"],
            "negative": ["it rains all day", "how nice", "i am worried", "good that it is over at last"],
        }

    def _tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        limit = token_limit(self.processor, self.max_length)
        options = {"return_attention_mask": False, "return_token_type_ids": False, "verbose": False}
        ids: list[list[int]] = self.processor(texts, truncation=True, max_length=limit, **options)["input_ids"]
        return ids

    def _embed(self, network: nn.Module, batch: Batch) -> tuple[Tensor, ...]:
        """Return the embeddings of each part, of length 1; one pass reads all texts of a batch."""
        states = network(**batch["inputs"]).last_hidden_state.float()
        pooled = Pooling(self.pooling, states.shape[-1])(states, batch["inputs"]["attention_mask"])
        return F.normalize(pooled, dim=-1).chunk(batch["parts"])

    def _losses(self, embeddings: Sequence[Tensor], batch: Batch) -> Tensor:
        """Return the loss of each row."""
        query, *others = embeddings
        if self.facts.kind == "scores":
            low, high = self.facts.numbers["low"], self.facts.numbers["high"]
            wanted = (batch["label"].to(query) - low) / (high - low)
            return F.mse_loss((query * others[0]).sum(dim=-1), wanted, reduction="none")
        with torch.autocast(
            query.device.type, enabled=False
        ):  # dividing by the temperature magnifies the rounding of bf16
            cosines = query @ torch.cat(others).T
        logits = (cosines / self.temperature).masked_fill(~batch["rivals"], -torch.inf)
        return F.cross_entropy(logits, torch.arange(len(query), device=query.device), reduction="none")


def _range(labels: Sequence[Any]) -> dict[str, float]:
    """Return the lowest and the highest score; labels that are not numbers are reported later, as faults."""
    numbers = [float(label) for label in labels if isinstance(label, int | float) and np.isfinite(label)] or [0.0]
    return {"low": min(numbers), "high": max(numbers)}
