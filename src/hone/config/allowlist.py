"""Applies the allowlist of targets to what Hydra itself would import or set because of a config."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, final

from hydra.plugins.config_source import ConfigResult
from hydra.types import RunMode
from omegaconf import Container, DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from hone.config.check import sweep_function
from hone.config.command_line import CommandLine
from hone.config.foreign_files import is_shipped, launcher_options, require_harmless_options, require_own_package
from hone.config.hydra_private import CORE_PLUGINS, FileVettingLoader, loader_replaced
from hone.core.errors import UserError
from hone.core.trust import require_trusted

SWEEPER = "hydra_plugins.hone_sweeper.sweeper.HoneSweeper"
_OF_HYDRA = {"hydra.sweeper._target_", "hydra.launcher._target_"}
"""Hydra instantiates only its own plugins, and the launcher of a sweep is checked where it is built."""
_LOGGING = re.compile(
    r"logging\.(handlers\.)?\w+(Handler|Formatter|Filter)|logging\.(Formatter|Filter)|ext://sys\.std\w+"
)
_DECIDES_WHAT_RUNS = re.compile(r"(HONE|GIT|LD|DYLD|PYTHON|BASH)_?.*|PATH|HF_ENDPOINT|WANDB_BASE_URL")


@final
class _CheckedLoader(FileVettingLoader):
    """Checks every file that Hydra merges, and every config that it composes, including those of jobs."""

    def __init__(self, command: str, line: CommandLine, **options: Any) -> None:
        super().__init__(**options)
        self.command, self.line = command, line
        self.options: set[str] = set()
        """What files have set of the launcher."""

    def vet_file(self, file: ConfigResult, name: str, package: str | None) -> None:
        """Refuse a file that sets what only the user may set."""
        if is_shipped(file):
            require_own_package(file, name, package)
        else:
            self.options |= launcher_options(file, name)

    def load_configuration(self, *arguments: Any, **options: Any) -> DictConfig:
        return self.vet(super().load_configuration(*arguments, **options))

    def vet(self, config: DictConfig) -> DictConfig:
        """The config itself, if it is harmless."""
        require_harmless(config.hydra, self.line.trusted)
        self._require_harmless_plugins(config.hydra)
        if sweep_function(self.command):
            _require_our_sweeper(config.hydra, self.command)
        return config

    def _require_harmless_plugins(self, node: DictConfig) -> None:
        """Refuse a launcher or sweeper of another package that a file has chosen, and harmful options of ours."""
        for kind in ("launcher", "sweeper"):
            target = str(OmegaConf.select(node, f"{kind}._target_"))
            from_file = kind == "launcher" and "_target_" in self.options
            if kind == "launcher" and target.startswith("hone."):
                require_harmless_options(self.options)
            elif target.startswith(CORE_PLUGINS) or target == SWEEPER:
                continue
            elif from_file or not self.line.chooses_plugin(kind):
                require_trusted(target, f"hydra.{kind}", self.line.trusted)


@contextmanager
def vetted(command: str, line: CommandLine) -> Iterator[None]:
    """Inside, Hydra composes no config that names code outside the allowlist, and no file decides which code runs."""
    with loader_replaced(partial(_CheckedLoader, command, line)):
        yield


def require_harmless(node: DictConfig, trust: frozenset[str]) -> None:
    """Refuse untrusted callbacks, parts of plugins and logging factories, and changes of sensitive variables."""
    for place, key, value in _leaves(node, "hydra"):
        parent = place.rpartition(".")[0]
        if key == "_target_" and place not in _OF_HYDRA:
            require_trusted(str(value), parent, trust)
        if re.match(r"hydra\.(job|hydra)_logging\.", place) and _is_factory(key, value):
            require_trusted(str(value).removeprefix("ext://"), parent, trust, key)
        if parent == "hydra.job.env_set" and _DECIDES_WHAT_RUNS.fullmatch(key):
            raise UserError(
                f"{place}: a config may not decide which code runs or where data is sent; set {key} in the shell."
            )


def _require_our_sweeper(node: DictConfig, command: str) -> None:
    if node.mode is RunMode.MULTIRUN and node.sweeper._target_ != SWEEPER:
        raise UserError(
            f"hydra/sweeper={node.runtime.choices.get('hydra/sweeper')}: hone {command} -m works with "
            "hydra/sweeper=hone alone, which is the default; how the cells are drawn is sweep=grid, sweep=tpe, …"
        )


def _is_factory(key: str, value: Any) -> bool:
    """Whether `logging.config` would import this, and it is not a handler or a formatter of Python's logging."""
    named = key in ("class", "()", "queue", "listener") or str(value).startswith("ext://")
    return named and (key == "()" or not _LOGGING.fullmatch(str(value)))


def _leaves(node: Container, place: str) -> Iterator[tuple[str, str, Any]]:
    for key in _keys_of(node):
        try:
            value = node[key]
        except (
            OmegaConfBaseException
        ):  # not resolvable yet, such as a run's folder; the configs of jobs are checked too
            value = "???"
        if isinstance(value, Container):
            yield from _leaves(value, f"{place}.{key}")
        else:
            yield f"{place}.{key}", str(key), value


def _keys_of(node: Container) -> Iterable[Any]:
    if isinstance(node, DictConfig):
        return list(node)
    return range(len(node)) if isinstance(node, ListConfig) else ()
