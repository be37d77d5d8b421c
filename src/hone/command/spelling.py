"""The names and the values of overrides, as they are written on a command line."""

from __future__ import annotations

import random
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from hone.config.hydra_private import without_shuffling
from hone.core.errors import UserError


def name_of(override: Override) -> str:
    return override.get_key_element().lstrip("+~")


def values(override: Override) -> list[str]:
    """The values as text, in an order that is the same in every command."""
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    value: Any = override.value()
    shuffled = getattr(value, "shuffle", False)
    ordered = without_shuffling(override, value) if shuffled else override
    try:
        texts = list(ordered.sweep_string_iterator())
    except (HydraException, ValueError) as error:
        raise UserError(f"{override.input_line}: {error}") from error
    if shuffled:
        random.Random(override.get_key_element()).shuffle(texts)  # noqa: S311 (an order, not a secret)
    return texts
