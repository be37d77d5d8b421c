"""How a network generates text: its own generation config, changed by the task's options and saved with it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from hone.core.errors import UserError
from hone.core.wording import as_typed
from hone.models.compatibility import end_token

DEFAULT_LENGTH = 128
"""The most tokens to generate if neither the options nor the checkpoint say how many."""
_SAMPLING_OPTIONS = ("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
_BEAM_OPTIONS = ("length_penalty", "early_stopping")


def generation_settings(
    network: Any,
    tokenizer: Any,
    example: Sequence[int],
    options: Mapping[str, Any],
    limit: int,
    first: int | None = None,
) -> GenerationConfig:
    """Return the network's generation config, changed by the options that are not None, without sampling.

    `example` are the labels of any text: the architecture decides from labels which token generation begins with.
    At most `limit` new tokens fit. `first` is the token that every generated text begins with, if there is one.
    """
    settings: GenerationConfig = copy.deepcopy(network.generation_config)
    chosen = {name: value for name, value in options.items() if value is not None}
    settings.update(**chosen, do_sample=False, num_return_sequences=None, **dict.fromkeys(_SAMPLING_OPTIONS))
    _resolve_beams(settings, chosen)
    _resolve_lengths(settings, chosen, limit)
    settings.update(
        decoder_start_token_id=int(decoder_inputs(network, torch.tensor([list(example)], device="cpu"))[0, 0]),
        eos_token_id=end_token(tokenizer) if settings.eos_token_id is None else settings.eos_token_id,
        pad_token_id=network.config.pad_token_id,
        forced_bos_token_id=first or settings.forced_bos_token_id,
    )
    return settings


def decoder_inputs(network: Any, labels: Tensor) -> Tensor:
    """Return what the decoder reads to predict `labels`: the token before each, as the architecture defines it."""
    if hasattr(network, "prepare_decoder_input_ids_from_labels"):
        inputs: Tensor = network.prepare_decoder_input_ids_from_labels(labels)
        return inputs
    first = getattr(network.config, "decoder_start_token_id", None)
    if first is None:  # a decoder alone begins with the token that begins its texts
        first = network.config.get_text_config(decoder=True).bos_token_id
    start = labels.new_full((len(labels), 1), first)
    shifted = torch.cat([start, labels[:, :-1]], dim=1)
    return shifted.masked_fill(shifted == -100, network.config.pad_token_id)


def _resolve_beams(settings: GenerationConfig, chosen: Mapping[str, Any]) -> None:
    """Remove the beam options of the checkpoint, and refuse those of the user, if there is only one beam."""
    if (settings.num_beams or 1) > 1:
        return
    for name in _BEAM_OPTIONS:
        if name in chosen:
            raise UserError(
                f"task.{name}={as_typed(chosen[name])}: it chooses among several beams and there is one; add "
                f"task.num_beams=4, or leave it null."
            )
    settings.update(**dict.fromkeys(_BEAM_OPTIONS))


def _resolve_lengths(settings: GenerationConfig, chosen: Mapping[str, Any], limit: int) -> None:
    """Set the most and the fewest new tokens: the options come first, then the checkpoint, both up to `limit`."""
    wanted = chosen.get("max_new_tokens") or settings.max_new_tokens or settings.max_length or DEFAULT_LENGTH
    fewest = chosen.get("min_new_tokens") or settings.min_new_tokens or settings.min_length
    longest = min(wanted, limit)
    if chosen.get("min_new_tokens", 0) > longest:
        raise UserError(
            f"task.min_new_tokens={chosen['min_new_tokens']}: at most {longest} are written (task.max_new_tokens)."
        )
    fewest = min(fewest, longest) if fewest else None
    settings.update(max_new_tokens=longest, min_new_tokens=fewest, max_length=None, min_length=None)
