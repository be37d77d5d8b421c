"""The private names of Hydra that hone depends on, each by name: an upgrade that drops one fails here first."""

import ast
import inspect
import os
from dataclasses import fields
from importlib import import_module
from importlib.metadata import version
from typing import Any

import hydra
import pytest
from hydra.core.hydra_config import HydraConfig
from hydra.core.override_parser.types import ChoiceSweep, Override, RangeSweep
from hydra.core.utils import JobReturn

from conftest import ROOT, Hone
from hone.config import hydra_private

NAMES = {
    "hydra._internal.utils": ["get_args_parser"],
    "hydra._internal.hydra": ["ConfigLoaderImpl", "Hydra"],
    "hydra._internal.config_loader_impl": ["ConfigLoaderImpl", "get_overrides_dirname"],
}


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in NAMES.items() for name in names])
def test_a_private_name_is_still_there(module: str, name: str) -> None:
    assert hasattr(import_module(module), name), (
        f"Hydra {version('hydra-core')} has no {module}.{name}, which {hydra_private.VERSION} had"
    )


def test_private_attributes_are_still_there() -> None:
    assert "_return_value" in {field.name for field in fields(JobReturn)}
    assert "_value" in {field.name for field in fields(Override)}
    assert all("shuffle" in {field.name for field in fields(kind)} for kind in (ChoiceSweep, RangeSweep))
    assert HydraConfig.instance().__dict__.keys() == {"cfg"}
    assert {"kv_sep", "item_sep", "exclude_keys", "overrides"} == {
        *inspect.signature(hydra_private._overrides_dirname).parameters
    }
    names = {"load_configuration", "load_sweep_config", "_load_single_config", "_process_config_searchpath"}
    assert names <= {*dir(hydra_private.ConfigLoaderImpl)}
    assert import_module(f"{hydra_private.CORE_PLUGINS}basic_launcher").BasicLauncher


def test_hydra_asks_its_module_for_the_loader_that_is_replaced() -> None:
    """The allowlist would be without effect if Hydra imported its loader from elsewhere."""
    source = inspect.getsource(import_module("hydra._internal.hydra").Hydra)
    assert "ConfigLoaderImpl(" in source
    assert "HYDRA_FULL_ERROR" in inspect.getsource(import_module("hydra._internal.utils"))


def test_every_file_goes_through_the_functions_that_are_extended() -> None:
    """A file that Hydra merged elsewhere would be merged without being looked at."""
    loader = hydra_private.ConfigLoaderImpl
    compose = inspect.getsource(loader._compose_config_from_defaults_list)
    assert "self._load_single_config(" in compose
    assert compose.count("merge_with(loaded.config)") == compose.count("merge") == 1
    assert "self._process_config_searchpath(" in inspect.getsource(loader._parse_overrides_and_create_caching_repo)


def test_a_config_that_cannot_set_the_mode_is_composed_once(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    composed = []
    compose = hydra_private.ConfigLoaderImpl.load_configuration

    def counting(loader: Any, *arguments: Any, **options: Any) -> Any:
        composed.append(1)
        return compose(loader, *arguments, **options)

    monkeypatch.setattr(hydra_private.ConfigLoaderImpl, "load_configuration", counting)
    assert "several values" in hone("train", "limit=-1,-2").err
    assert len(composed) == 1


def test_a_typed_mode_counts(hone: Hone) -> None:
    for words in (["hydra.mode=MULTIRUN"], ["-m"], ["-m", "hydra.mode=MULTIRUN"]):
        assert "in 1 of 2 runs: limit=-2" in hone("train", "limit=-1,-2", *words).err


def test_the_mode_alone_is_asked_for_without_checking_sweeps() -> None:
    """Another call without that check would get no config."""
    source = inspect.getsource(import_module("hydra._internal.hydra"))
    mode = inspect.getsource(import_module("hydra._internal.hydra").Hydra.get_mode)
    assert source.count("validate_sweep_overrides=False") == mode.count("validate_sweep_overrides=False") == 1
    assert "except Exception:" in mode


def test_the_version_is_the_one_that_is_installed() -> None:
    """After an upgrade, read the functions of hydra_private.py again and note the new version there."""
    assert hydra.__version__ == hydra_private.VERSION


def test_the_setting_for_full_errors_is_restored(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HYDRA_FULL_ERROR", "0")
    assert hone("train", "nothing=1").code == 2
    assert os.environ["HYDRA_FULL_ERROR"] == "0"


def test_private_modules_are_imported_in_one_file() -> None:
    for path in (ROOT / "src").rglob("*.py"):
        if path.name == "hydra_private.py":
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not [name for name in names if name.startswith(("hydra._", "omegaconf._"))], path
