"""The config files: inside the package when installed, in the repository during development."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

_INSTALLED = Path(__file__).parents[1] / "conf"
CONF = _INSTALLED if _INSTALLED.is_dir() else Path(__file__).parents[3] / "conf"


def commands() -> dict[str, str]:
    """Every command with its summary: a top-level YAML file and the first line of its comment."""
    return {
        path.stem: path.read_text(encoding="utf-8").split("\n")[0].strip("# ") for path in sorted(CONF.glob("*.yaml"))
    }


def options(group: str) -> list[str]:
    """The options of a config group; a folder inside that its files choose from is a group of its own."""
    files = [path.relative_to(CONF / group) for path in (CONF / group).rglob("*.yaml")]
    texts = [path.read_text(encoding="utf-8") for path in (CONF / group).glob("*.yaml")]
    inner = {name for text in texts for name in re.findall(r"^  - (\w+): ", text, re.MULTILINE)}
    return sorted(str(path.with_suffix("")) for path in files if path.parts[0] not in inner)


def target_of(group: str, option: str) -> str:
    """The class that an option names."""
    match = re.search(r"^_target_: (\S+)", (CONF / group / f"{option}.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    return match[1] if match else ""


@cache
def named_targets() -> frozenset[str]:
    """The classes of hone that its own config files name."""
    texts = (path.read_text(encoding="utf-8") for path in CONF.rglob("*.yaml"))
    return frozenset(name for text in texts for name in re.findall(r"\b_target_: (hone\.[\w.]+)", text))


def keys_of(command: str) -> set[str]:
    """The keys of a command's file, and the groups that it chooses from."""
    import yaml  # `hone --help` does not need it

    node = yaml.safe_load((CONF / f"{command}.yaml").read_text(encoding="utf-8"))
    groups = {str(name) for choice in node.pop("defaults") if isinstance(choice, dict) for name in choice}
    return {*node, *groups}
