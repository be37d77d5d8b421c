"""Checks that a config, a processor and weights fit each other, because transformers accepts most misfits.

The private names of transformers are used in this file alone. They were last seen in transformers 5.23.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

from hone.core.errors import UserError, did_you_mean, join_names, one_line
from hone.core.wording import as_typed

_MISFITS = (StrictDataclassError, TypeError, ValueError)
"""The errors that transformers raises for a config's wrong value."""


def auto_classes(auto_class: str, config: PretrainedConfig) -> tuple[type[PreTrainedModel], ...]:
    """Returns the network classes that one of transformers' Auto classes has for a config; there may be none."""
    mapping = getattr(transformers, auto_class)._model_mapping
    classes = mapping.get(type(config), ())
    return classes if isinstance(classes, tuple) else (classes,)


def attention_of(config: PretrainedConfig) -> str | None:
    """Returns the name of the attention function that a network uses."""
    name: str | None = config._attn_implementation
    return name


def set_attention(config: PretrainedConfig, name: str | None, trust_remote_code: bool = False) -> None:
    """Chooses the attention function of the networks made from a config; None leaves the choice to transformers."""
    if name and ("/" in name or "\\" in name) and not trust_remote_code:
        raise UserError(
            f"checkpoint.attention={name}: a kernel of the hub is code that comes with a checkpoint; set "
            "checkpoint.trust_remote_code=true to run it, or choose eager or sdpa."
        )
    config._attn_implementation = name


def end_token(tokenizer: Any) -> int | None:
    """Returns the id of the token that ends a generated text; BERT and its relatives call it a separator."""
    number: int | None = tokenizer.sep_token_id if tokenizer.eos_token_id is None else tokenizer.eos_token_id
    return number


def make_config(architecture: str, given: Mapping[str, Any]) -> PretrainedConfig:
    """Makes a config from scratch; defaults that depend on other values follow the given ones."""
    place = "checkpoint.hyperparameters"
    _require_known(AutoConfig.for_model(architecture), given, place)
    try:
        config = AutoConfig.for_model(architecture, **given)
    except _MISFITS as error:
        raise UserError(f"{place}: {one_line(error)}") from error
    config.architectures = config.architectures or []  # with None, transformers cannot choose among several classes
    return config


def special_tokens(architecture: str, tokenizer: Any) -> dict[str, int]:
    """Returns the ids of a tokenizer's special tokens, by those names for which the architecture has ids of its own."""
    defaults = AutoConfig.for_model(architecture)
    first = tokenizer.cls_token_id if tokenizer.bos_token_id is None else tokenizer.bos_token_id
    ids = {"pad_token_id": tokenizer.pad_token_id, "bos_token_id": first, "eos_token_id": end_token(tokenizer)}
    # An architecture's other special tokens are copies of these three by default, and remain so.
    replacements = {getattr(defaults, name, None): number for name, number in reversed(ids.items())}
    for name in ("decoder_start_token_id", "forced_eos_token_id"):
        ids[name] = replacements.get(getattr(defaults, name, None))
    own = defaults.to_dict()
    return {name: number for name, number in ids.items() if number is not None and own.get(name) is not None}


def complete_config(config: PretrainedConfig, processor: Any) -> None:
    """Sets the tokens with which a network pads inputs and begins and ends outputs, where its config has none."""
    tokenizer = getattr(processor, "tokenizer", processor)  # of a pair of processors
    pad = getattr(tokenizer, "pad_token_id", None)
    if pad is not None and getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = pad
    if pad is None or not getattr(config, "is_encoder_decoder", False):
        return
    if config.eos_token_id is None:
        config.eos_token_id = end_token(tokenizer)
    if getattr(config, "decoder_start_token_id", None) is None:  # T5 and its relatives begin with the pad token
        joined = config.model_type in ("encoder-decoder", "vision-encoder-decoder")
        config.decoder_start_token_id = tokenizer.cls_token_id if joined else config.pad_token_id
    if config.decoder_start_token_id is None:
        raise UserError(
            f"checkpoint: neither the config of this {config.model_type} nor its tokenizer has a token with which the "
            f"decoder begins. Set checkpoint.hyperparameters={{decoder_start_token_id: …}}."
        )


def change_config(config: PretrainedConfig, changes: Mapping[str, Any], place: str | None = None) -> PretrainedConfig:
    """Changes some values of a config; with a `place` to name in messages, unknown keys are errors."""
    if place is not None:
        _require_known(config, changes, place)
    for name, value in changes.items():
        part = getattr(config, name, None)
        if isinstance(part, PretrainedConfig) and isinstance(value, Mapping):
            change_config(part, value, f"{place}.{name}" if place else None)
            continue
        try:
            setattr(config, name, value)
        except _MISFITS as error:
            raise UserError(f"{place or 'config'}.{name}={as_typed(value)}: {one_line(error)}") from error
    return config


def _require_known(config: PretrainedConfig, names: Iterable[str], place: str) -> None:
    keys = {*config.to_dict(), *config.attribute_map}
    for name in names:
        if name not in keys:
            hint = did_you_mean(name, keys) or f" Available: {join_names(sorted(keys))}."
            raise UserError(f"{place}.{name}: {type(config).__name__} has no such hyperparameter.{hint}")


def backbone_options(auto: Any, config: PretrainedConfig) -> dict[str, bool]:
    """Returns the options for a bare backbone: they leave out the pooler, which no head of hone uses."""
    if auto is not transformers.AutoModel:
        return {}
    accepts = [inspect.signature(cls).parameters for cls in auto_classes("AutoModel", config)]
    return {"add_pooling_layer": False} if accepts and "add_pooling_layer" in accepts[0] else {}
