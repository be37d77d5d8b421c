"""Classes of pictures, which are read when a batch is made: only then a file turns out to be damaged."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import torch
import transformers
from datasets import Dataset
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import PretrainedConfig, PreTrainedModel, ViTConfig, ViTImageProcessorPil

from hone.core.draws import Draws
from hone.core.metric import Columns, Metric, PlainMetric
from hone.core.task import Batch, Facts, Fault, MediaKind, Task
from hone.data.media.file import MediaFile
from hone.models.checkpoint import Checkpoint

SIDE = 8


@final
@dataclass(frozen=True)
class ToyVit(Checkpoint):
    """A vision transformer of one layer for pictures of 8 by 8 pixels."""

    lr: float = 5e-3
    name: ClassVar[str] = "toy_vit"

    def config(self, changes: Mapping[str, Any]) -> PretrainedConfig:
        return ViTConfig(
            hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16, image_size=SIDE,
            patch_size=4, hidden_dropout_prob=0.1, **changes,
        )  # fmt: skip

    def make_processor(self, auto_class: str, facts: Facts) -> Any:
        return ViTImageProcessorPil(size={"height": SIDE, "width": SIDE})

    def network(self, auto_class: str, config: PretrainedConfig) -> PreTrainedModel:
        return getattr(transformers, auto_class).from_config(config)

    def fingerprint(self) -> str:
        return self.name


@final
@dataclass(eq=False)
class Pictures(Task):
    """Tell pictures apart. The first bytes alone are checked beforehand."""

    roles: ClassVar[tuple[str, ...]] = ("image", "label")
    media: ClassVar[Mapping[str, MediaKind]] = {"image": "image"}
    unit: ClassVar[str] = "patches"
    auto_model: ClassVar[str] = "AutoModelForImageClassification"
    pipeline: ClassVar[str] = "image-classification"
    auto_processor: ClassVar[str] = "AutoImageProcessor"
    monitor: ClassVar[str] = "accuracy"

    def find_facts(self, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return Facts("classes", tuple(sorted({str(label) for label in rows["label"]})))

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        for row, stored in enumerate(rows["image"]):
            with MediaFile.of(stored, row, "image").open() as file:
                if not file.read(1):
                    yield Fault(row, "image", f"{stored['path']}: the file is empty")

    def check(self, facts: Facts) -> None: ...

    def model_config(self) -> dict[str, Any]:
        names = dict(enumerate(self.facts.labels))
        return {"num_labels": len(names), "id2label": names, "label2id": {name: row for row, name in names.items()}}

    def encode(self, rows: Columns) -> Columns:
        encoded = {"id": rows["id"], "length": [4] * len(rows["id"])}
        if "label" in rows:
            encoded["label"] = [self.facts.labels.index(str(label)) for label in rows["label"]]
        return encoded

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        pictures = [read(file) for file in rows["image"]]
        for place, picture in enumerate(pictures):
            if draws.training and draws.row(place).random() < 0.5:
                pictures[place] = picture[:, ::-1]
        values = torch.tensor(np.stack(pictures)).permute(0, 3, 1, 2).float() / 127.5 - 1
        batch = {"id": rows["id"], "inputs": {"pixel_values": values}}
        return batch | ({"labels": torch.tensor(rows["label"])} if "label" in rows else {})

    def loss(self, network: nn.Module, batch: Batch) -> Tensor:
        return cross_entropy(network(**batch["inputs"]).logits, batch["labels"])

    def count_targets(self, batch: Batch) -> float:
        return float(len(batch["labels"]))

    def predict(self, network: nn.Module, batch: Batch) -> Columns:
        logits = network(**batch["inputs"]).logits.float()
        records = {"id": batch["id"], "prediction": logits.argmax(-1).cpu().numpy()}
        if "labels" not in batch:
            return records
        losses = cross_entropy(logits, batch["labels"], reduction="none").cpu().numpy()
        return records | {"label": batch["labels"].cpu().numpy(), "loss": losses, "targets": np.ones(len(losses))}

    def metrics(self) -> Mapping[str, Metric]:
        return {"accuracy": PlainMetric(lambda records: float(np.mean(records["prediction"] == records["label"])))}

    def describe(self, record: Mapping[str, Any]) -> str:
        return self.facts.labels[record["prediction"]]

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"label": self.describe(record)}

    @classmethod
    def sample(cls) -> Columns:
        return {
            "image": [picture(row % 2, row) for row in range(32)],
            "label": [["dark", "bright"][row % 2] for row in range(32)],
        }


def picture(bright: bool, seed: int = 0) -> bytes:
    """A file with a noisy picture."""
    noise = np.random.default_rng(seed).integers(0, 100, (SIDE, SIDE, 3), dtype=np.uint8)
    return b"P6 %d %d 255\n" % (SIDE, SIDE) + (noise + np.uint8(120 if bright else 0)).tobytes()


def read(file: MediaFile) -> np.ndarray:
    try:
        with file.open() as content:
            return np.asarray(Image.open(content).convert("RGB").resize((SIDE, SIDE)))
    except OSError as error:
        raise file.error(f"damaged ({error})") from error
