"""`hone sweep`: how a sweep stands, its page; `retry` is `hone train -m` with the words that it was begun with."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from hone.config.job import Invocation
from hone.config.settings import SweepSettings
from hone.core.paths import relative_to_cwd
from hone.reports.comparison import of_sweep
from hone.reports.page import write_page
from hone.reports.sweep import read_sweep
from hone.sweeps.screen import print_result


def main(settings: SweepSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Reads what the runs say of themselves; a driver may be at work meanwhile."""
    folder = Path(settings.folder)
    page = write_page(folder)
    if settings.action == "status":
        print_result(of_sweep(read_sweep(folder)), folder, {}, {})
    else:
        Console(highlight=False, soft_wrap=True).print(f"[bold]report[/bold]  {relative_to_cwd(page)}")
