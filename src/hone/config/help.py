"""`hone <command> --help`: the groups and the keys of that command, with the comments of its config files."""

from __future__ import annotations

import re
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import yaml
from omegaconf import OmegaConf

from hone.config.check import roles_of
from hone.config.command_line import CommandLine
from hone.config.mistakes import compose_config, explain
from hone.config.settings import SWEEP_ACTIONS
from hone.config.tree import CONF, options
from hone.core.wording import as_typed

_LAUNCHER = "hydra/launcher"
_TASK = "the problem to be learned; the data set chooses it"
_SWEEPS = {"-m": "a sweep: key=a,b runs the config once for each value; hydra/launcher chooses where"}
_FLAGS = {
    "--cfg job": "print the config that would be used",
    "--config-dir DIR": "a folder with config files of your own",
    "--info defaults": "print which files make up the config",
    "--hydra-help": "print the flags of Hydra",
    "--debug": "print a traceback with every error",
}
_COLUMN = 34
"""Where the explanation of a key begins."""
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


def help_text(command: str, line: CommandLine) -> str:
    """The help for a command, with the choices and the values of the rest of its command line."""
    try:
        config = compose_config(command, list(line.overrides), line)
    except Exception as error:
        raise explain(error, command, line) from error
    page = _Page(command, line.config_dir, config.hydra.runtime.choices, OmegaConf.to_container(config, resolve=False))
    return "\n".join(page.lines())


@final
class _Page:
    """The text of one command's help."""

    def __init__(self, command: str, folder: str | None, choices: Mapping[str, str | None], config: Any) -> None:
        self.command, self.config = command, config
        self.folders = [*([Path(folder)] if folder else []), CONF]
        self.width = max(shutil.get_terminal_size().columns, 60)
        own = {group: option for group, option in choices.items() if not group.startswith("hydra/")}
        launched = choices.get("hydra/sweeper") == "hone"
        self.choices = own | ({_LAUNCHER: choices[_LAUNCHER]} if launched else {})
        self.comments: dict[str, str] = {}
        self.purposes = {"task": _TASK}
        self._collect_comments(command, "", "")
        self.order = [*self.purposes]
        for group, option in self.choices.items():
            self._collect_comments(f"{group}/{option}", f"{_section(group)}.", f"{group}/")

    def lines(self) -> Iterator[str]:
        file = self._read_file(self.command)
        summary, *examples = file.head if file else ("",)
        yield f"hone {self.command}: {summary}"
        yield from examples
        if self.command == "sweep":
            yield from self._table_lines("Actions", SWEEP_ACTIONS)
        groups = {_section(group) for group in self.choices}
        keys = [name for name in self.config if name not in {*groups, "hydra"}]
        yield from ["", "Keys (key=value, shown with the present value)"]
        for name in keys:
            yield from self._lines_of_key(name, self.config[name])
        if self.choices:
            yield from ["", "Groups (group=option, shown with the present option and its keys)"]
        for group, option in sorted(self.choices.items(), key=self._sort_key):
            yield from self._group_lines(group, option)
        yield from self._table_lines("Flags", (_SWEEPS if _LAUNCHER in self.choices else {}) | _FLAGS)

    def _sort_key(self, choice: tuple[str, str | None]) -> tuple[int, str]:
        """Groups stand in the order of the command's file; the task follows the data, inner groups the outer one."""
        group = choice[0]
        outer = "dataset" if group == "task" and "dataset" in self.order else group.partition("/")[0]
        return self.order.index(outer) if outer in self.order else len(self.order), group

    def _group_lines(self, group: str, option: str | None) -> Iterator[str]:
        file = self._read_file(f"{group}/{option}") if option else None
        yield ""
        yield from self._entry_lines(f"{group}={option or 'null'}", self.purposes.get(group, ""), 2)
        if file and file.head:
            yield from self._wrap(" ".join(line for line in file.head if not line.startswith("@package")), 4)
        yield from self._wrap(f"options: {', '.join(self._options_of(group))}", 4)
        node = self._section_node(_section(group))
        if isinstance(node, Mapping):
            yield from self._key_lines(node, _section(group))
            yield from self._role_lines(group, node)

    def _role_lines(self, group: str, node: Mapping[str, Any]) -> Iterator[str]:
        roles = roles_of(str(node.get("_target_"))) if group == "task" else None
        if roles is None:
            return
        required, optional = roles
        more = f"; optional: {', '.join(optional)}" if optional else ""
        where = "dataset.columns.ROLE=COLUMN" if "dataset" in self.choices else 'ROLE="…"'
        yield from self._wrap(f"roles: {', '.join(required)}{more} ({where})", 4)

    def _key_lines(self, node: Mapping[str, Any], prefix: str) -> Iterator[str]:
        inner = {_section(group) for group in self.choices}
        for name, value in node.items():
            if name not in ("_target_", "_partial_") and f"{prefix}.{name}" not in inner:
                yield from self._lines_of_key(f"{prefix}.{name}", value)

    def _lines_of_key(self, key: str, value: Any) -> Iterator[str]:
        comment = self.comments.get(key, "")
        if isinstance(value, Mapping) and value:
            yield from self._entry_lines(key, comment or str(value.get("_target_", "")), 4)
            yield from self._key_lines(value, key)
        elif value == "???":
            yield from self._entry_lines(f"{key}=…", f"(required) {comment}", 4)
        else:
            text = as_typed(value) or '""'
            yield from self._entry_lines(f"{key}={text}", comment, 4)

    def _options_of(self, group: str) -> list[str]:
        own = [path.stem for folder in self.folders[:-1] for path in (folder / group).glob("*.yaml")]
        return sorted({*own, *options(group)})

    def _collect_comments(self, name: str, section: str, group: str) -> None:
        """Collect the comments on keys and groups, by their whole names, of a file and of the files it includes."""
        file = self._read_file(name)
        if file is None:
            return
        for entry in file.defaults:
            if entry.option is None:
                inside = f"{section}{entry.package}." if entry.package else section
                self._collect_comments(f"{group}{entry.name}", inside, group)
            elif entry.comment or f"{group}{entry.name}" not in self.purposes:
                self.purposes[f"{group}{entry.name}"] = entry.comment
        self.comments |= {f"{section}{key}": comment for key, comment in file.keys.items()}

    def _read_file(self, name: str) -> ConfigFile | None:
        paths = (folder / f"{name}.yaml" for folder in self.folders)
        return next((ConfigFile.read(path) for path in paths if path.is_file()), None)

    def _section_node(self, section: str) -> Any:
        node = self.config
        for step in section.split("."):
            node = node.get(step) if isinstance(node, Mapping) else None
        return node

    def _table_lines(self, title: str, rows: Mapping[str, str]) -> Iterator[str]:
        yield from ["", title]
        for name, explanation in rows.items():
            yield from self._entry_lines(name, explanation, 2)

    def _entry_lines(self, name: str, explanation: str, indent: int) -> Iterator[str]:
        """A name and its explanation beside it, or below it where the name is long."""
        first = f"{' ' * indent}{name}"
        if not explanation:
            yield first
            return
        lines = textwrap.wrap(explanation, self.width - _COLUMN - 1, break_on_hyphens=False)
        if len(first) < _COLUMN:
            yield f"{first:{_COLUMN}}{lines.pop(0)}"
        else:
            yield first
        yield from (f"{'':{_COLUMN}}{text}" for text in lines)

    def _wrap(self, text: str, indent: int) -> list[str]:
        inner = " " * (indent + 2)
        return textwrap.wrap(text, self.width - 1, initial_indent=" " * indent, subsequent_indent=inner)


def _section(group: str) -> str:
    return group.replace("/", ".")
