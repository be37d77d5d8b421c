"""What the terminal shows after a sweep: the comparison, the failures by cause, and where everything is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from hone.core.paths import relative_to_cwd
from hone.reports.comparison import Comparison
from hone.reports.failures import Failure, group_failures
from hone.reports.page import PAGE
from hone.reports.tables import print_comparison

_MOST_SHOWN = 5
"""Failed runs that are listed for each cause."""


def print_result(comparison: Comparison, folder: Path, test: Mapping[str, float], remarks: Mapping[str, str]) -> None:
    """Print the comparison, the failures by cause, the test scores of the chosen config, and a few lines."""
    console = Console(highlight=False, soft_wrap=True)
    print_comparison(comparison)
    for failure in group_failures(comparison.entries):
        if failure.state != "pruned":
            _print_failure(console, failure)
    if test:
        values = "  ".join(f"{name} {value:.4f}" for name, value in test.items())
        console.print(f"[bold]{'chosen':10}[/bold]  {escape(comparison.groups[0].label)}")
        console.print(f"{'':10}  {values}, the first look at the test split")
    lines = {"folder": relative_to_cwd(folder), "report": f"{relative_to_cwd(folder)}/{PAGE}", **remarks}
    for name, line in lines.items():
        console.print(f"[bold]{name:10}[/bold]  {escape(line)}")


def _print_failure(console: Console, failure: Failure) -> None:
    console.print(f"[bold red]{failure.state:10}[/bold red]  {escape(failure.cause)}")
    for entry in failure.entries[:_MOST_SHOWN]:
        place = f"  {relative_to_cwd(entry.folder)}" if entry.folder else ""
        console.print(f"{'':10}  {escape(' '.join(entry.words))}{place}")
    if len(failure.entries) > _MOST_SHOWN:
        console.print(f"{'':10}  and {len(failure.entries) - _MOST_SHOWN} more")
