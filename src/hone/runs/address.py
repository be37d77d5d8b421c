"""Addresses in W&B as users type them: `wandb:entity/project/…`. They are parsed here without asking a server."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

from hone.core.errors import UserError
from hone.core.paths import cache_folder

PREFIX = "wandb:"
_MODEL = "/name:alias, such as wandb:me/hone/model-1a2b3c4d:best"


def is_address(place: str) -> bool:
    """Return whether a place is an address in W&B and not a path."""
    return place.startswith(PREFIX)


@final
@dataclass(frozen=True)
class Address:
    """A project in W&B, or something in it."""

    text: str
    entity: str
    project: str
    rest: str
    """What follows the project: a run, a group, a sweep, a model with its alias, or nothing."""

    @classmethod
    def read(cls, text: str, expected: str) -> Self:
        """Parse an address; `expected` says in the error message what may follow the project."""
        entity, _, more = text.removeprefix(PREFIX).partition("/")
        project, _, rest = more.partition("/")
        if not entity.strip() or not project.strip() or ".." in (entity, project):
            raise UserError(f"{text}: expected {PREFIX}entity/project{expected}.")
        return cls(text, entity, project, rest.rstrip("/"))

    @property
    def path(self) -> str:
        """The project as W&B's API names it."""
        return f"{self.entity}/{self.project}"

    @property
    def cache(self) -> Path:
        """The folder that keeps downloads from this project."""
        return cache_folder() / "wandb" / self.entity / self.project


@final
@dataclass(frozen=True)
class ModelAddress:
    """A model artifact and one of its versions or aliases."""

    project: Address
    name: str
    alias: str

    @classmethod
    def read(cls, text: str) -> Self:
        """Parse an address. Nothing is downloaded."""
        project = Address.read(text, _MODEL)
        name, _, alias = project.rest.partition(":")
        if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
            raise UserError(f"{text}: expected {PREFIX}entity/project{_MODEL}.")
        return cls(project, name, alias or "best")
