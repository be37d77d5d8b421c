"""How overrides, read by Hydra, are spelt."""

from __future__ import annotations

import random
from typing import Any

from hydra.core.override_parser.types import Override
from hydra.errors import HydraException

from hone.command.hydra_private import without_shuffling
from hone.errors import UserError


def name_of(override: Override) -> str:
    return override.get_key_element().lstrip("+~")


def values(override: Override) -> list[str]:
    """As they are written in overrides, in an order that does not change from one command to the next."""
    if not override.is_sweep_override():
        return [override.get_value_element_as_str()]
    value: Any = override.value()
    mixed = getattr(value, "shuffle", False)
    still = without_shuffling(override, value) if mixed else override
    try:
        found = list(still.sweep_string_iterator())
    except (HydraException, ValueError) as error:
        raise UserError(f"{override.input_line}: {error}") from error
    if mixed:
        random.Random(override.get_key_element()).shuffle(found)  # noqa: S311 (an order, and no secret)
    return found
