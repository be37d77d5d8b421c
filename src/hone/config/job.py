"""One run as the user asked for it: the command line and the choices behind it, the settings, and the whole config."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, final

from hone.config.settings import TrainSettings
from hone.core.redact import BLANK, redact_override, redact_text
from hone.core.value_types import Split
from hone.runs.identity import identity_of

_NO_TITLE = {"resume", "output_root", "name", "notes", "trust", "tracker", "experiment", "sweep"}
_ANY_PATH = ("local", "hub")
"""The options of `dataset` and `checkpoint` that stand for whatever their path names."""
_GENERIC = {"train", "data", "dataset", "model", "checkpoint", "export", "best"}
"""File and folder names that say nothing about the content; the folder above has a better one."""
_FORMATS = re.compile(r"\.(csv|tsv|jsonl|json|parquet|txt)$")
_ALIAS = re.compile(r":[\w.-]+$")
"""Of a model in W&B: `wandb:entity/project/name:alias`."""


@final
@dataclass(frozen=True)
class Invocation:
    """The command line and the choices of config groups, ready to be stored: secrets are blanked."""

    command: str
    overrides: tuple[str, ...]
    choices: Mapping[str, str]
    sweep: Path | None = None
    """The folder of the sweep that the run is a cell of."""
    number: int = 0
    """The number of the cell."""
    cell: tuple[str, ...] = ()
    """The overrides that only this run of the sweep has."""

    @classmethod
    def of(cls, overrides: list[str], choices: Mapping[str, str | None]) -> Invocation:
        words = [redact_override(word) for word in overrides]
        line = shlex.join([*sys.argv[0].split(), *words])
        return cls(line, tuple(words), {group: str(choice) for group, choice in choices.items() if choice})

    @property
    def parts(self) -> dict[str, str]:
        """The chosen option of each of hone's own groups."""
        return {group.partition("@")[0]: choice for group, choice in self.choices.items() if "hydra/" not in group}

    @property
    def title(self) -> str:
        """The overrides that distinguish this run, for lists of runs."""
        words = self.cell or [word for word in self.overrides if re.split(r"[.=]", word)[0] not in _NO_TITLE]
        return " ".join(words)[:96]


@final
@dataclass(frozen=True)
class Job:
    """What every process of a run receives."""

    settings: TrainSettings
    config: Mapping[str, Any]
    invocation: Invocation

    @property
    def name(self) -> str:
        """The name of the run's folder and of its group."""
        if self.invocation.sweep is not None:
            return self.invocation.sweep.name
        name = self.settings.name or default_name(self.invocation.choices, self.config)
        return redact_text(name).replace(BLANK, "redacted")

    @property
    def scored(self) -> tuple[Split, ...]:
        """The splits of the final scores; in a sweep the test split stays sealed until the best run is chosen."""
        return ("validation", "test") if self.invocation.sweep is None else ("validation",)

    @cached_property
    def identity(self) -> str:
        """The same for every job that would come to the same result."""
        return identity_of(self.config)


def default_name(choices: Mapping[str, str | None], config: Mapping[str, Any]) -> str:
    """The name of a run without one: its experiment, or its data and its checkpoint."""
    return choices.get("experiment") or "-".join(_label(group, choices, config) for group in ("dataset", "checkpoint"))


def _label(group: str, choices: Mapping[str, str | None], config: Mapping[str, Any]) -> str:
    """The chosen option, or the name in its path where the option stands for any path."""
    option = str(choices[group])
    path = (config.get(group) or {}).get("path")
    return (option in _ANY_PATH and path and _name_from_path(str(path))) or option


def _name_from_path(path: str) -> str:
    """'reviews' for data/reviews.csv and for reviews/train.csv, 'bert-base' for a Hub id org/bert-base."""
    place = _ALIAS.sub("", path) if path.startswith("wandb:") else path
    steps = [_FORMATS.sub("", step) for step in Path(place).expanduser().absolute().parts[1:]]
    telling = [step for step in steps if step not in _GENERIC] or steps
    return re.sub(r"[^\w.-]+", "-", telling[-1]).strip(".-")[:60] if telling else ""
