"""How a job was asked for: the command line and the choices behind its config."""

from __future__ import annotations

import re
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from hone.runs.redact import redact_override

_NO_TITLE = {"resume", "output_root", "name", "notes", "trust", "tracker", "experiment", "sweep"}


@final
@dataclass(frozen=True)
class Invocation:
    """Ready to be stored: secrets are blanked."""

    command: str
    overrides: tuple[str, ...]
    choices: Mapping[str, str]
    sweep: Path | None = None
    """The folder of the sweep that the run is a cell of."""
    number: int = 0
    """Of the cell."""
    cell: tuple[str, ...] = ()
    """The words that only this run of the sweep has."""

    @classmethod
    def of(cls, overrides: list[str], choices: Mapping[str, str | None]) -> Invocation:
        words = [redact_override(word) for word in overrides]
        line = shlex.join([*sys.argv[0].split(), *words])
        return cls(line, tuple(words), {group: str(choice) for group, choice in choices.items() if choice})

    @property
    def name(self) -> str:
        """What the run is called when nobody names it."""
        return self.choices.get("experiment") or f"{self.choices['dataset']}-{self.choices['checkpoint']}"

    @property
    def parts(self) -> dict[str, str]:
        """What was chosen in each of our own groups."""
        return {group.partition("@")[0]: choice for group, choice in self.choices.items() if "hydra/" not in group}

    @property
    def title(self) -> str:
        """What was asked for beyond the defaults, for lists of runs."""
        words = self.cell or [word for word in self.overrides if re.split(r"[.=]", word)[0] not in _NO_TITLE]
        return " ".join(words)[:96]
