"""Networks with an encoder of pictures and one of texts: what they read, and how well texts fit pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self, final

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from hone.core.errors import UserError
from hone.tasks.padding import pad_inputs
from hone.tasks.text.shared.texts import token_limit
from hone.tasks.vision.shared.pixels import require_one_size, to_pixels


def require_pair(processor: Any) -> None:
    """Raise UserError unless a processor reads pictures of one size, in the usual form, and texts."""
    pictures, texts = (getattr(processor, name, None) for name in ("image_processor", "tokenizer"))
    if pictures is None or texts is None:
        raise UserError(
            f"checkpoint: its processor, a {type(processor).__name__}, does not read both pictures and texts. "
            f"Choose another checkpoint, such as checkpoint=clip."
        )
    if pictures.model_input_names != ["pixel_values"]:
        raise UserError(
            f"checkpoint: {type(pictures).__name__} gives pictures different numbers of patches, which hone does not "
            f"read. Choose another checkpoint, such as checkpoint=siglip."
        )
    require_one_size(pictures)


@final
class PairReader:
    """Turns pictures and texts into what a network reads, as transformers' zero-shot pipeline does."""

    def __init__(self, processor: Any, max_length: int | None = None) -> None:
        self.picture_processor, self.tokenizer = processor.image_processor, processor.tokenizer
        self.limit = token_limit(self.tokenizer, max_length)
        self.fills_texts = "siglip" in type(processor).__name__.lower()
        """Whether every text is padded to the network's limit: SigLIP takes the state of the last place."""

    def tokenise(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of texts, cut to the limit."""
        options = {"return_attention_mask": False, "return_token_type_ids": False, "verbose": False}
        tokens: list[list[int]] = self.tokenizer(texts, truncation=True, max_length=self.limit, **options)["input_ids"]
        return tokens

    def text_inputs(self, tokens: Sequence[Sequence[int]]) -> dict[str, Tensor]:
        """Return a batch of texts."""
        width = int(self.tokenizer.model_max_length) if self.fills_texts else None
        inputs = pad_inputs({"input_ids": tokens}, self.tokenizer, width, None)
        return {name: values for name, values in inputs.items() if name in self.tokenizer.model_input_names}

    def picture_inputs(self, pictures: Sequence[Image.Image]) -> dict[str, Tensor]:
        """Return a batch of pictures."""
        return {"pixel_values": to_pixels(self.picture_processor, pictures)}


@final
@dataclass(frozen=True)
class ComparedPairs:
    """The vectors of pictures and texts, of length 1, and the scaled similarity of each text to each picture."""

    pictures: Tensor
    texts: Tensor
    logits: Tensor

    @classmethod
    def of(cls, network: Any, inputs: Mapping[str, Tensor]) -> Self:
        """Compare all texts of a batch with all of its pictures."""
        output = network(**inputs)
        pictures, texts = (F.normalize(v.float(), dim=-1) for v in (output.image_embeds, output.text_embeds))
        scale = getattr(network, "logit_scale", None)
        if scale is None:
            return cls(pictures, texts, output.logits_per_text.float())
        with torch.autocast(pictures.device.type, enabled=False):  # the scale magnifies the rounding of bf16
            logits = texts @ pictures.T * scale.float().exp()
        return cls(pictures, texts, logits + network.logit_bias.float() if compares_by_sigmoid(network) else logits)


def compares_by_sigmoid(network: Any) -> bool:
    """Return whether a network scores each pair by itself, as SigLIP does, instead of a text among all texts."""
    return getattr(network, "logit_bias", None) is not None


def picture_vectors(network: Any, inputs: Mapping[str, Tensor]) -> Tensor:
    """Return the vectors of pictures alone, of length 1."""
    return F.normalize(network.get_image_features(**inputs).pooler_output.float(), dim=-1)
