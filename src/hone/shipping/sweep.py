"""The run that stands for a sweep as a whole, which W&B does not have yet."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, final

import yaml

from hone.comparison.collection import of_sweep
from hone.comparison.sweep import read_sweep
from hone.errors import RunError
from hone.runs.record import write_atomically
from hone.shipping.base import Shipment, Way
from hone.shipping.run import online, wandb_part
from hone.sweeps.chosen import known_scores
from hone.sweeps.mirror import mirror
from hone.sweeps.saved import FILE, find_sweep, mirror_of


@final
@dataclass(frozen=True)
class SweepShipment(Shipment):
    """Made anew of what its runs say."""

    folder: Path
    way: Way
    why: str

    @property
    def place(self) -> Path:
        return self.folder

    @classmethod
    def of(cls, folder: Path) -> Self:
        known = mirror_of(folder)
        if known is None:
            return cls(folder, "nothing", "no run of W&B's stands for it")
        if known.get("mode") == "disabled":
            return cls(folder, "nothing", "W&B was disabled")
        return cls(folder, "nothing", "there already") if known.get("sent") else cls(folder, "journal", "the sweep")

    def send(self) -> None:
        config = yaml.safe_load(next(self.folder.glob("*/config.yaml")).read_text(encoding="utf-8"))
        told = of_sweep(read_sweep(self.folder), None, None, 0)
        tracker = online(wandb_part(config["tracker"]) or {})
        known = mirror(told, known_scores(told.groups), tracker, self.folder, mirror_of(self.folder))
        if known is None or not known.get("sent"):
            raise RunError("W&B did not take all of it.")
        _remember(self.folder, known)


def _remember(folder: Path, known: Mapping[str, Any]) -> None:
    told = find_sweep(str(folder)) | {"wandb": dict(known)}
    write_atomically(folder / FILE, json.dumps(told, indent=2, ensure_ascii=False) + "\n")
