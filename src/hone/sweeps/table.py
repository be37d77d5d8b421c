"""The last screen of a sweep: configs with their seeds taken together, the best first, and what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hone.paths import shown
from hone.sweeps.entry import Entry
from hone.sweeps.groups import Group
from hone.sweeps.samplers.base import Aim
from hone.sweeps.story import Story

_MOST = 30


def final_screen(story: Story, groups: Sequence[Group], entries: Collection[Entry], test: Mapping[str, float]) -> None:
    """One table, the failures by cause, and a few lines."""
    console = Console(highlight=False, soft_wrap=True)
    counts = Counter(entry.state for entry in entries)
    told = ", ".join(f"{count} {state}" for state, count in counts.items())
    skipped = sum(not entry.here and entry.state == "finished" for entry in entries)
    already = f" ({skipped} of them before this command)" if skipped else ""
    console.print(f"[bold]{story.folder.name}[/bold]  {len(entries)} runs: {told}{already}")
    console.print(_leaderboard(groups, story.aim))
    if len(groups) > _MOST:
        console.print(f"and {len(groups) - _MOST} more in {shown(story.folder)}/sweep.json")
    for reason, failed in _causes(entries).items():
        console.print(f"[bold red]{failed[0].state}[/bold red]  {escape(reason)}")
        for entry in failed[:5]:
            console.print(f"        {escape(' '.join(entry.cell.words))}  {shown(entry.folder)}")
        if len(failed) > 5:
            console.print(f"        and {len(failed) - 5} more")
    for name, value in test.items():
        console.print(f"[bold]{name:10}[/bold]  {value:.4f}  the best config's, which alone was looked at")
    console.print(f"[bold]{'folder':10}[/bold]  {shown(story.folder)}")


def _leaderboard(groups: Sequence[Group], aim: Aim) -> Table:
    table = Table()
    table.add_column("config")
    seeds = any(len(group.entries) > 1 for group in groups)
    table.add_column(aim.metric, justify="right")
    for name in ("±", "worst", "best", "runs") if seeds else ():
        table.add_column(name, justify="right")
    for group in groups[:_MOST]:
        table.add_row(escape(" ".join(group.words)) or "(all alike but for the seed)", *_cells(group, aim, seeds))
    return table


def _cells(group: Group, aim: Aim, seeds: bool) -> list[str]:
    if not group.values:
        return [", ".join(sorted({entry.state for entry in group.entries})), *(["", "", "", "0"] if seeds else [])]
    mean = f"{group.mean:.4f}"
    if not seeds:
        return [mean]
    ordered = sorted(group.values, reverse=not aim.higher_is_better)
    spread = f"{group.deviation:.4f}" if group.deviation is not None else "–"
    done = sum(entry.outcome.value is not None for entry in group.entries)
    whole = f"{done}" if group.complete else f"{done} of {len(group.entries)}"
    return [mean, spread, f"{ordered[0]:.4f}", f"{ordered[-1]:.4f}", whole]


def _causes(entries: Collection[Entry]) -> dict[str, list[Entry]]:
    found: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.state in ("failed", "impossible", "interrupted", "preempted"):
            found.setdefault(entry.outcome.reason or entry.state, []).append(entry)
    return found
