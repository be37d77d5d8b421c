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
    """Read off the bare network; the names also hold once an adapter has wrapped it."""

    backbone: str
    """The module that is everything but the head; where there is none such, the head is named, if there is one."""
    head: str
    stacks: tuple[tuple[str, int], ...]
    """The lists of layers and the depth at which each begins; a decoder's layers come after its encoder's."""
    depth: int

    @classmethod
    def of(cls, network: PreTrainedModel) -> LayerMap:
        config = network.config.get_text_config() if hasattr(network.config, "get_text_config") else network.config
        inner = network.base_model.config if network.base_model is not network else config
        names = ("num_hidden_layers", "decoder_layers", "num_decoder_layers")
        sizes = {int(getattr(inner, name, None) or 0) for name in names} - {0}
        lists = _lists(network, sizes)[: 2 if getattr(inner, "is_encoder_decoder", False) else 1]
        starts = accumulate((len(layers) for _, layers in lists), initial=0)
        stacks = tuple((name, start) for (name, _), start in zip(lists, starts, strict=False))
        return cls(*_parts(network), stacks, sum(len(layers) for _, layers in lists))

    def in_head(self, name: str) -> bool:
        bare = self._bare(name)
        if self.head:
            return bare.startswith(f"{self.head}.")
        return bool(self.backbone) and not bare.startswith(f"{self.backbone}.")

    def learns_with_head(self, name: str) -> bool:
        """The pooler does: many checkpoints come without one, and a random one has to learn."""
        return self.in_head(name) or "pooler" in name.split(".")

    def level(self, name: str) -> int:
        """0 for embeddings, 1 to `depth` for the layers, one more for what follows them, two more for the head."""
        bare = self._bare(name)
        if self.in_head(name):
            return self.depth + 2
        for stack, start in self.stacks:
            layer = re.match(rf"{re.escape(stack)}\.(\d+)\.", bare)
            if layer:
                return start + int(layer[1]) + 1
        return 0 if re.search(r"embed|\bwte\b|\bwpe\b|\bshared\b|relative", bare) else self.depth + 1

    def place(self, name: str) -> str:
        """The same in words."""
        level = self.level(name)
        return {0: "embeddings", self.depth + 1: "top", self.depth + 2: "head"}.get(level, f"layer_{level}")

    def require_layers(self, count: int, place: str) -> None:
        if count > self.depth:
            raise UserError(f"{place}={count}: the network has {self.depth or 'no recognisable'} layers.")

    @staticmethod
    def _bare(name: str) -> str:
        """A parameter's name without what wrappers put before it."""
        return re.sub(r"^(_forward_module\.|module\.|network\.|base_model\.model\.)+", "", name)


def _parts(network: PreTrainedModel) -> tuple[str, str]:
    """The names of backbone and head; T5 has its layers beside its output embedding, without a module around them."""
    prefix = network.base_model_prefix
    if hasattr(network, prefix):
        return prefix, ""
    output = None if network.base_model is not network else network.get_output_embeddings()
    head = next((name for name, module in network.named_modules() if module is output and name), "")
    return prefix if head else "", head


def _lists(network: nn.Module, sizes: Container[int]) -> list[tuple[str, nn.ModuleList]]:
    """The outermost module lists of these sizes, in the order of the network."""
    found: list[tuple[str, nn.ModuleList]] = []
    for name, module in network.named_modules():
        inside = any(name.startswith(f"{outer}.") for outer, _ in found)
        if isinstance(module, nn.ModuleList) and len(module) in sizes and not inside:
            found.append((name, module))
    return found
