"""Which parameters of a network are its head: those that the bare model of the same config does not have.

The name of the backbone does not decide this. CLIP's classifier stands beside the backbone's parts, with no module
around them, and the heads of RT-DETR stand inside its decoder.
"""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, PreTrainedModel

from hone.core.errors import UserError
from hone.models.compatibility import auto_classes

_Shapes = Mapping[str, tuple[int, ...]]
_shapes_by_config: dict[str, _Shapes] = {}
"""The parameters of bare models that were built before: a run asks for them once without weights and once with them."""


def find_head(network: PreTrainedModel) -> tuple[str, ...]:
    """Returns the names of the modules, or of single parameters, that make up the head; a bare model may have none."""
    shapes = _shapes_of(network)
    backbone = _backbone_names(network, shapes)
    if backbone.keys() == shapes.keys():
        return _output_embeddings(network) or _joint_parts(network, shapes)
    added = outermost((name for name in shapes if name not in backbone), backbone)
    return tuple(inner for name in added for inner in _head_of_part(network, name))


def lies_in(name: str, modules: Iterable[str]) -> bool:
    """Returns whether a parameter is one of these or lies in one of these modules."""
    return any(name == module or name.startswith(f"{module}.") for module in modules)


def outermost(names: Iterable[str], others: Iterable[str]) -> tuple[str, ...]:
    """Returns the largest modules that hold these parameters and none of the others."""
    shared = {module for name in others for module in _around(name)}
    return tuple(dict.fromkeys(next(m for m in (*_around(name), name) if m not in shared) for name in names))


def require_weights(network: PreTrainedModel, info: Mapping[str, Any], source: str) -> None:
    """Raises UserError where weights of the backbone would be random: only the head may be new."""
    absent = [name for name in info["missing_keys"] if "pooler" not in name and "position_ids" not in name]
    head = find_head(network) if absent or info["mismatched_keys"] else ()
    names = [*absent, *(name for name, *_ in info["mismatched_keys"])]
    random = [name for name in names if not lies_in(name, head)]
    if random:
        raise UserError(
            f"checkpoint.path={source}: its weights do not fit {type(network).__name__}: "
            f"{len(random)} parameters of the backbone would be random, such as {min(random)}."
        )


def _backbone_names(network: PreTrainedModel, shapes: _Shapes) -> dict[str, None]:
    """Returns the names of the parameters that the bare model has in the same shape, whatever the labels."""
    bare = _bare_shapes(network)
    places = Counter(
        name.removesuffix(inner) for name in shapes for inner in _endings(name) if inner in bare
    )  # fmt: skip
    if not places:  # transformers has no bare model: the code of the checkpoint brings its own, or it is a part
        prefixes = (f"{network.base_model_prefix}.", "backbone.")
        inside = [dict.fromkeys(name for name in shapes if name.startswith(prefix)) for prefix in prefixes]
        return next(filter(None, inside), dict.fromkeys(shapes))
    prefix = max(places, key=lambda place: places[place])
    return dict.fromkeys(
        name for name, shape in shapes.items()
        if name.startswith(prefix) and bare.get(name.removeprefix(prefix)) == shape
    )  # fmt: skip


def _bare_shapes(network: PreTrainedModel) -> _Shapes:
    """Returns the parameters of the bare model for one label more: what depends on the labels belongs to the head."""
    config: Any = copy.deepcopy(network.base_model.config)
    if not auto_classes("AutoModel", config):
        return {}
    key = config.to_json_string(use_diff=False)
    if key not in _shapes_by_config:
        config.num_labels = (config.num_labels or 0) + 1
        config.architectures = config.architectures or []  # transformers fails on None where it has several classes
        with torch.device("meta"):
            _shapes_by_config[key] = _shapes_of(AutoModel.from_config(config))
    return _shapes_by_config[key]


def _head_of_part(network: PreTrainedModel, name: str) -> tuple[str, ...]:
    """Returns the head of a part that the bare model does not have, or the part itself. One that is a whole network,
    such as the decoder of BLIP, comes with trained layers, and only its own head counts."""
    part = dict(network.named_modules()).get(name)
    inner = find_head(part) if isinstance(part, PreTrainedModel) else ()
    return tuple(f"{name}.{each}" for each in inner) or (name,)


def _output_embeddings(network: PreTrainedModel) -> tuple[str, ...]:
    """Returns the name of the output embeddings of a network that transformers also has as a bare model."""
    output = network.get_output_embeddings() if network.base_model is network else None
    return tuple(name for name, module in network.named_modules() if module is output and name)[:1]


def _joint_parts(network: PreTrainedModel, shapes: _Shapes) -> tuple[str, ...]:
    """Returns what makes the outputs of two encoders comparable, such as CLIP's projections and its temperature.

    SigLIP has its projections inside the encoders, under the name `head`.
    """
    encoders = {name: module for name, module in network.named_children() if isinstance(module, PreTrainedModel)}
    if {module.main_input_name for module in encoders.values()} != {"input_ids", "pixel_values"}:
        return ()
    inner = [f"{name}.head" for name in encoders]
    joint = [name for name in shapes if lies_in(name, inner) or not lies_in(name, encoders)]
    return outermost(joint, set(shapes) - set(joint))


def _shapes_of(network: nn.Module) -> _Shapes:
    return {name: tuple(weight.shape) for name, weight in network.state_dict().items()}


def _around(name: str) -> Iterator[str]:
    """Yields the modules around a parameter, the outermost first."""
    parts = name.split(".")
    return (".".join(parts[:end]) for end in range(1, len(parts)))


def _endings(name: str) -> Collection[str]:
    """Returns what is left of a name without its first parts."""
    parts = name.split(".")
    return [".".join(parts[start:]) for start in range(len(parts))]
