"""Write the page of a sweep, even while it runs, or of any runs that are compared."""

from __future__ import annotations

from pathlib import Path

from hone.comparison.collection import Comparison, of_sweep
from hone.comparison.page.assemble import assemble
from hone.comparison.story import story
from hone.comparison.sweep import read_sweep
from hone.core.errors import UserError
from hone.runs.folder import require_writable
from hone.runs.record import write_atomically

PAGE = "report.html"


def write_page(folder: Path) -> Path:
    """Write `report.html` into a sweep's folder. The page of a running sweep leaves out tests by examples, which take
    time."""
    sweep = read_sweep(folder)
    comparison = of_sweep(sweep, by_example=0) if sweep.state == "running" else of_sweep(sweep)
    return write_report(comparison, folder / PAGE)


def write_report(comparison: Comparison, place: Path) -> Path:
    """Write one file that needs only a browser."""
    place.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(place, assemble(story(comparison)))
    return place


def require_place(place: Path) -> Path:
    """Raise UserError before any work if the page could not be stored."""
    if place.is_dir():
        raise UserError(f"report={place}: this is a folder; write report={place}/{PAGE}.")
    require_writable(place.parent)
    return place
