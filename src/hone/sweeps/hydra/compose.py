"""The configs of a sweep: Hydra composes one per choice of groups, and plain values are set in copies of it."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, final

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from omegaconf import DictConfig, OmegaConf, open_dict
from omegaconf.errors import OmegaConfBaseException

from hone.config.hydra_private import group_exists, overrides_dirname


@final
class Composer:
    """Composes configs quickly: composing takes 0.1 s, which would delay the first run of a large grid."""

    def __init__(self, loader: Any, config: DictConfig) -> None:
        self.loader, self.config = loader, config
        self.bases: dict[tuple[str, ...], DictConfig] = {}

    def compose(self, words: Sequence[str]) -> DictConfig:
        """Return the config that Hydra would compose of these overrides, or raise Hydra's error."""
        parsed = OverridesParser.create(config_loader=self.loader).parse_overrides(list(words))
        plain = [override for override in parsed if self._is_plain(override)]
        base = self._base(tuple(str(override.input_line) for override in parsed if override not in plain))
        try:
            config: DictConfig = self.loader.vet(_set_values(base, plain, parsed))
        except OmegaConfBaseException:
            return self._compose_by_hydra(words)
        return config

    def _is_plain(self, override: Override) -> bool:
        """Whether an override sets an existing value; groups, contributions and removals are left to Hydra."""
        key = override.key_or_group
        changes = not (override.is_add() or override.is_force_add() or override.is_delete() or override.package)
        return changes and not key.startswith("hydra.") and not group_exists(self.loader, key)

    def _base(self, words: tuple[str, ...]) -> DictConfig:
        """Return the config of the overrides that only Hydra can apply; each is composed once."""
        if words not in self.bases:
            self.bases[words] = self._compose_by_hydra(words)
        return self.bases[words]

    def _compose_by_hydra(self, words: Sequence[str]) -> DictConfig:
        config: DictConfig = self.loader.load_sweep_config(self.config, list(words))
        return config


def _set_values(base: DictConfig, plain: Sequence[Override], parsed: Sequence[Override]) -> DictConfig:
    """Return a copy of a config with the plain overrides applied, and with Hydra's own record of all overrides."""
    config = copy.deepcopy(base)
    for override in plain:
        OmegaConf.update(config, override.key_or_group, override.value(), merge=True)
    task = [override for override in parsed if not override.key_or_group.startswith("hydra")]
    dirname_format = config.hydra.job.config.override_dirname
    with open_dict(config.hydra):
        config.hydra.overrides.task = [override.input_line for override in task]
        config.hydra.job.override_dirname = overrides_dirname(task, dirname_format)
    return config
