"""What the terminal shows after a sweep: the comparison, the failures by cause, and where everything is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from hone.core.paths import relative_to_cwd
from hone.core.screen import print_line
from hone.reports.comparison import Comparison
from hone.reports.failures import Failure, group_failures
from hone.reports.page import PAGE
from hone.reports.tables import print_comparison

_MOST_SHOWN = 5
"""Failed runs that are listed for each cause."""


def print_result(comparison: Comparison, folder: Path, test: Mapping[str, float], remarks: Mapping[str, str]) -> None:
    """Print the comparison, the failures by cause, the test scores of the chosen config, and a few lines."""
    print_comparison(comparison)
    for failure in group_failures(comparison.entries):
        if failure.state != "pruned":
            _print_failure(failure)
    if test:
        values = "  ".join(f"{name} {value:.4f}" for name, value in test.items())
        print_line("chosen", comparison.groups[0].label)
        print_line("", f"{values}, the first look at the test split")
    lines = {"folder": relative_to_cwd(folder), "report": f"{relative_to_cwd(folder)}/{PAGE}", **remarks}
    for name, line in lines.items():
        print_line(name, line)


def _print_failure(failure: Failure) -> None:
    print_line(failure.state, failure.cause, "bold red")
    for entry in failure.entries[:_MOST_SHOWN]:
        place = f"  {relative_to_cwd(entry.folder)}" if entry.folder else ""
        print_line("", f"{' '.join(entry.words)}{place}")
    if len(failure.entries) > _MOST_SHOWN:
        print_line("", f"and {len(failure.entries) - _MOST_SHOWN} more")
