"""How a network writes: its own generation settings, changed by what the task's options say, and saved with it."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from hone.core.errors import UserError
from hone.core.wording import as_typed
from hone.generation.languages import first_token
from hone.models.compatibility import end_token

USUAL_LENGTH = 128
"""Tokens written at most, where neither the options nor the checkpoint say how many."""
_OF_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "top_h", "typical_p", "epsilon_cutoff", "eta_cutoff")
_OF_BEAMS = ("length_penalty", "early_stopping")


def settings(network: Any, tokenizer: Any, example: Sequence[int], options: Mapping[str, Any]) -> GenerationConfig:
    """The network's settings with these options, where they are not None; nothing is left to chance.

    It begins to write as it learned to: with what the architecture puts before `example`, labels of any text.
    """
    own: GenerationConfig = copy.deepcopy(network.generation_config)
    told = {name: value for name, value in options.items() if value is not None}
    own.update(**told, do_sample=False, num_return_sequences=None, **dict.fromkeys(_OF_SAMPLING))
    _settle_beams(own, told)
    _settle_lengths(own, told, most=tokenizer.model_max_length - 1)
    own.update(
        decoder_start_token_id=int(shifted(network, torch.tensor([list(example)], device="cpu"))[0, 0]),
        eos_token_id=end_token(tokenizer) if own.eos_token_id is None else own.eos_token_id,
        pad_token_id=network.config.pad_token_id,
        forced_bos_token_id=first_token(tokenizer) or own.forced_bos_token_id,
    )
    return own


def shifted(network: Any, labels: Tensor) -> Tensor:
    """What the decoder reads while it should write `labels`: the token before each, as the architecture has it."""
    if hasattr(network, "prepare_decoder_input_ids_from_labels"):
        read: Tensor = network.prepare_decoder_input_ids_from_labels(labels)
        return read
    start = labels.new_full((len(labels), 1), network.config.decoder_start_token_id)
    before = torch.cat([start, labels[:, :-1]], dim=1)
    return before.masked_fill(before == -100, network.config.pad_token_id)


def _settle_beams(own: GenerationConfig, told: Mapping[str, Any]) -> None:
    if (own.num_beams or 1) > 1:
        return
    for name in _OF_BEAMS:
        if name in told:
            raise UserError(
                f"task.{name}={as_typed(told[name])}: it chooses among several beams and there is one; add "
                f"task.num_beams=4, or leave it null."
            )
    own.update(**dict.fromkeys(_OF_BEAMS))


def _settle_lengths(own: GenerationConfig, told: Mapping[str, Any], most: int) -> None:
    """As many new tokens as are wanted, if there are positions for them, and no fewer than wanted if that is fewer."""
    wanted = told.get("max_new_tokens") or own.max_new_tokens or own.max_length or USUAL_LENGTH
    fewest = told.get("min_new_tokens") or own.min_new_tokens or own.min_length
    longest = min(wanted, most)
    if told.get("min_new_tokens", 0) > longest:
        raise UserError(
            f"task.min_new_tokens={told['min_new_tokens']}: at most {longest} are written (task.max_new_tokens)."
        )
    fewest = min(fewest, longest) if fewest else None
    own.update(max_new_tokens=longest, min_new_tokens=fewest, max_length=None, min_length=None)
