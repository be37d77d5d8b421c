"""The last screen of a sweep: configs over their seeds, what went wrong, the test scores of the chosen one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from hone.core.paths import shown
from hone.reports.comparison import Comparison
from hone.reports.failures import Failure, failures
from hone.reports.page import PAGE
from hone.reports.tables import show

_MOST = 5


def final_screen(told: Comparison, folder: Path, test: Mapping[str, float], said: Mapping[str, str]) -> None:
    """The comparison, the failures by cause, and a few lines."""
    console = Console(highlight=False, soft_wrap=True)
    show(told)
    for failure in failures(told.entries):
        if failure.state != "pruned":
            _show(console, failure)
    if test:
        values = "  ".join(f"{name} {value:.4f}" for name, value in test.items())
        console.print(f"[bold]{'chosen':10}[/bold]  {escape(told.groups[0].label)}")
        console.print(f"{'':10}  {values}, the first look at the test split")
    lines = {"folder": shown(folder), "report": f"{shown(folder)}/{PAGE}", **said}
    for name, line in lines.items():
        console.print(f"[bold]{name:10}[/bold]  {escape(line)}")


def _show(console: Console, failure: Failure) -> None:
    console.print(f"[bold red]{failure.state:10}[/bold red]  {escape(failure.cause)}")
    for entry in failure.entries[:_MOST]:
        where = f"  {shown(entry.folder)}" if entry.folder else ""
        console.print(f"{'':10}  {escape(' '.join(entry.words))}{where}")
    if len(failure.entries) > _MOST:
        console.print(f"{'':10}  and {len(failure.entries) - _MOST} more")
