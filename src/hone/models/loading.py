"""Which weights of a network did not come from its checkpoint, and which weights of the checkpoint it does not use."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self, final

from torch import nn
from transformers import PreTrainedModel

from hone.core.errors import join_names

_ATTRIBUTE = "weights_loaded"
_SHOWN = 4
"""How many names a line shows."""


@final
@dataclass(frozen=True)
class Loading:
    """The outcome of loading weights: `new` names are the network's, `unused` names are the checkpoint's."""

    new: tuple[str, ...]
    unused: tuple[str, ...]

    @classmethod
    def of(cls, info: Mapping[str, Any]) -> Self:
        """Makes this from the loading info of `from_pretrained`; weights of another shape count as new."""
        mismatched = [name for name, *_ in info["mismatched_keys"]]
        return cls(_ordered([*info["missing_keys"], *mismatched]), _ordered(info["unexpected_keys"]))

    def attach(self, network: PreTrainedModel) -> None:
        """Stores this on the network, for `loading_lines`."""
        setattr(network, _ATTRIBUTE, self)


def loading_of(network: nn.Module) -> Loading | None:
    """Returns how the weights of a network, perhaps wrapped, were loaded; None where no checkpoint has them."""
    loaded = (getattr(module, _ATTRIBUTE, None) for module in network.modules())
    return next((loading for loading in loaded if loading is not None), None)


def attach_with_head(network: PreTrainedModel, backbone: PreTrainedModel) -> None:
    """Attaches the backbone's loading to the whole network, where the weights of the head are new as well."""
    loading, prefix = loading_of(backbone), f"{network.base_model_prefix}."
    if loading is not None:
        head = [name for name, _ in network.named_parameters() if not name.startswith(prefix)]
        Loading(_ordered([*(prefix + name for name in loading.new), *head]), loading.unused).attach(network)


def loading_lines(network: nn.Module) -> list[str]:
    """Returns one line on the newly initialised weights and one on the unused ones, where there are any."""
    loading = loading_of(network)
    if loading is None:
        return []
    texts = {"newly initialised weights": loading.new, "unused weights of the checkpoint": loading.unused}
    return [f"{text}: {len(names)} ({join_names(names, _SHOWN)})" for text, names in texts.items() if names]


def _ordered(names: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(names)))
