"""The launcher of a sweep, as `hydra/launcher` names it."""

from __future__ import annotations

from typing import Any

from omegaconf import DictConfig, OmegaConf

from hone.config.build import build
from hone.config.check import check_node
from hone.config.tree import options
from hone.core.errors import UserError, listed, nearest
from hone.sweeps.launchers.base import Launcher
from hone.sweeps.sweep import Sweep

_OF_HYDRA = ("hydra.", "hydra_plugins.")


def launcher_of(config: DictConfig, sweep: Sweep, trust: frozenset[str]) -> Launcher:
    """Return the launcher that a config names, built like any other part of it and ready to be used."""
    choice = str(config.hydra.runtime.choices.get("hydra/launcher"))
    node: Any = OmegaConf.to_container(config.hydra.launcher, resolve=True)
    if str(node.get("_target_")).startswith(_OF_HYDRA):
        ours = options("hydra/launcher")
        raise UserError(
            f"hydra/launcher={choice}: a launcher of Hydra's; it takes cells in batches, and a sweep of hone's starts "
            f"them one by one.{nearest(choice, ours)} The default is local; there are {listed(ours)}."
        )
    launcher: Launcher = build(check_node(node, "hydra.launcher", trust), Launcher, "hydra.launcher", trust)
    launcher.require(sweep)
    return launcher
