"""What Hydra itself would call or set on a config's behalf, held to the allowlist that holds for the parts of a run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, final

import hydra._internal.hydra as hydra_internal
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_repository import CachingConfigRepository
from hydra.core.object_type import ObjectType
from hydra.types import RunMode
from omegaconf import Container, DictConfig, ListConfig
from omegaconf.errors import OmegaConfBaseException

from hone.check import require_trusted, sweep_function
from hone.errors import UserError

SWEEPER = "hydra_plugins.hone_sweeper.sweeper.HoneSweeper"
_OF_HYDRA = {"hydra.sweeper._target_", "hydra.launcher._target_"}
"""Hydra instantiates its own plugins alone, and the launcher of a sweep is held to the allowlist where it is built."""
_LOGGING = re.compile(
    r"logging\.(handlers\.)?\w+(Handler|Formatter|Filter)|logging\.(Formatter|Filter)|ext://sys\.std\w+"
)
_DECIDES_WHAT_RUNS = re.compile(r"(HONE|GIT|LD|DYLD|PYTHON|BASH)_?.*|PATH|HF_ENDPOINT|WANDB_BASE_URL")
_SEAM = "ConfigLoaderImpl"


@final
class _Vetting(ConfigLoaderImpl):
    """Every config that Hydra composes, of each job too, is looked over before anything is done with it."""

    def __init__(self, command: str, trust: frozenset[str], **options: Any) -> None:
        super().__init__(**options)
        self.command, self.trust = command, trust
        self.repositories: dict[Any, CachingConfigRepository] = {}

    def get_group_options(
        self,
        group_name: str,
        results_filter: ObjectType | None = ObjectType.CONFIG,
        config_name: str | None = None,
        overrides: list[str] | None = None,
    ) -> list[str]:
        """As Hydra's own, which for `--help` sets up a repository anew for each of a hundred groups."""
        key = (config_name, *(overrides or ()))
        if key not in self.repositories:
            self.repositories[key] = self._parse_overrides_and_create_caching_repo(config_name, overrides or [])[1]
        return self.repositories[key].get_group_options(group_name, results_filter)

    def load_configuration(self, *arguments: Any, **options: Any) -> DictConfig:
        return self.vet(super().load_configuration(*arguments, **options))

    def vet(self, config: DictConfig) -> DictConfig:
        """The config, if it may be used."""
        require_harmless(config.hydra, self.trust)
        if sweep_function(self.command):
            _require_our_sweeper(config.hydra, self.command)
        return config


@contextmanager
def vetted(command: str, trust: frozenset[str]) -> Iterator[None]:
    """While this is open Hydra has no config that names code outside the allowlist."""
    original = getattr(hydra_internal, _SEAM)
    setattr(hydra_internal, _SEAM, partial(_Vetting, command, trust))
    try:
        yield
    finally:
        setattr(hydra_internal, _SEAM, original)


def require_harmless(node: DictConfig, trust: frozenset[str]) -> None:
    """Callbacks, plugins' parts, logging factories and the environment."""
    for place, key, value in _leaves(node, "hydra"):
        parent = place.rpartition(".")[0]
        if key == "_target_" and place not in _OF_HYDRA:
            require_trusted(str(value), parent, trust)
        if re.match(r"hydra\.(job|hydra)_logging\.", place) and _is_factory(key, value):
            require_trusted(str(value).removeprefix("ext://"), parent, trust, key)
        if parent == "hydra.job.env_set" and _DECIDES_WHAT_RUNS.fullmatch(key):
            raise UserError(f"{place}: no config decides which code is run or who is told; set {key} in the shell.")


def _require_our_sweeper(node: DictConfig, command: str) -> None:
    if node.mode is RunMode.MULTIRUN and node.sweeper._target_ != SWEEPER:
        raise UserError(
            f"hydra/sweeper={node.runtime.choices.get('hydra/sweeper')}: hone {command} -m works with "
            "hydra/sweeper=hone alone, which is the default; how the cells are drawn is sweep=grid, sweep=tpe, …"
        )


def _is_factory(key: str, value: Any) -> bool:
    """Whether `logging.config` would import this, and it is more than a handler or a formatter of Python's."""
    named = key in ("class", "()", "queue", "listener") or str(value).startswith("ext://")
    return named and (key == "()" or not _LOGGING.fullmatch(str(value)))


def _leaves(node: Container, place: str) -> Iterator[tuple[str, str, Any]]:
    keys = list(node) if isinstance(node, DictConfig) else range(len(node)) if isinstance(node, ListConfig) else []
    for key in keys:
        try:
            value = node[key]
        except OmegaConfBaseException:  # not known yet, such as the folder of the run: Hydra asks again when it is
            value = "???"
        if isinstance(value, Container):
            yield from _leaves(value, f"{place}.{key}")
        else:
            yield f"{place}.{key}", str(key), value
