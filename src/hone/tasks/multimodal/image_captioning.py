"""Image captioning: describe a picture in a sentence."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, final

from datasets import Dataset
from torch import Tensor, nn
from transformers import GenerationConfig, PretrainedConfig

from hone.core.columns import read_column
from hone.core.draws import Draws
from hone.core.errors import UserError
from hone.core.metric import Columns, Metric
from hone.core.task import Batch, Facts, Fault, MediaKind
from hone.core.value_types import BleuTokens, Count
from hone.data.media.images import image_faults
from hone.data.tiny.scenes import scene_examples
from hone.models.compatibility import end_token
from hone.tasks.encoder_decoder import EncoderDecoder, pad_labels
from hone.tasks.generation import decoder_inputs, generation_settings
from hone.tasks.metrics.bleu import bleu_of_lists, require_tokenizer
from hone.tasks.metrics.cider import cider_metric
from hone.tasks.metrics.rouge import mean_rouge, rouge_l
from hone.tasks.multimodal.shared.pictures import read_pictures, row_generators
from hone.tasks.text.shared.texts import token_limit
from hone.tasks.usage_snippets import captioning_snippet
from hone.tasks.vision.shared.augmentation import AugmentOptions
from hone.tasks.vision.shared.pixels import require_one_size, require_shapes, to_pixels

_GENERATION_OPTIONS = (
    "max_new_tokens", "min_new_tokens", "num_beams", "length_penalty", "no_repeat_ngram_size", "early_stopping",
)  # fmt: skip
_DECODERS = ("git", "blip")
"""Networks that read the picture and the text in one decoder, or whose decoder reads the picture beside the text."""


@final
@dataclass(eq=False)
class ImageCaptioning(AugmentOptions, EncoderDecoder):
    """The image captioning task. Its fields are the options in `conf/task/image_captioning.yaml`."""

    max_target_length: Count | None = None
    min_new_tokens: Count | None = None
    length_penalty: float | None = None
    no_repeat_ngram_size: Count | None = None
    early_stopping: bool | None = None
    bleu_tokens: BleuTokens = "13a"

    roles: ClassVar[tuple[str, ...]] = ("image", "text")
    targets: ClassVar[tuple[str, ...]] = ("text",)
    media: ClassVar[Mapping[str, MediaKind]] = {"image": "image"}
    unit: ClassVar[str] = "images"
    auto_model: ClassVar[str] = "AutoModelForImageTextToText"
    auto_processor: ClassVar[str] = "AutoProcessor"
    pipeline: ClassVar[str] = "image-to-text"
    monitor: ClassVar[str] = "cider"

    def add_facts(self, facts: Facts, rows: Dataset, names: tuple[str, ...] | None) -> Facts:
        return facts

    def find_faults(self, rows: Dataset, facts: Facts) -> Iterator[Fault]:
        yield from image_faults(rows, "image")
        if "text" in rows.column_names:
            for row, value in enumerate(read_column(rows, "text")):
                problem = _problem(value)
                if problem:
                    yield Fault(row, "text", problem)

    def check(self, facts: Facts) -> None:
        require_tokenizer(self.bleu_tokens)

    def configure_processor(self, processor: Any) -> None:
        require_one_size(processor.image_processor)
        if end_token(processor.tokenizer) is None:
            name = type(processor.tokenizer).__name__
            raise UserError(f"checkpoint: {name} has no end token, so generation would never stop.")

    def read_config(self, config: PretrainedConfig) -> None:
        """Raise UserError for a network that reads its picture through a prompt, which this task does not write."""
        if not (config.is_encoder_decoder or config.model_type in _DECODERS):
            raise UserError(
                f"checkpoint: image_captioning trains GIT, BLIP and an encoder with a decoder, and this is a "
                f"{config.model_type}. Choose another one, such as checkpoint=git."
            )

    def configure_generation(self, network: Any) -> None:
        network.generation_config = self._settings(network)

    def encode(self, rows: Columns) -> Columns:
        require_shapes(self.processor.image_processor, rows["image"])
        # The text is short beside the picture, and all pictures cost the same.
        encoded: Columns = {"id": rows["id"], "length": [1] * len(rows["id"])}
        if "text" not in rows:
            return encoded
        texts = [_references(value) for value in rows["text"]]
        return encoded | {"text": texts, "labels": [self._labels(each) for each in texts]}

    def collate(self, rows: Columns, draws: Draws) -> Batch:
        """Return a batch with one text of each row: a random one in training, otherwise the first."""
        generators = row_generators(draws, len(rows["id"]))
        pictures = read_pictures(rows["image"], self, generators)
        pixels = to_pixels(self.processor.image_processor, pictures)
        batch: Batch = {"id": rows["id"], "inputs": {"pixel_values": pixels}}
        if "labels" not in rows:
            return batch
        labels = [each[int(generators[row].integers(len(each))) if generators else 0]
                  for row, each in enumerate(rows["labels"])]  # fmt: skip
        return batch | {"text": [[*each] for each in rows["text"]], "labels": pad_labels(labels)}

    def read_targets(self, network: nn.Module, batch: Batch) -> Any:
        if _is_seq2seq(network):
            return super().read_targets(network, batch)
        labels: Tensor = batch["labels"]
        output: Any = network(
            **batch["inputs"], input_ids=decoder_inputs(network, labels), attention_mask=(labels != -100).long(),
            use_cache=False,
        )  # fmt: skip
        output.logits = output.logits[:, -labels.shape[1] :]  # GIT has some for each patch of the picture before them
        return output

    def reusable(self, output: Any) -> dict[str, Any]:
        return super().reusable(output) if hasattr(output, "encoder_last_hidden_state") else {}

    def generate(self, network: Any, inputs: Mapping[str, Any]) -> Columns:
        generated = network.generate(**inputs, generation_config=self._settings(network)).cpu().numpy()[:, 1:]
        texts = self.processor.tokenizer.batch_decode(generated, skip_special_tokens=True)
        return {"prediction": [" ".join(text.split()) for text in texts]}

    def metrics(self) -> Mapping[str, Metric]:
        return {
            "cider": cider_metric("text"),
            "bleu": bleu_of_lists(self.bleu_tokens, "text"),
            "rougeL": mean_rouge(rouge_l, "text"),
        }

    def baseline(self, records: Columns) -> Columns:
        """Return the records of a model that always writes the most frequent text."""
        texts = Counter(text for references in records["text"] for text in references)
        return records | {"prediction": [texts.most_common(1)[0][0]] * len(records["text"])}

    def outcome(self, record: Mapping[str, Any]) -> dict[str, Any]:
        return {"text": record["prediction"]}

    def question(self) -> dict[str, Any]:
        return {"image": "picture.png"}

    def example(self, place: str) -> str:
        return captioning_snippet(place, self.question()["image"])

    @classmethod
    def sample(cls) -> Columns:
        return scene_examples(6)

    def _labels(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the target tokens: without the one with which a BERT begins, and with one that ends the text."""
        tokenizer = self.processor.tokenizer
        limit = token_limit(tokenizer, self.max_target_length, "max_target_length")
        rows = tokenizer(list(texts), truncation=True, max_length=limit, verbose=False)["input_ids"]
        first, end = tokenizer.cls_token_id, end_token(tokenizer)
        begins = first is not None and first != tokenizer.bos_token_id
        spelt = [row[1:] if begins and row[:1] == [first] else row for row in rows]
        return [row if end is None or row[-1:] == [end] else [*row[: limit - 1], end] for row in spelt]

    def _settings(self, network: Any) -> GenerationConfig:
        tokenizer = self.processor.tokenizer
        options = {name: getattr(self, name) for name in _GENERATION_OPTIONS}
        options["max_new_tokens"] = self.max_new_tokens or self.max_target_length
        return generation_settings(network, tokenizer, self._labels(["a"])[0], options, tokenizer.model_max_length - 1)


def _is_seq2seq(network: Any) -> bool:
    return bool(network.config.is_encoder_decoder)


def _references(value: Any) -> list[str]:
    """Return the texts about a picture, each in one line; those that are missing or blank are left out."""
    texts = [value] if isinstance(value, str) else value
    return [" ".join(text.split()) for text in texts if text and text.strip()]


def _problem(value: Any) -> str | None:
    """Return why a value is neither a text nor a list with one."""
    if value is None:
        return "the text is missing"
    texts = [value] if isinstance(value, str) else value
    if not isinstance(texts, list) or not all(text is None or isinstance(text, str) for text in texts):
        return f"expected a text or a list of texts, not {str(value)[:40]!r}"
    return None if _references(texts) else "the text is empty"
