"""Text classification: predict one label, any number of labels, or a number for a text or a pair of texts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, final

from datasets import Dataset
from torch import Tensor

from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.metric import Columns
from hone.core.task import Batch, Facts, Fault
from hone.core.value_types import Count
from hone.tasks.targets.classification import Classification
from hone.tasks.text.shared.padding import pad_inputs, stack_features
from hone.tasks.text.shared.texts import require_padded_room, require_room, require_uncut_room, text_faults, token_limit
from hone.tasks.usage_snippets import pipeline_snippet, to_literal


@final
@dataclass(eq=False)
class TextClassification(Classification):
    """The text classification task. Its fields are the options in `conf/task/text_classification.yaml`."""

    max_length: Count | None = None
    truncation: Literal["longest_first", "only_first", "only_second", "do_not_truncate"] = "longest_first"
    truncation_side: Literal["right", "left"] = "right"
    padding: Literal["longest", "max_length"] = "longest"
    pad_to_multiple_of: Count | None = None

    roles: ClassVar[tuple[str, ...]] = ("text", "label")
    optional_roles: ClassVar[tuple[str, ...]] = ("text_pair",)
    auto_model: ClassVar[str] = "AutoModelForSequenceClassification"
    pipeline: ClassVar[str] = "text-classification"

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        for role in ("text", "text_pair"):
            if role in rows.column_names:
                yield from text_faults(rows, role)
        yield from self.label_faults(rows, facts)

    def configure_processor(self, processor: Any) -> None:
        processor.truncation_side = self.truncation_side

    def encode(self, rows: Columns) -> Columns:
        limit = token_limit(self.processor, self.max_length)
        cuts = self.truncation != "do_not_truncate"
        self._require_uncut_room(rows, limit)
        tokens = self.processor(
            rows["text"],
            rows.get("text_pair"),
            truncation=self.truncation if cuts else False,
            max_length=limit if cuts else None,
            return_attention_mask=False,
            return_token_type_ids="text_pair" in rows and "token_type_ids" in self.processor.model_input_names,
            verbose=False,
        )
        lengths = [len(ids) for ids in tokens["input_ids"]]
        require_room(rows["id"], "text", lengths, limit, f"task.truncation={self.truncation}")
        width = limit if self.padding == "max_length" else max(lengths)
        require_padded_room(self.processor, width, self.pad_to_multiple_of)
        return {"id": rows["id"], "length": lengths, **tokens, **self.encode_labels(rows)}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        return {"id": rows["id"], "inputs": self._inputs(rows), **self.label_tensor(rows)}

    def example(self, place: str) -> str:
        note = '  # for a pair of texts: {"text": "…", "text_pair": "…"}'
        return pipeline_snippet(self.pipeline, place, to_literal(self.question()["text"])) + note

    @classmethod
    def sample(cls) -> Columns:
        return {
            "text": ["what a lovely day", "this is dreadful", "i could not be happier", "so sad it is over"],
            "label": ["good", "bad", "good", "bad"],
        }

    def _require_uncut_room(self, rows: Columns, limit: int) -> None:
        """Raise an error if the half of a pair that is never cut is too long."""
        if self.truncation not in ("only_first", "only_second"):
            return
        uncut = "text_pair" if self.truncation == "only_first" else "text"
        if "text_pair" in rows:
            require_uncut_room(self.processor, rows["id"], uncut, rows[uncut], limit, self.truncation)
        elif uncut == "text":
            raise UserError(
                "task.truncation=only_second: the rows have no second text (dataset.columns.text_pair). "
                "Use task.truncation=longest_first."
            )

    def _inputs(self, rows: Columns) -> dict[str, Tensor]:
        if "features" in rows:
            return stack_features(rows["features"])
        return pad_inputs(
            rows,
            self.processor,
            width=token_limit(self.processor, self.max_length) if self.padding == "max_length" else None,
            multiple=self.pad_to_multiple_of,
        )
