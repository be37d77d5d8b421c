"""Checks that a config, a processor and weights fit each other, because transformers accepts most misfits.

The private names of transformers are used in this file alone. They were last seen in transformers 5.23.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import transformers
from huggingface_hub.errors import StrictDataclassError
from transformers import AutoConfig, PretrainedConfig, PreTrainedModel

from hone.core.errors import UserError, did_you_mean, join_names, one_line
from hone.core.paths import nearest_path
from hone.core.wording import as_typed

_MISFITS = (StrictDataclassError, TypeError, ValueError)
"""The errors that transformers raises for a config's wrong value."""
_COUNT_FROM_PAD = {"roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "longformer", "mpnet", "xmod", "ibert"}
"""Architectures whose positions are counted from after the pad token."""


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
        return AutoConfig.for_model(architecture, **given)
    except _MISFITS as error:
        raise UserError(f"{place}: {one_line(error)}") from error


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


def complete_config(config: PretrainedConfig, tokenizer: Any) -> None:
    """Sets the tokens with which a network pads inputs and begins and ends outputs, where its config has none."""
    pad = getattr(tokenizer, "pad_token_id", None)
    if pad is not None and getattr(config, "pad_token_id", None) is None:
        config.pad_token_id = pad
    if pad is None or not getattr(config, "is_encoder_decoder", False):
        return
    if config.eos_token_id is None:
        config.eos_token_id = end_token(tokenizer)
    if getattr(config, "decoder_start_token_id", None) is None:  # T5 and its relatives begin with the pad token
        joined = config.model_type == "encoder-decoder"
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


def load_processor(auto_class: str, source: str, config: PretrainedConfig, access: Mapping[str, Any]) -> Any:
    """Loads a processor from a folder or the hub; a tokenizer gets a pad token and the network's length limit."""
    try:
        processor = getattr(transformers, auto_class).from_pretrained(source, **access)
    except Exception as error:  # the files of a folder decide what goes wrong
        raise UserError(
            f"{source}: {auto_class} cannot be loaded ({one_line(error)}).{nearest_path(Path(source))}"
        ) from error
    return fit_tokenizer(processor, config, source) if auto_class == "AutoTokenizer" else processor


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


def position_limit(config: PretrainedConfig) -> int:
    """Returns the longest input in tokens that the network's positions allow."""
    positions = getattr(config, "max_position_embeddings", None)
    if not positions or positions < 1:
        return 1_000_000  # no limit
    offset = (config.pad_token_id or 0) + 1 if config.model_type in _COUNT_FROM_PAD else 0
    return int(positions) - offset


def backbone_options(auto: Any, config: PretrainedConfig) -> dict[str, bool]:
    """Returns the options for a bare backbone: they leave out the pooler, which no head of hone uses."""
    if auto is not transformers.AutoModel:
        return {}
    accepts = [inspect.signature(cls).parameters for cls in auto_classes("AutoModel", config)]
    return {"add_pooling_layer": False} if accepts and "add_pooling_layer" in accepts[0] else {}


def require_weights(network: PreTrainedModel, info: Mapping[str, Any], source: str) -> None:
    """Raises UserError where weights of the backbone would be random: only the head may be new."""
    inside = f"{network.base_model_prefix}."
    bare = network.base_model is network
    backbone = [
        name for name in info["missing_keys"] if (bare or name.startswith(inside)) and not _is_new_by_design(name)
    ]
    mismatched = [name for name, *_ in info["mismatched_keys"] if bare or name.startswith(inside)]
    random = [*backbone, *mismatched]
    if random:
        raise UserError(
            f"checkpoint.path={source}: its weights do not fit {type(network).__name__}: "
            f"{len(random)} parameters of the backbone would be random, such as {min(random)}."
        )


def _is_new_by_design(name: str) -> bool:
    return "pooler" in name or "position_ids" in name
