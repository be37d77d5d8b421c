"""`hone sweep`: show the state of a sweep, or write its page.

`hone sweep retry` becomes `hone train -m` with the sweep's own overrides before it would get here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hone.config.job import Invocation
from hone.config.settings import SweepSettings
from hone.core.paths import relative_to_cwd
from hone.core.screen import print_line
from hone.reports.comparison import compare_sweep
from hone.reports.page import write_page
from hone.reports.sweep import read_sweep
from hone.sweeps.result import print_result


def main(settings: SweepSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Read the files of the sweep and of its runs. The sweep may still be running."""
    folder = Path(settings.folder)
    page = write_page(folder)
    if settings.action == "status":
        print_result(compare_sweep(read_sweep(folder)), folder, {}, {})
    else:
        print_line("report", relative_to_cwd(page), width=0)
