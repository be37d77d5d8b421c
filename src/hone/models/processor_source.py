"""Where a checkpoint's processors come from: its own files, other ones, or a class with values in the config."""

from __future__ import annotations

import inspect
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import transformers
from transformers import BaseImageProcessor, FeatureExtractionMixin, PretrainedConfig

from hone.core.errors import UserError, did_you_mean, join_names, one_line
from hone.core.task import Facts
from hone.core.wording import as_typed
from hone.models.processors import choose_processor, load_processor, pair_processors

_MADE: Mapping[str, type] = {"AutoImageProcessor": BaseImageProcessor, "AutoFeatureExtractor": FeatureExtractionMixin}
"""The Auto classes whose processors need no files, and the base class of these processors."""
_ENDINGS = {
    "AutoImageProcessor": ("ImageProcessor", "ImageProcessorPil"),
    "AutoFeatureExtractor": ("FeatureExtractor",),
}
"""How their names end."""
_EXAMPLES = {
    "AutoImageProcessor": " One of them is ViTImageProcessor.",
    "AutoFeatureExtractor": " One of them is Wav2Vec2FeatureExtractor.",
}


@final
@dataclass(frozen=True)
class ProcessorSource:
    """The keys of a checkpoint's config that decide about its processors."""

    tokenizer: str | None
    processor: str | Mapping[str, Any] | None
    own: str | None = None
    """The folder or Hub id of the checkpoint itself, if it has one."""
    access: Mapping[str, Any] = field(default_factory=dict)
    """The options with which its files are read."""

    def make(self, auto_class: str, facts: Facts, config: PretrainedConfig) -> Any:
        """Returns the processor that a task needs."""
        return choose_processor(auto_class, facts, config, lambda needed: self._make(needed, config))

    def _make(self, auto_class: str, config: PretrainedConfig) -> Any:
        if auto_class == "AutoTokenizer":
            return self._load(auto_class, self.tokenizer, config)
        if auto_class == "AutoProcessor" and self.tokenizer is not None:
            return pair_processors(config, self._make(self._media_class(), config), self._make("AutoTokenizer", config))
        if isinstance(self.processor, Mapping):
            return make_processor(auto_class, self.processor)
        return self._load(auto_class, self.processor, config)

    def _load(self, auto_class: str, given: str | None, config: PretrainedConfig) -> Any:
        if given is not None:
            return load_processor(auto_class, given, config, {})
        if self.own is not None:
            return load_processor(auto_class, self.own, config, self.access)
        key = "tokenizer" if auto_class == "AutoTokenizer" else "processor"
        values = " or its class and values, such as {class: ViTImageProcessor}" if auto_class in _MADE else ""
        raise UserError(
            f"checkpoint.{key} has no value, and this task needs an {auto_class}. Set checkpoint.{key}=…: a folder, a "
            f"Hub id{values}."
        )

    def _media_class(self) -> str:
        """Returns the Auto class of the processor beside a tokenizer, by the class that the config names."""
        name = str(self.processor.get("class")) if isinstance(self.processor, Mapping) else ""
        return "AutoFeatureExtractor" if name.endswith(_ENDINGS["AutoFeatureExtractor"]) else "AutoImageProcessor"


def make_processor(auto_class: str, given: Mapping[str, Any]) -> Any:
    """Makes an image processor or a feature extractor of its class and values, such as {class: ViTImageProcessor}."""
    values = dict(given)
    cls = _class_of(values.pop("class", None), auto_class)
    accepted = _accepted_values(cls)
    for name in values:
        if name not in accepted:
            hint = did_you_mean(name, accepted) or f" Available: {join_names(sorted(accepted))}."
            raise UserError(f"checkpoint.processor.{name}: {cls.__name__} has no such value.{hint}")
    try:
        return cls(**values)
    except Exception as error:  # each class checks its values in its own way
        raise UserError(f"checkpoint.processor={as_typed(dict(given))}: {one_line(error)}") from error


def _class_of(name: Any, auto_class: str) -> Any:
    """Returns the class of transformers with this name; that of an image processor is the one that uses PIL."""
    base = _MADE.get(auto_class)
    if base is None:
        raise UserError(
            f"checkpoint.processor: an {auto_class} cannot be made from values: give a folder or a Hub id, or for "
            f"AutoProcessor a checkpoint.tokenizer beside the values."
        )
    names = {entry.removesuffix("Pil") for entry in dir(transformers) if entry.endswith(_ENDINGS[auto_class])}
    cls = getattr(transformers, f"{name}Pil", None) or getattr(transformers, str(name)) if name in names else None
    if not (inspect.isclass(cls) and issubclass(cls, base)):
        hint = did_you_mean(str(name), names) or _EXAMPLES[auto_class]
        raise UserError(f"checkpoint.processor.class={as_typed(name)}: this task needs an {auto_class}.{hint}")
    return cls


def _accepted_values(cls: Any) -> Collection[str]:
    """Returns the values that a processor uses; its constructor takes any other one without a word."""
    if issubclass(cls, BaseImageProcessor):
        return [*cls.valid_kwargs.__annotations__]
    parameters = inspect.signature(cls).parameters.values()
    return [parameter.name for parameter in parameters if parameter.kind is parameter.POSITIONAL_OR_KEYWORD]
