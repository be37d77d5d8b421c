"""Reads the comments of config files: what a file is, what each of its keys means, which groups it chooses from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import yaml

_DEFAULT = re.compile(r"^ *- (?:override )?/?(?P<name>[\w/]+)(?:@(?P<package>[\w.]+))?(?:: *(?P<option>\S+))?")


@final
@dataclass(frozen=True)
class Default:
    """One entry of a defaults list: an option of a group, or (without an option) another file that is included."""

    name: str
    package: str | None
    option: str | None
    comment: str


@final
@dataclass(frozen=True)
class ConfigFile:
    """One YAML file as its author explains it."""

    head: tuple[str, ...]
    """The lines of the comment that the file begins with."""
    defaults: tuple[Default, ...]
    keys: dict[str, str]
    """The comment of each key, by its dotted name; a key without one is absent."""

    @classmethod
    def read(cls, path: Path) -> ConfigFile:
        text = path.read_text(encoding="utf-8")
        lines = text.splitlines()
        head = []
        for line in lines:
            if not line.startswith("#"):
                break
            head.append(line.strip("# "))
        root = yaml.compose(text, yaml.SafeLoader)
        keys = dict(_comments(root, lines, "")) if isinstance(root, yaml.MappingNode) else {}
        return cls(tuple(head), tuple(_defaults(lines)), keys)


def _comments(node: yaml.MappingNode, lines: list[str], prefix: str) -> Iterator[tuple[str, str]]:
    for key, value in node.value:
        name = f"{prefix}{key.value}"
        block = isinstance(value, yaml.CollectionNode) and not value.flow_style
        end = key.end_mark if block else value.end_mark  # what follows the key, or its value, on the same line
        rest = lines[end.line][end.column :] if end.line < len(lines) else ""
        if comment := rest.partition("#")[2].strip():
            yield name, comment
        if isinstance(value, yaml.MappingNode):
            yield from _comments(value, lines, f"{name}.")


def _defaults(lines: list[str]) -> Iterator[Default]:
    inside = False
    for line in lines:
        inside = line == "defaults:" or (inside and line.startswith(" "))
        entry = _DEFAULT.match(line) if inside else None
        if entry and entry["name"] != "_self_":
            yield Default(entry["name"], entry["package"], entry["option"], line.partition(" # ")[2].strip())
