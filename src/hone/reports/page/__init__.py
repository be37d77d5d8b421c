"""The page's parts in one file. Data are put where no browser takes them for code, whatever they are called."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from hone.core.errors import UserError
from hone.reports.comparison import Comparison, of_sweep
from hone.reports.page.data import page_data
from hone.reports.sweep import read_sweep
from hone.runs.folder import require_writable
from hone.runs.record import write_atomically

_HERE = Path(__file__).parent
_DANGEROUS = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def render_page(data: Mapping[str, Any]) -> str:
    """Skeleton, style, data and scripts; a section of the page is a file in `sections/` and a place in the skeleton."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_DANGEROUS)
    return _skeleton().substitute(title=html.escape(str(data["title"])), data=text, **_parts())


@cache
def _skeleton() -> Template:
    return Template((_HERE / "page.html").read_text(encoding="utf-8"))


@cache
def _parts() -> Mapping[str, str]:
    scripts = [*sorted(_HERE.glob("parts/*.js")), *sorted(_HERE.glob("sections/*.js")), _HERE / "main.js"]
    return {
        "style": (_HERE / "page.css").read_text(encoding="utf-8"),
        "script": "\n".join(path.read_text(encoding="utf-8") for path in scripts),
    }


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
    write_atomically(place, render_page(page_data(comparison)))
    return place


def require_report_path(place: Path) -> Path:
    """Raise UserError before any work if the page could not be stored."""
    if place.is_dir():
        raise UserError(f"report={place}: this is a folder; write report={place}/{PAGE}.")
    require_writable(place.parent)
    return place
