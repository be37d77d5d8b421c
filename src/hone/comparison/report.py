"""The page on disk: of a sweep while it goes on, or of any runs that are compared."""

from __future__ import annotations

from pathlib import Path

from hone.comparison.collection import Comparison, of_sweep
from hone.comparison.page.assemble import assemble
from hone.comparison.story import story
from hone.comparison.sweep import read_sweep
from hone.errors import UserError
from hone.runs.folder import require_writable
from hone.runs.record import write_atomically

PAGE = "report.html"
_RIVALS = 5
"""So many are tested by examples too, once the sweep is over; `hone compare` tests more."""


def write_page(folder: Path) -> Path:
    """`report.html` in a sweep's folder, from its `sweep.json` and whatever runs there are; whole or not at all."""
    sweep = read_sweep(folder)
    told = of_sweep(sweep, None, None, 0 if sweep.state == "running" else _RIVALS)
    return write_report(told, folder / PAGE)


def write_report(told: Comparison, place: Path) -> Path:
    """One file that needs nothing but a browser."""
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(place, assemble(story(told)))
    return place


def require_place(place: Path) -> Path:
    """Raises UserError, before any work, where the page could not be stored."""
    if place.is_dir():
        raise UserError(f"report={place}: this is a folder; say report={place}/{PAGE}.")
    require_writable(place.parent)
    return place
