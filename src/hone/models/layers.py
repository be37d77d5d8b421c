"""Which parameters of a network are its head, and how deep in the backbone the others lie."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import final

from torch import nn
from transformers import PretrainedConfig, PreTrainedModel
from transformers.pytorch_utils import Conv1D

from hone.core.errors import UserError
from hone.models.head_parameters import find_head, lies_in, outermost

_COUNTS = ("num_hidden_layers", "encoder_layers", "decoder_layers", "num_decoder_layers")
"""What configs call the number of their layers. `depths` has the number of blocks of every stage."""


@final
@dataclass(frozen=True)
class LayerMap:
    """Made from the bare network; it also understands the parameter names of the network once it is wrapped."""

    head: tuple[str, ...]
    """The modules, or single parameters, that the bare model does not have."""
    inputs: tuple[str, ...]
    """The modules and parameters before the first layer of their stack: embeddings, patches, filters of waves."""
    stacks: tuple[tuple[str, int], ...]
    """The lists of layers or stages, and the depth at which each begins; a decoder's follow its encoder's."""
    depth: int
    """The number of layers, of all stacks together."""
    trains_pooler: bool = True
    """Whether a pooler is trained with the head. Networks that write texts read none, even where they have one."""

    @classmethod
    def of(cls, network: PreTrainedModel) -> LayerMap:
        head = find_head(network)
        lists = _find_layer_lists(network, head)
        starts = accumulate((len(layers) for layers in lists.values()), initial=0)
        stacks = tuple(zip(lists, starts, strict=False))
        writes = network.get_output_embeddings() is not None
        return cls(head, _find_inputs(network, head, [*lists]), stacks, sum(map(len, lists.values())), not writes)

    def in_head(self, name: str) -> bool:
        """Returns whether a parameter belongs to the head."""
        return lies_in(self._bare(name), self.head)

    def trains_with_head(self, name: str) -> bool:
        """Returns whether a parameter is trained wherever the head is.

        The pooler is, because many checkpoints come without one and a random one has to be trained.
        """
        return self.in_head(name) or (self.trains_pooler and "pooler" in name.split("."))

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
        embeds = re.search(r"embed|\bwte\b|\bwpe\b|\bshared\b|relative", bare)
        return 0 if embeds or lies_in(bare, self.inputs) else self.depth + 1

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


def has_linear_layers(network: nn.Module) -> bool:
    """Returns whether a network has linear layers; Conv1D is GPT-2's."""
    return any(isinstance(module, nn.Linear | Conv1D) for module in network.modules())


def _find_layer_lists(network: PreTrainedModel, head: tuple[str, ...]) -> dict[str, nn.ModuleList]:
    """Returns the outermost lists of layers or stages outside the head, by name, in the order of the network.

    Every part has as many as its own config says. Where some lists of a part have linear layers, the others are
    convolutions that prepare its inputs.
    """
    parts = {name: module for name, module in network.named_modules() if isinstance(module, PreTrainedModel)}
    lists: dict[str, nn.ModuleList] = {}
    configs: dict[str, int] = {}
    for name, module in network.named_modules():
        if not isinstance(module, nn.ModuleList) or lies_in(name, (*head, *lists)):
            continue
        config = parts[_part_around(name, parts)].config
        if len(module) in _sizes(config) and any([*layer.children()] for layer in module):
            lists[name], configs[name] = module, id(config)
    with_linear = {configs[name] for name, layers in lists.items() if has_linear_layers(layers)}
    return {
        name: layers for name, layers in lists.items() if has_linear_layers(layers) or configs[name] not in with_linear
    }


def _sizes(config: PretrainedConfig) -> set[int]:
    """Returns how many layers or stages a config has, for each kind that it counts."""
    return {int(getattr(config, key, None) or 0) for key in _COUNTS} | {len(getattr(config, "depths", None) or ())}


def _find_inputs(network: PreTrainedModel, head: tuple[str, ...], stacks: Sequence[str]) -> tuple[str, ...]:
    """Returns what comes before the first stack, and before any other one inside the part that has no other stack.

    Parts that read tokens are left out: what they have before their layers is called an embedding, and some define
    their last norm there.
    """
    parts = {name: module for name, module in network.named_modules() if isinstance(module, PreTrainedModel)}
    names = [name for name in network.state_dict() if not lies_in(name, head)]
    inputs: list[str] = []
    for number, stack in enumerate(stacks):
        part = _part_around(stack, parts) if number else ""
        shared = number > 0 and any(not part or lies_in(earlier, [part]) for earlier in stacks[:number])
        if shared or parts[part].main_input_name == "input_ids":
            continue
        first = next(place for place, name in enumerate(names) if lies_in(name, [stack]))
        inputs += [name for name in names[:first] if not part or lies_in(name, [part])]
    return outermost(inputs, set(names) - set(inputs))


def _part_around(name: str, parts: Iterable[str]) -> str:
    """Returns the innermost of these parts of a network that holds a module; the network itself has no name."""
    return max((part for part in parts if not part or name.startswith(f"{part}.")), key=len)
