"""Loads, makes and pairs the processors that turn raw inputs into a network's inputs.

A task names the Auto class that it needs: AutoTokenizer, AutoImageProcessor, AutoFeatureExtractor, or AutoProcessor,
which pairs one of the other two with a tokenizer. Images are always processed by PIL and numpy, never by torchvision.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import transformers
from transformers import BaseImageProcessor, PretrainedConfig
from transformers.models.auto.processing_auto import PROCESSOR_MAPPING

from hone.core.errors import UserError, one_line
from hone.core.paths import nearest_path
from hone.core.task import Facts

CHARACTERS = "characters"
"""The kind of facts whose labels are the characters of transcripts: the vocabulary of a network that spells."""
_BLANK, _UNKNOWN, _SPACE = "<pad>", "<unk>", "|"
_JOINED = "vision-encoder-decoder"
"""Networks that are made of any encoder of pictures and any decoder, for which transformers has no processor."""
_COUNT_FROM_PAD = {
    "roberta",
    "xlm-roberta",
    "xlm-roberta-xl",
    "camembert",
    "longformer",
    "mpnet",
    "xmod",
    "ibert",
    "layoutlmv3",
}
"""Architectures whose positions are counted from after the pad token."""


def read_pretrained(auto_class: str, source: Any, **access: Any) -> Any:
    """Reads a processor or a network from a folder or the hub, as transformers does, but images are for PIL."""
    backend = {"backend": "pil"} if auto_class == "AutoImageProcessor" else {}
    processor = getattr(transformers, auto_class).from_pretrained(source, **access, **backend)
    if auto_class == "AutoProcessor" and isinstance(getattr(processor, "image_processor", None), BaseImageProcessor):
        processor.image_processor = read_pretrained("AutoImageProcessor", source, **access)
    return processor


def load_processor(auto_class: str, source: str, config: PretrainedConfig, access: Mapping[str, Any]) -> Any:
    """Loads a processor from a folder or the hub; a tokenizer that is read or written with is fitted to the network."""
    try:
        processor = read_pretrained(auto_class, source, **access)
        if auto_class == "AutoProcessor" and config.model_type == _JOINED and not hasattr(processor, "tokenizer"):
            parts = (read_pretrained(name, source, **access) for name in ("AutoImageProcessor", "AutoTokenizer"))
            processor = pair_processors(config, *parts)
    except Exception as error:  # the files of a folder decide what goes wrong
        raise UserError(
            f"{source}: {auto_class} cannot be loaded ({one_line(error)}).{nearest_path(Path(source))}"
        ) from error
    if auto_class == "AutoTokenizer":
        return fit_tokenizer(processor, config, source)
    if auto_class == "AutoProcessor" and _writes_tokens(processor, config):
        fit_tokenizer(processor.tokenizer, config.get_text_config(decoder=True), source)
    return processor


def _writes_tokens(processor: Any, config: PretrainedConfig) -> bool:
    """Returns whether a network reads or writes the tokens of a processor; one that spells counts as many as it has."""
    return config.is_encoder_decoder or hasattr(processor, "image_processor")


def fit_tokenizer(tokenizer: Any, config: PretrainedConfig, source: str) -> Any:
    """Gives a tokenizer a pad token and the network's length limit."""
    if len(tokenizer) <= len(tokenizer.all_special_tokens):  # transformers makes an empty one where it finds none
        raise UserError(f"{source}: this tokenizer has no vocabulary; choose another one with checkpoint.tokenizer=….")
    embeddings = getattr(config, "vocab_size", None)
    if embeddings is not None and len(tokenizer) > embeddings:
        raise UserError(
            f"{source}: the tokenizer has {len(tokenizer)} tokens and the network only {embeddings} embeddings; "
            f"they do not belong together (checkpoint.tokenizer)."
        )
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token or tokenizer.unk_token
    if tokenizer.pad_token is None:
        raise UserError(f"{source}: the tokenizer has no pad, end or unknown token with which to pad a batch.")
    tokenizer.model_max_length = min(tokenizer.model_max_length, position_limit(config))
    return tokenizer


def choose_processor(auto_class: str, facts: Facts, config: PretrainedConfig, load: Callable[[str], Any]) -> Any:
    """Returns the processor that a task needs; `load` returns the checkpoint's own of an Auto class.

    Where the facts are the characters of transcripts, they replace the checkpoint's own vocabulary.
    """
    if auto_class == "AutoProcessor" and facts.kind == CHARACTERS:
        return pair_processors(config, load("AutoFeatureExtractor"), characters_tokenizer(facts.labels))
    processor = load(auto_class)
    require_channels(getattr(processor, "image_processor", processor), config)
    return processor


def is_grey(processor: Any) -> bool:
    """Returns whether a processor is for a network that reads pictures in one channel: it normalises with one mean."""
    mean = processor.image_mean if processor.do_normalize else None
    return isinstance(mean, list | tuple) and len(mean) == 1


def require_channels(processor: Any, config: PretrainedConfig) -> None:
    """Raises UserError if a network reads pictures in another number of channels than its processor makes."""
    if not isinstance(processor, BaseImageProcessor):
        return
    expected = getattr(getattr(config, "vision_config", config), "num_channels", None) or 3
    made = 1 if is_grey(processor) else 3
    if expected not in (1, 3):
        raise UserError(f"checkpoint: its network reads {expected} channels. hone reads pictures in three or in one.")
    if expected != made:
        raise UserError(
            f"checkpoint.processor: the network reads pictures in {expected} channels and the processor makes {made}. "
            f"Its image_mean and image_std must be lists of {expected}, such as image_mean: {[0.5] * expected}."
        )


def pair_processors(config: PretrainedConfig, media: Any, tokenizer: Any) -> Any:
    """Returns the architecture's processor for media and texts, made of a processor of each."""
    joined = transformers.TrOCRProcessor if config.model_type == _JOINED else None
    cls: Any = PROCESSOR_MAPPING.get(type(config), joined)
    if cls is None:
        raise UserError(
            f"checkpoint: transformers has no processor for {config.model_type} that pairs media with texts. "
            f"Choose another checkpoint, such as checkpoint=wav2vec2."
        )
    return cls(media, tokenizer)


def characters_tokenizer(characters: Sequence[str]) -> transformers.Wav2Vec2CTCTokenizer:
    """Returns the tokenizer of a network that spells: token 0 is CTC's blank, and a bar stands for a space."""
    special = [_BLANK, _UNKNOWN, _SPACE]
    vocabulary = dict.fromkeys([*special, *(character for character in characters if not character.isspace())])
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "vocab.json")
        file.write_text(json.dumps({token: place for place, token in enumerate(vocabulary)}), encoding="utf-8")
        return transformers.Wav2Vec2CTCTokenizer(
            str(file), pad_token=_BLANK, unk_token=_UNKNOWN, word_delimiter_token=_SPACE, bos_token=None, eos_token=None
        )


def position_limit(config: PretrainedConfig) -> int:
    """Returns the most tokens that the network's positions allow; speech recognisers count those of their decoder."""
    positions = getattr(config, "max_position_embeddings", None) or getattr(config, "max_target_positions", None)
    if not positions or positions < 1:
        return 1_000_000  # no limit
    offset = (config.pad_token_id or 0) + 1 if config.model_type in _COUNT_FROM_PAD else 0
    return int(positions) - offset
