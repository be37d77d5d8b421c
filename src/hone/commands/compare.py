"""`hone compare`: show what differs between runs, how good each configuration is, and what may be chance."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.text import Text

from hone.config.job import Invocation
from hone.config.settings import CompareSettings
from hone.core.paths import relative_to_cwd
from hone.core.screen import make_console
from hone.core.streams import out
from hone.reports.comparison import compare
from hone.reports.page import require_report_path, write_report
from hone.reports.tables import FORMATS, print_comparison


def main(settings: CompareSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Compare the runs and print the result. A format for programs has standard output to itself."""
    report = require_report_path(Path(settings.report)) if settings.report else None
    comparison = compare(
        settings.folders, settings.metric, settings.higher_is_better, settings.by_example, curves=report is not None
    )
    if settings.format == "table":
        print_comparison(comparison)
    else:
        out.write(FORMATS[settings.format](comparison))
    if report is not None:
        write_report(comparison, report)
        console = make_console(stderr=settings.format != "table", soft_wrap=True)
        console.print(Text.assemble(("report", "bold"), f"  {relative_to_cwd(report)}"))
