"""Every private name of Hydra that hone uses, as in Hydra 1.3.8. `tests/config/test_hydra_private.py` lists them.

Nothing else in hone imports from `hydra._internal` or touches a private attribute of Hydra's objects. When an upgrade
of Hydra breaks that test, this is the file to change.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import hydra._internal.hydra as hydra_main
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.config_loader_impl import get_overrides_dirname as _overrides_dirname
from hydra._internal.utils import get_args_parser
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from hydra.core.utils import JobReturn
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig

HYDRA = "1.3"
"""The version whose behaviour `hydra.main` and `hydra.version` are asked for."""
VERSION = "1.3.8"
"""The version in which the names of this file were seen."""

CORE_PLUGINS = "hydra._internal.core_plugins."
"""The package of the launcher and the sweeper that come with Hydra."""

_SHIPPED = {"hydra", "main", "schema"}
"""The names of Hydra's folder of configs, of ours, and of the place of schemas: none of them sets `hydra.mode`."""
_LOADER = "ConfigLoaderImpl"
_FULL_ERRORS = "HYDRA_FULL_ERROR"


class FileVettingLoader(ConfigLoaderImpl, ABC):
    """Hydra's loader, which shows each file to `vet_file` before Hydra uses any of it.

    Hydra merges what `_load_single_config` returns and the overrides, and nothing else. It reads one key earlier: the
    primary config's `hydra.searchpath`.
    """

    def load_configuration(
        self, config_name: str | None, overrides: list[str], *arguments: Any, **options: Any
    ) -> DictConfig:
        """The composed config; Hydra composes it once more, to read `hydra.mode`, only where that can be set."""
        asks_for_mode = options.get("validate_sweep_overrides") is False
        if asks_for_mode and not self._may_set_mode(overrides):
            raise LookupError("hydra.mode is not set")  # Hydra then takes the mode from --multirun
        return super().load_configuration(config_name, overrides, *arguments, **options)

    def _may_set_mode(self, overrides: list[str]) -> bool:
        """Whether an override names Hydra's own section, or configs come from elsewhere than Hydra and hone."""
        providers = {element.provider for element in self.config_search_path.get_path()}
        return not providers <= _SHIPPED or any("hydra" in word for word in overrides)

    @abstractmethod
    def vet_file(self, file: ConfigResult, name: str, package: str | None) -> None:
        """Raise an error unless Hydra may merge this file's config; `package` is where its keys have been put."""

    def _load_single_config(self, default: Any, repo: Any) -> ConfigResult:
        loaded: ConfigResult = super()._load_single_config(default, repo)
        self.vet_file(loaded, str(default.config_path), default.package)
        return loaded

    def _process_config_searchpath(self, config_name: str | None, parsed_overrides: list[Override], repo: Any) -> None:
        primary = repo.load_config(config_path=config_name) if config_name else None
        if primary is not None:
            self.vet_file(primary, str(config_name), None)
        super()._process_config_searchpath(config_name, parsed_overrides, repo)


def argument_parser() -> ArgumentParser:
    """The parser of Hydra's flags."""
    parser: ArgumentParser = get_args_parser()
    return parser


def overrides_dirname(overrides: list[Override], form: Any) -> str:
    """The text of `hydra.job.override_dirname`, by its own options `form`."""
    text: str = _overrides_dirname(
        overrides=overrides, kv_sep=form.kv_sep, item_sep=form.item_sep, exclude_keys=form.exclude_keys
    )
    return text


def group_exists(loader: Any, key: str) -> bool:
    """Whether a key of an override names a config group."""
    return bool(loader.repository.group_exists(key))


def error_of(done: JobReturn) -> BaseException:
    """The exception that ended a job; the public `return_value` raises it."""
    error: BaseException = done._return_value
    return error


def without_shuffling(override: Override, value: ChoiceSweep | RangeSweep) -> Override:
    """The same override with its values in the order in which they are written."""
    return replace(override, _value=replace(value, shuffle=False))


def set_current_config(config: Any) -> None:
    """Make `HydraConfig.get()` return this config; the public setter copies it, a quarter of a large grid's time."""
    HydraConfig.instance().cfg = config


@contextmanager
def loader_replaced(make: Callable[..., FileVettingLoader]) -> Iterator[None]:
    """Every config that Hydra loads inside is loaded by what `make` returns."""
    original = getattr(hydra_main, _LOADER)
    setattr(hydra_main, _LOADER, make)
    try:
        yield
    finally:
        setattr(hydra_main, _LOADER, original)


@contextmanager
def errors_raised() -> Iterator[None]:
    """Hydra raises its errors inside, instead of printing them."""
    before = os.environ.get(_FULL_ERRORS)
    os.environ[_FULL_ERRORS] = "1"
    try:
        yield
    finally:
        del os.environ[_FULL_ERRORS]
        os.environ |= {_FULL_ERRORS: before} if before is not None else {}
