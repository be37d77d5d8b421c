"""Places in W&B as they are typed: `wandb:entity/project/…`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self, final

from hone.errors import UserError
from hone.paths import cache_folder

PREFIX = "wandb:"


def is_address(place: str) -> bool:
    return place.startswith(PREFIX)


@final
@dataclass(frozen=True)
class Address:
    """`rest` is what follows the project: a run, a group, a sweep, a model with its alias, or nothing."""

    text: str
    entity: str
    project: str
    rest: str

    @classmethod
    def read(cls, text: str, expected: str) -> Self:
        """`expected` says what may follow the project, for the message."""
        entity, _, more = text.removeprefix(PREFIX).partition("/")
        project, _, rest = more.partition("/")
        if not entity.strip() or not project.strip() or ".." in (entity, project):
            raise UserError(f"{text}: expected {PREFIX}entity/project{expected}.")
        return cls(text, entity, project, rest.rstrip("/"))

    @property
    def path(self) -> str:
        """Of the project, as W&B has it."""
        return f"{self.entity}/{self.project}"

    @property
    def cache(self) -> Path:
        """Where what is fetched from the project is kept."""
        return cache_folder() / "wandb" / self.entity / self.project
