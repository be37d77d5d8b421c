"""Suggestions for a key that does not exist: how to add it, which option has it, or what it was meant to be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from omegaconf import DictConfig, OmegaConf

from hone.config.signatures import signature_of
from hone.config.tree import CONF, options
from hone.core.errors import UserError, did_you_mean, join_names
from hone.core.trust import require_trusted
from hone.core.wording import takes_keys

_INNER = {"_target_", "_partial_"}
_PATHS = {
    "dataset.path": {"dataset=local": "your own files", "dataset=hub": "a data set of the Hugging Face Hub"},
    "checkpoint.path": {"checkpoint=hub": "a folder, or a checkpoint of the Hugging Face Hub"},
}
"""Keys that only some options of a group leave to the user, and what each of these options is for."""
_ELSEWHERE = {
    "learning_rate": "optimizer.lr",
    "num_train_epochs": "epochs",
    "max_seq_length": "task.max_length",
    "per_device_train_batch_size": "batch_size",
    "gradient_accumulation_steps": "accumulate",
}
"""What other tools call a key."""


def unknown_key(key: str, word: str, config: DictConfig) -> UserError:
    """The error for a key that does not exist, with the most helpful of the suggestions that apply."""
    whole = _plain(config)
    tree = whole if key.startswith("hydra.") else {name: value for name, value in whole.items() if name != "hydra"}
    hint = (
        _suggest_plus(key, word, tree)
        or _suggest_option_with_path(key, word, whole)
        or _suggest_other_options(key, whole)
        or _suggest_our_name(key, word, tree)
        or _suggest_same_name(key, tree)
        or _suggest_spelling(key, tree)
        or f" The keys are {join_names(name for name in tree if name not in _INNER)}."
    )
    return UserError(f"{key}: no such key.{hint}")


def _suggest_plus(key: str, word: str, tree: Mapping[str, Any]) -> str:
    """' To add it, …', if the class of the section that the key is in accepts it."""
    steps = key.split(".")
    for depth in range(len(steps) - 1, 0, -1):
        node = _at(tree, steps[:depth])
        if isinstance(node, Mapping) and "_target_" in node:
            accepted = _accepts(str(node["_target_"]), steps[depth:])
            return f" To add it, write it with a plus: +{word}" if accepted else ""
    return ""


def _accepts(target: str, steps: list[str]) -> bool:
    try:
        require_trusted(target, "", ())
    except UserError:
        return False
    signature = signature_of(target)
    parameter = signature.parameters.get(steps[0]) if signature else None
    if parameter is None:
        return False
    return len(steps) == 1 or (len(steps) == 2 and takes_keys(parameter.type))


def _suggest_option_with_path(key: str, word: str, whole: Mapping[str, Any]) -> str:
    """' Add dataset=local for your own files …' for a path without the option that it belongs to."""
    choices = _PATHS.get(key)
    if choices is None:
        return ""
    group = key.partition(".")[0]
    ways = ", or ".join(f"{option} for {purpose}" for option, purpose in choices.items())
    return f" {group}={_chosen(group, whole)} has no path; add {ways}: {next(iter(choices))} {word}"


def _suggest_other_options(key: str, whole: Mapping[str, Any]) -> str:
    """' head=auto does not have it; these do: …', if other options of the same group have the key."""
    group, *rest = key.split(".")
    if not rest or not (CONF / group).is_dir():
        return ""
    trees = {option: _plain(OmegaConf.load(CONF / group / f"{option}.yaml")) for option in options(group)}
    having = [option for option, tree in trees.items() if rest[-1] in _keys_at(tree, rest[:-1])]
    having.sort(key=lambda option: _at(trees[option], rest) != "???")  # those that leave it to the user come first
    if not having:
        return ""
    names = join_names([f"{group}={option}" for option in having], 8)
    return f" {group}={_chosen(group, whole)} does not have it; these do: {names}."


def _suggest_our_name(key: str, word: str, tree: Mapping[str, Any]) -> str:
    """What hone calls a model, or a key that other tools have under this name."""
    value = word.partition("=")[2]
    if key.startswith("model") and "checkpoint" in tree:
        meant = f"checkpoint={value}" if value in options("checkpoint") else f"checkpoint=hub checkpoint.path={value}"
        return f" Did you mean {meant}?"
    if key.startswith("model") and "run" in tree:
        return f" Did you mean run={value}?"
    ours = _ELSEWHERE.get(key)
    return f" Did you mean {ours}?" if ours and _at(tree, ours.split("."), absent="") != "" else ""


def _suggest_same_name(key: str, tree: Mapping[str, Any]) -> str:
    """The keys with that name in other places, except those that only pass their value on to another one."""
    last = key.rpartition(".")[2]
    places = {path: value for path, value in _leaves(tree, "") if path.rpartition(".")[2] == last}
    sources = {value.strip("${}") for value in places.values() if isinstance(value, str)}
    meant = [path for path in places if path not in sources]
    alike = did_you_mean(key, meant) if "." in key else ""
    return alike or (f" Did you mean {' or '.join(meant)}?" if meant else "")


def _suggest_spelling(key: str, tree: Mapping[str, Any]) -> str:
    *parents, _ = key.split(".")
    siblings = _keys_at(tree, parents)
    if not siblings:
        return did_you_mean(key, [path for path, _ in _leaves(tree, "")])
    hint = did_you_mean(key, [".".join([*parents, name]) for name in siblings])
    if hint or not parents:
        return hint
    return f" The keys of {'.'.join(parents)} are {join_names(siblings)}."


def _chosen(group: str, whole: Mapping[str, Any]) -> str:
    return _at(whole, ["hydra", "runtime", "choices", group]) or "null"


def _plain(config: Any) -> Any:
    """The config as it is written, with its interpolations."""
    return OmegaConf.to_container(config, resolve=False)


def _at(tree: Any, steps: list[str], absent: Any = None) -> Any:
    for step in steps:
        tree = tree.get(step, absent) if isinstance(tree, Mapping) else absent
    return tree


def _keys_at(tree: Any, steps: list[str]) -> list[str]:
    node = _at(tree, steps)
    return [str(name) for name in node if name not in _INNER] if isinstance(node, Mapping) else []


def _leaves(tree: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    """Every key, by its whole name, with its value."""
    for name, value in tree.items():
        if name in _INNER:
            continue
        yield f"{prefix}{name}", value
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
