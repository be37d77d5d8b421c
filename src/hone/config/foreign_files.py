"""What a config file may set in Hydra's own section: options of a launcher, and nothing that decides which code runs.

hone's own files and Hydra's are trusted like their code. Any other file may come from a stranger: one below
`--config-dir`, a primary config, what `hydra.searchpath` adds. This is an allowlist, so a key that a later version of
Hydra invents is refused as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from hydra.plugins.config_source import ConfigResult
from omegaconf import DictConfig, OmegaConf

from hone.config.tree import CONF
from hone.core.errors import UserError

_SHIPPED = {"pkg://hydra.conf", "structured://"}
"""The sources of Hydra's own files and classes."""
_SBATCH = ("comment", "exclusive", "licenses", "mail-type", "mail-user", "nice", "nodelist", "reservation")
"""Options of sbatch that place a job or report on it; others export variables or choose what runs."""
HARMLESS_OPTIONS = {
    *("timeout_min", "max_num_timeout", "signal_delay_s", "cpus_per_task", "mem_gb", "gpus_per_node", "gres"),
    *("partition", "account", "qos", "constraint", "exclude", "array_parallelism", "num_cpus", "cpus_per_run"),
    *("gpus_per_run", "retries", "_target_", *(f"additional_parameters.{name}" for name in _SBATCH)),
}
"""What a file may set of hone's launchers; `_target_` must be a class of hone or of a trusted package."""
LAUNCHER = "hydra.launcher."


def is_shipped(file: ConfigResult) -> bool:
    """Whether a config file came with hone or with Hydra."""
    return file.path in _SHIPPED or Path(file.path.removeprefix("file://")).resolve() == CONF.resolve()


def require_own_package(file: ConfigResult, name: str, package: str | None) -> None:
    """Refuse a shipped file whose keys a defaults list puts into Hydra's section, where they do not belong."""
    if not OmegaConf.is_dict(file.config) or "hydra" not in file.config:
        return
    group = name.rpartition("/")[0]
    belongs = (package in (group.replace("/", "."), "hydra")) if group else package in (None, "", "_global_")
    if not belongs or group.partition("/")[0] not in ("", "hydra"):
        raise UserError(
            f"{name}@{package}: a defaults list may not put an option into Hydra's own section, because that decides "
            "which code runs."
        )


def launcher_options(file: ConfigResult, name: str) -> set[str]:
    """Return the options of a launcher that a file sets; raise UserError if it sets any other key of Hydra's."""
    if not isinstance(file.config, DictConfig) or "hydra" not in file.config:
        return set()
    content: Any = OmegaConf.to_container(file.config, resolve=False)
    given = dict(_leaves(content["hydra"], "hydra"))
    options = {place.removeprefix(LAUNCHER) for place in given if place.startswith(LAUNCHER)}
    for place, value in given.items():
        if not place.startswith(LAUNCHER) and (place, value) not in _as_shipped():
            raise UserError(f"{file.path.removeprefix('file://')}/{name}: {place}: {_why_not(place)}")
    return options


def require_harmless_options(options: set[str]) -> None:
    """Refuse what files set of hone's launchers if it decides which code runs."""
    for option in sorted(options - HARMLESS_OPTIONS):
        raise UserError(f"{LAUNCHER}{option}: {_why_not(f'{LAUNCHER}{option}')}")


def _why_not(place: str) -> str:
    group, _, key = place.rpartition(".")
    remedy = f"set {key} in the shell" if group == "hydra.job.env_set" else f"give it on the command line: {place}=…"
    return (
        "a config file may not set this, because it can decide which code runs or where data goes. "
        f"If you want it, {remedy}."
    )


def _as_shipped() -> set[tuple[str, Any]]:
    """What hone's own file sets; a copy of that file as a primary config remains valid."""
    content = yaml.safe_load((CONF / "train.yaml").read_text(encoding="utf-8"))
    return {*_leaves(content["hydra"], "hydra")}


def _leaves(node: Any, place: str) -> Iterator[tuple[str, Any]]:
    """The dotted keys below a node with their values; a list counts as a value, by its text."""
    if isinstance(node, Mapping):
        for key, value in node.items():
            yield from _leaves(value, f"{place}.{key}")
    else:
        yield place, str(node) if isinstance(node, list) else node
