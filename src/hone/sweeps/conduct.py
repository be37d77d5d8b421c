"""A sweep from its cells to its table: what cannot work is told first, what is done is not done again."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hone.errors import HoneError, Interrupted, Preempted, UserError
from hone.sweeps.cell import Cell, Outcome
from hone.sweeps.entry import Entry
from hone.sweeps.ledger import Ledger
from hone.sweeps.space import Space
from hone.sweeps.sweep import Sweep

if TYPE_CHECKING:
    from hone.command.jobs import Ready


def conduct(sweep: Sweep, space: Space, ready: Callable[[Cell], Ready], folder: Path, command: str) -> int:
    """Runs what is to be run; returns the command's exit code."""
    begun = time.monotonic()
    known, impossible = _composed(sweep.sampler.preview(space), ready)
    _refuse(impossible, len(known), sweep.skip_impossible)
