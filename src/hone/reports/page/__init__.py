"""The page of a comparison: one HTML file with its style, data and scripts, which needs only a browser.

The data are escaped, so that no name in them can be executed as code.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

from hone.core.errors import UserError
from hone.core.files import write_atomically
from hone.core.foreign_text import for_html, for_script
from hone.reports.comparison import Comparison, compare_sweep
from hone.reports.page.data import page_data
from hone.reports.sweep import read_sweep
from hone.runs.folder import require_writable

PAGE = "report.html"
_HERE = Path(__file__).parent


def write_page(folder: Path) -> Path:
    """Write `report.html` into a sweep's folder. The page of a running sweep leaves out tests by examples, which take
    time."""
    sweep = read_sweep(folder)
    comparison = compare_sweep(sweep, by_example=0) if sweep.state == "running" else compare_sweep(sweep)
    return write_report(comparison, folder / PAGE)


def write_report(comparison: Comparison, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, render_page(page_data(comparison)))
    return path


def require_report_path(path: Path) -> Path:
    """Raise UserError before any work if the page could not be stored."""
    if path.is_dir():
        raise UserError(f"report={path}: this is a folder; write report={path}/{PAGE}.")
    require_writable(path.parent)
    return path


def render_page(data: Mapping[str, Any]) -> str:
    """Fill the skeleton. A section of the page is a file in `sections/` and an element in the skeleton."""
    title = for_html(str(data["title"]))
    return _skeleton().substitute(title=title, data=for_script(data), **_style_and_script())


@cache
def _skeleton() -> Template:
    return Template((_HERE / "page.html").read_text(encoding="utf-8"))


@cache
def _style_and_script() -> Mapping[str, str]:
    scripts = [*sorted(_HERE.glob("parts/*.js")), *sorted(_HERE.glob("sections/*.js")), _HERE / "main.js"]
    return {
        "style": (_HERE / "page.css").read_text(encoding="utf-8"),
        "script": "\n".join(path.read_text(encoding="utf-8") for path in scripts),
    }
