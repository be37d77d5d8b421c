"""What somebody meant who set a key that is not there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hone.check import require_trusted
from hone.conf import CONF, options
from hone.errors import UserError, listed, nearest
from hone.signatures import signature_of
from hone.wording import takes_keys

_INNER = {"_target_", "_partial_"}


def unknown_key(key: str, word: str, config: DictConfig) -> UserError:
    """The key can be added, or another option of its group has it, or it lies elsewhere, or it is misspelt."""
    whole = _plain(config)
    tree = whole if key.startswith("hydra.") else {name: value for name, value in whole.items() if name != "hydra"}
    hint = (
        _addable(key, word, tree)
        or _of_other_options(key, whole)
        or _elsewhere(key, tree)
        or _misspelt(key, tree)
        or f" There are {listed(name for name in tree if name not in _INNER)}."
    )
    return UserError(f"{key}: no such key.{hint}")


def _addable(key: str, word: str, tree: Mapping[str, Any]) -> str:
    """' To add it, …', where the class of the part that the key is in takes it."""
    steps = key.split(".")
    for depth in range(len(steps) - 1, 0, -1):
        node = _at(tree, steps[:depth])
        if isinstance(node, Mapping) and "_target_" in node:
            takes = _takes(str(node["_target_"]), steps[depth:])
            return f" To add it, write it with a plus: +{word}" if takes else ""
    return ""


def _takes(target: str, steps: list[str]) -> bool:
    try:
        require_trusted(target, "", ())
    except UserError:
        return False
    signature = signature_of(target)
    parameter = signature.parameters.get(steps[0]) if signature else None
    return parameter is not None and (len(steps) == 1 or (len(steps) == 2 and takes_keys(parameter.type)))


def _of_other_options(key: str, whole: Mapping[str, Any]) -> str:
    """' head=mean has it', where another choice in the same group does."""
    group, *rest = key.split(".")
    if not rest or not (CONF / group).is_dir():
        return ""
    trees = {option: _plain(OmegaConf.load(CONF / group / f"{option}.yaml")) for option in options(group)}
    found = [option for option, tree in trees.items() if rest[-1] in _keys_at(tree, rest[:-1])]
    found.sort(key=lambda option: _at(trees[option], rest) != "???")  # those that leave it to the user come first
    having = [f"{group}={option}" for option in found]
    chosen = _at(whole, ["hydra", "runtime", "choices", group])
    return f" {group}={chosen or 'null'} has none; these have: {listed(having, 8)}." if having else ""


def _elsewhere(key: str, tree: Mapping[str, Any]) -> str:
    """Where a key of that name is; one that only feeds another is not what was meant."""
    found = {path: value for path, value in _leaves(tree, "") if path.rpartition(".")[2] == key.rpartition(".")[2]}
    fed = {value.strip("${}") for value in found.values() if isinstance(value, str)}
    meant = [path for path in found if path not in fed]
    alike = nearest(key, meant) if "." in key else ""
    return alike or (f" Did you mean {' or '.join(meant)}?" if meant else "")


def _misspelt(key: str, tree: Mapping[str, Any]) -> str:
    *parents, _ = key.split(".")
    siblings = _keys_at(tree, parents)
    if not siblings:
        return nearest(key, [path for path, _ in _leaves(tree, "")])
    place = ".".join(parents)
    hint = nearest(key, [".".join([*parents, name]) for name in siblings])
    return hint or (f" {place} has {listed(siblings)}." if parents else "")


def _plain(config: Any) -> Any:
    """As it is written, interpolations too."""
    return OmegaConf.to_container(config, resolve=False)


def _at(tree: Any, steps: list[str]) -> Any:
    for step in steps:
        tree = tree.get(step) if isinstance(tree, Mapping) else None
    return tree


def _keys_at(tree: Any, steps: list[str]) -> list[str]:
    node = _at(tree, steps)
    return [str(name) for name in node if name not in _INNER] if isinstance(node, Mapping) else []


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Every key, with its value."""
    for name, value in tree.items():
        if name not in _INNER:
            yield f"{prefix}{name}", value
            if isinstance(value, Mapping):
                yield from _leaves(value, f"{prefix}{name}.")
