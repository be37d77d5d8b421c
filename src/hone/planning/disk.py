"""The room that a run's checkpoints and its model take where runs are stored."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import final

from hone.config.settings import Train
from hone.core.errors import UserError
from hone.core.value_types import ExactPrecision
from hone.core.wording import bytes_in_words
from hone.draft import Draft
from hone.parts import Parts
from hone.planning import sizes
from hone.planning.outline import Outline

_AT_ONCE = 4
"""Checkpoints that there can be: the two newest, the best, and one that is being written."""


@final
@dataclass(frozen=True)
class Disk:
    """All in bytes."""

    root: str
    checkpoint: int
    needed: int
    """At most, while the run goes on."""
    free: int

    def require_room(self) -> None:
        if self.needed > self.free:
            raise UserError(
                f"output_root={self.root}: the run's checkpoints and its model take up to "
                f"{bytes_in_words(self.needed)}, and {bytes_in_words(self.free)} are free there."
            )


def disk_of(parts: Parts, settings: Train, precision: ExactPrecision, known: Draft, outline: Outline) -> Disk:
    """From the shapes of the weights and of what the optimiser keeps."""
    kept_as, weights = sizes.kept_as(precision), sizes.learning(known.blank)
    learned = sizes.of_tensors(weights, kept_as)
    averaged = learned if parts.optimizer.ema is not None else 0
    checkpoint = learned + averaged + sizes.of_state(parts.optimizer, weights, kept_as)
    model = sizes.of_tensors([*known.blank.parameters(), *known.blank.buffers()], kept_as)
    place = Path(settings.output_root).expanduser().absolute()
    existing = next(folder for folder in (place, *place.parents) if folder.exists())
    at_once = min(_AT_ONCE, outline.checkpoints + 1)
    return Disk(settings.output_root, checkpoint, at_once * checkpoint + model, shutil.disk_usage(existing).free)
