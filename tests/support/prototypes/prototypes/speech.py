"""Speech recognition by CTC: the processor is made from the facts, and inputs are floats of any length."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import torch
import transformers
from datasets import Dataset
from torch import Tensor, nn
from transformers import (
    PretrainedConfig,
    PreTrainedModel,
    Wav2Vec2Config,
    Wav2Vec2CTCTokenizer,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Processor,
)

from hone.core.draws import Draws
from hone.core.metric import Columns, Metric, SumMetric
from hone.core.task import Batch, Facts, Fault, Task
from hone.models.checkpoint import Checkpoint
from hone.tasks.padding import attention_mask, pad_rows


@final
@dataclass(frozen=True)
class TinyWav2Vec2(Checkpoint):
    """A wav2vec 2.0 of one layer whose vocabulary is the letters of the training rows."""

    lr: float = 3e-3
    name: ClassVar[str] = "tiny_wav2vec2"

    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        return Wav2Vec2Config(
            hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=64, conv_dim=(16, 16),
            conv_stride=(5, 4), conv_kernel=(10, 8), num_feat_extract_layers=2, num_conv_pos_embeddings=4,
            num_conv_pos_embedding_groups=2, mask_time_prob=0.0, ctc_loss_reduction="sum", **changes,
        )  # fmt: skip

    def make_processor(self, auto_class: str, facts: Facts) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            vocabulary = {piece: index for index, piece in enumerate(["<pad>", "<unk>", "|", *facts.labels])}
            (Path(folder) / "vocab.json").write_text(json.dumps(vocabulary))
            tokenizer = Wav2Vec2CTCTokenizer(str(Path(folder) / "vocab.json"), pad_token="<pad>", unk_token="<unk>")
        return Wav2Vec2Processor(Wav2Vec2FeatureExtractor(sampling_rate=8000), tokenizer)

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        return getattr(transformers, auto_class).from_config(config)

    def fingerprint(self) -> str:
        return self.name


@final
@dataclass(eq=False)
class Speech(Task):
    """Transcribe audio letter by letter."""

    roles: ClassVar[tuple[str, ...]] = ("audio", "text")
    auto_model: ClassVar[str] = "AutoModelForCTC"
    pipeline: ClassVar[str] = "automatic-speech-recognition"
    auto_processor: ClassVar[str] = "AutoProcessor"
    monitor: ClassVar[str] = "wrong_letters"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return Facts("letters", tuple(sorted({letter for text in rows["text"] for letter in text})))

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        for place, samples in enumerate(rows["audio"]):
            if len(samples) < 200:
                yield Fault(place, "audio", "too short")

    def check(self, facts: Facts) -> None: ...

    def model_config(self) -> dict[str, Any]:
        return {"vocab_size": len(self.processor.tokenizer), "pad_token_id": self.processor.tokenizer.pad_token_id}

    def encode(self, rows: Columns) -> Columns:
        values = self.processor(audio=rows["audio"], sampling_rate=8000)["input_values"]
        labels = [self.processor.tokenizer(text)["input_ids"] for text in rows["text"]]
        return {
            "id": rows["id"],
            "length": [len(row) for row in values],
            "values": values,
            "label": labels,
            "text": rows["text"],
        }

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        lengths = np.array([len(row) for row in rows["values"]])
        values = torch.zeros(len(lengths), int(lengths.max()))
        for place, row in enumerate(rows["values"]):
            values[place, : len(row)] = torch.tensor(np.asarray(row))
        inputs = {"input_values": values, "attention_mask": attention_mask(lengths, int(lengths.max()))}
        labels = pad_rows(rows["label"], -100, max(len(row) for row in rows["label"]))
        return {"id": rows["id"], "text": rows["text"], "inputs": inputs, "labels": labels}

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return network(**batch["inputs"], labels=batch["labels"]).loss / self.count_targets(batch)

    def count_targets(self, batch: Batch) -> float:
        return float((batch["labels"] != -100).sum())

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        output = network(**batch["inputs"], labels=batch["labels"])
        targets = (batch["labels"] != -100).sum(dim=1).double().cpu().numpy()
        return {
            "id": batch["id"],
            "label": batch["text"],
            "prediction": self.processor.batch_decode(output.logits.argmax(dim=-1)),
            "loss": np.full(len(targets), float(output.loss) / len(targets)),
            "targets": targets,
        }

    def metrics(self) -> Mapping[str, Metric]:
        def wrong_letters(records: Columns) -> list[tuple[int, int]]:
            pairs = zip(records["prediction"], records["label"], strict=True)
            return [(_count_wrong(text, true), len(true)) for text, true in pairs]

        return {"wrong_letters": SumMetric(wrong_letters, higher_is_better=False)}

    def describe(self, record: Mapping[str, Any]) -> str:
        return str(record["prediction"])

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"text": self.describe(record)}

    @classmethod
    def sample(cls) -> Columns:
        rng = np.random.default_rng(0)
        texts = [text for text in ("ab", "ba", "aab", "bba") for _ in range(12)]
        time = np.arange(400) / 8000
        tone = {"a": np.sin(2 * np.pi * 300 * time), "b": np.sin(2 * np.pi * 1500 * time)}
        return {
            "audio": [
                np.concatenate([tone[letter] for letter in text]) + 0.1 * rng.standard_normal(400 * len(text))
                for text in texts
            ],
            "text": texts,
        }


def _count_wrong(text: str, true: str) -> int:
    """Count the letters of the true text that the transcript does not have at the same place."""
    return sum(letter != right for letter, right in zip(text.ljust(len(true)), true, strict=False))
