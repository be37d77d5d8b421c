"""Which parameters of a network are its head, and how deep in the backbone the others lie."""

from __future__ import annotations

import re
from collections.abc import Container
from dataclasses import dataclass
from itertools import accumulate
from typing import final

from torch import nn
from transformers import PreTrainedModel

from hone.core.errors import UserError


@final
@dataclass(frozen=True)
class LayerMap:
    """Made from the bare network; it also understands the parameter names of the network once it is wrapped."""

    backbone: str
    """The name of the module with everything but the head. Empty where no module has just that."""
    head: str
    """The name of the head, only where `backbone` is empty and there is a head."""
    stacks: tuple[tuple[str, int], ...]
    """The lists of layers, and the depth at which each begins; a decoder's layers follow its encoder's."""
    depth: int
    """The number of layers."""

    @classmethod
    def of(cls, network: PreTrainedModel) -> LayerMap:
        config = network.config.get_text_config() if hasattr(network.config, "get_text_config") else network.config
        inner = network.base_model.config if network.base_model is not network else config
        keys = ("num_hidden_layers", "decoder_layers", "num_decoder_layers")
        sizes = {int(getattr(inner, key, None) or 0) for key in keys} - {0}
        count = 2 if getattr(inner, "is_encoder_decoder", False) else 1
        lists = _find_layer_lists(network, sizes)[:count]
        starts = accumulate((len(layers) for _, layers in lists), initial=0)
        stacks = tuple((name, start) for (name, _), start in zip(lists, starts, strict=False))
        return cls(*_find_backbone_and_head(network), stacks, sum(len(layers) for _, layers in lists))

    def in_head(self, name: str) -> bool:
        """Returns whether a parameter belongs to the head."""
        bare = self._bare(name)
        if self.head:
            return bare.startswith(f"{self.head}.")
        return bool(self.backbone) and not bare.startswith(f"{self.backbone}.")

    def trains_with_head(self, name: str) -> bool:
        """Returns whether a parameter is trained wherever the head is.

        The pooler is, because many checkpoints come without one and a random one has to be trained.
        """
        return self.in_head(name) or "pooler" in name.split(".")

    def level(self, name: str) -> int:
        """Returns how deep a parameter lies.

        Embeddings are 0, layers 1 to `depth`, what follows them `depth` + 1, and the head `depth` + 2.
        """
        bare = self._bare(name)
        if self.in_head(name):
            return self.depth + 2
        for stack, start in self.stacks:
            layer = re.match(rf"{re.escape(stack)}\.(\d+)\.", bare)
            if layer:
                return start + int(layer[1]) + 1
        return 0 if re.search(r"embed|\bwte\b|\bwpe\b|\bshared\b|relative", bare) else self.depth + 1

    def level_name(self, name: str) -> str:
        """Returns the level in words."""
        level = self.level(name)
        return {0: "embeddings", self.depth + 1: "top", self.depth + 2: "head"}.get(level, f"layer_{level}")

    def require_layers(self, count: int, place: str) -> None:
        """Raises UserError, naming the config key `place`, where the network has fewer layers."""
        if count > self.depth:
            raise UserError(f"{place}={count}: the network has {self.depth or 'no recognisable'} layers.")

    @staticmethod
    def _bare(name: str) -> str:
        """Returns a parameter's name without the prefixes that wrappers add."""
        return re.sub(r"^(_forward_module\.|module\.|network\.|base_model\.model\.)+", "", name)


def _find_backbone_and_head(network: PreTrainedModel) -> tuple[str, str]:
    """Returns the names of backbone and head, one of which is empty.

    T5 has its layers beside its output embedding, with no module around them: there the head is named.
    """
    prefix = network.base_model_prefix
    if hasattr(network, prefix):
        return prefix, ""
    output = None if network.base_model is not network else network.get_output_embeddings()
    head = next((name for name, module in network.named_modules() if module is output and name), "")
    return prefix if head else "", head


def _find_layer_lists(network: nn.Module, sizes: Container[int]) -> list[tuple[str, nn.ModuleList]]:
    """Returns the outermost module lists of these sizes, in the order of the network."""
    lists: list[tuple[str, nn.ModuleList]] = []
    for name, module in network.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer, _ in lists)
        if isinstance(module, nn.ModuleList) and len(module) in sizes and not inside:
            lists.append((name, module))
    return lists
