"""Turns errors of Hydra and OmegaConf into one message that names the place and the nearest valid choice."""

from __future__ import annotations

import re
import warnings
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import MissingConfigException, OverrideParseException, SearchPathException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationResolutionError, MissingMandatoryValue

from hone.config.allowlist import vetted
from hone.config.check import roles_of
from hone.config.command_line import CommandLine, with_open_columns
from hone.config.hydra_private import HYDRA
from hone.config.tree import CONF, options, target_of
from hone.config.unknown_keys import unknown_key
from hone.core.errors import MissingColumns, UserError, did_you_mean, join_names

_UNKNOWN = re.compile(r"Could not (?:override|delete from config)[^']*'([^']+)'")
_INSIDE = re.compile(r"full_key: (\S+)")
_EXISTS = re.compile(r"Could not append to config\. An item is already at '([^']+)'")
_TWICE = re.compile(r"Multiple values for (\S+)\.")
_SWEEP = re.compile(r"(?:Ambiguous value for argument|Sweep parameters) '([^']+)'")
_REGISTERED = re.compile(r"Error merging '(hydra/launcher)/(\w+)' with schema")
_NO_OPTION = re.compile(r"Config group override must be a string")
_MISSING = re.compile(r"Missing mandatory value: (\S+)")
_NOT_FOR_SWEEPS = ("hydra/launcher=basic", "hydra/sweeper=basic")
_NOISE = re.compile(r"full_key|object_type|See https|^Config search path|provider=|^\s*$")


def explain(error: Exception, command: str, line: CommandLine) -> UserError:
    """The mistake behind an error that occurred while a config was read, composed or resolved."""
    if isinstance(error, UserError):
        return error
    if isinstance(error, MissingConfigException):
        return _no_such_option(error, line)
    if isinstance(error, OverrideParseException):
        return _unreadable(error, command)
    if isinstance(error, MissingMandatoryValue):
        return _no_value(str(error.full_key))
    if isinstance(error, InterpolationResolutionError):
        return UserError(f"{error.full_key}: {_without_noise(str(error.msg or error))}")
    return _by_text(error, command, line)


def with_fitting_tasks(error: BaseException) -> BaseException:
    """An error about columns that a task lacks, with the tasks whose roles are all columns of the data set."""
    if not isinstance(error, MissingColumns):
        return error
    tasks = {name: target_of("task", name) for name in options("task")}
    others = {name: roles_of(target) for name, target in tasks.items() if target != error.task}
    fitting = [name for name, roles in others.items() if roles and {*error.columns}.issuperset(roles[0])]
    hint = f" As it is, the data fits task={' or task='.join(fitting)}." if fitting else ""
    return UserError(f"{error}{hint}").with_traceback(error.__traceback__)


def _by_text(error: Exception, command: str, line: CommandLine) -> UserError:
    text = "\n".join(str(cause) for cause in _causes(error))
    if match := _UNKNOWN.search(text):
        return _no_such_key(match[1].lstrip("+~"), text, command, line)
    if match := _EXISTS.search(text):
        word = _override_of(match[1], line)
        return UserError(f"{word}: {match[1]} exists already; write it without the +: {word.lstrip('+')}")
    if match := _TWICE.search(text):
        return _chosen_twice(match[1], line)
    if match := _SWEEP.search(text):
        return UserError(f"{match[1]}: several values; add -m to run each of them, or write [a,b] for a list.")
    if match := _MISSING.search(text):
        return _no_value(match[1])
    if match := _REGISTERED.search(text):
        plugin = f"hydra-{match[2]}-launcher"
        return UserError(f"{match[1]}={match[2]}: another package has registered this name: pip uninstall {plugin}.")
    culprit = None if isinstance(error, SearchPathException) else _find_culprit(command, line)
    if culprit and _NO_OPTION.search(text):
        return _not_an_option(culprit)
    return UserError(f"{culprit}: {_without_noise(text)}" if culprit else _without_noise(text))


def _no_such_key(key: str, text: str, command: str, line: CommandLine) -> UserError:
    word = _override_of(key, line)
    if (CONF / key).is_dir():
        return _not_an_option(word)
    config = _compose_what_works(command, word, line)
    inside = _INSIDE.search(text)
    if inside and inside[1].startswith(f"{key}."):  # the value is a mapping with this unknown key
        return unknown_key(inside[1], f"{inside[1]}=…", config)
    return unknown_key(key, word, config)


def _without_noise(text: str) -> str:
    """The text without Hydra's notes for programmers."""
    return " ".join(line.strip() for line in text.splitlines() if not _NOISE.search(line)) or text


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _no_value(key: str) -> UserError:
    return UserError(f"{key} has no value; give it one: {key}=…")


def _override_of(key: str, line: CommandLine) -> str:
    """The override that sets a key."""
    return next((word for word in line.overrides if word.lstrip("+~").partition("=")[0] == key), key)


def _unreadable(error: OverrideParseException, command: str) -> UserError:
    if "=" not in error.override:
        return UserError(f"{error.override!r}: expected key=value; `hone {command} --help` shows the keys.")
    reason = _without_noise(str(error)).removeprefix(f"Error parsing override '{error.override}'").strip()
    return UserError(
        f"{error.override}: this cannot be read ({reason}); values with spaces, commas, colons or brackets "
        f"need quotes inside the shell's: 'key=\"…\"'."
    )


def _no_such_option(error: MissingConfigException, line: CommandLine) -> UserError:
    group, _, choice = (error.missing_cfg_file or "").rpartition("/")
    options = [option for option in error.options or () if f"{group}={option}" not in _NOT_FOR_SWEEPS]
    if not group and not options:
        return UserError(_without_noise(str(error)))
    typed = next((word for word in line.overrides if word.partition("=")[2] == choice), f"{group}={choice}")
    return UserError(
        f"{typed}: no such {group or 'config'}.{did_you_mean(choice, options)} The options are {join_names(options)}."
    )


def _chosen_twice(group: str, line: CommandLine) -> UserError:
    word = _override_of(group, line)
    if word.startswith("+"):
        return UserError(f"{word}: {group} is chosen already; write it without the +: {word.lstrip('+')}")
    return UserError(f"{group} is chosen twice: in the defaults of a config file, write `override /{group}: …`.")


def _find_culprit(command: str, line: CommandLine) -> str | None:
    """The first override with which the config can no longer be composed."""
    words = sorted(line.overrides, key=lambda word: "." in word.partition("=")[0])  # groups come first

    def fails(last: int) -> bool:
        return _try_to_compose(command, words[: last + 1], line) is None

    place = bisect_left(range(len(words)), True, key=fails)
    return words[place] if place < len(words) else None


def _not_an_option(word: str) -> UserError:
    group = word.partition("=")[0].lstrip("+~")
    choices = options(group)
    return UserError(f"{word}: expected the name of an option of {group}: {join_names(choices, len(choices))}.")


def _compose_what_works(command: str, wrong: str, line: CommandLine) -> DictConfig:
    """The config of the overrides that work, to search for what was meant."""
    others = [word for word in line.overrides if word != wrong and "," not in word]
    groups = [word for word in others if "." not in word]
    for words in (others, groups, []):
        config = _try_to_compose(command, words, line)
        if config is not None:
            return config
    return OmegaConf.create()


def _try_to_compose(command: str, words: list[str], line: CommandLine) -> DictConfig | None:
    try:
        return compose_config(command, words, line)
    except Exception:  # whatever is wrong, this is not the config that is searched for
        return None


def compose_config(command: str, words: list[str], line: CommandLine) -> DictConfig:
    """The config of a command with these words, and Hydra's own section; nothing of it is used or resolved."""
    GlobalHydra.instance().clear()
    searchpath = [f"hydra.searchpath=[file://{Path(line.config_dir).absolute()}]"] if line.config_dir else []
    quiet = warnings.catch_warnings(action="ignore")
    with quiet, vetted(command, line), initialize_config_dir(str(CONF), version_base=HYDRA):
        overrides = [*searchpath, *map(with_open_columns, words)]
        return compose(line.config_name or command, overrides, return_hydra_config=True)
