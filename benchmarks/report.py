"""The result of a benchmark: a ratio, its spread, and the bar that it must reach; as a table and in a JSON file."""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final


@final
@dataclass(frozen=True)
class Figure:
    """One row. `lower` means that less is better; the name says so too, for those who read only the file."""

    name: str
    ratio: float
    spread: tuple[float, float]
    bar: float | None = None
    lower: bool = False

    @classmethod
    def compare(
        cls,
        name: str,
        ours: Sequence[float],
        theirs: Sequence[float],
        bar: float | None = None,
        *,
        lower: bool = False,
    ) -> Figure:
        """Return the ratio of the medians; its spread is that of the single turns."""
        ratio = statistics.median(ours) / statistics.median(theirs)
        turns = [mine / other for mine, other in zip(ours, theirs, strict=True)]
        return cls(name, ratio, (min(turns), max(turns)), bar, lower)

    @property
    def met(self) -> bool:
        if self.bar is None:
            return True
        return self.ratio <= self.bar if self.lower else self.ratio >= self.bar

    def entry(self) -> dict[str, Any]:
        spread = [round(bound, 3) for bound in self.spread]
        return {"figure": self.name, "ratio": round(self.ratio, 3), "spread": spread, "bar": self.bar}


def format_table(figures: Sequence[Figure]) -> str:
    """Return a table of the figures and their bars."""
    width = max((len(each.name) for each in figures), default=0)
    lines = [f"{'':{width}}   ratio          spread     bar"]
    for each in figures:
        low, high = each.spread
        bar = "" if each.bar is None else f"{each.bar:7.2f}  {'met' if each.met else 'missed'}"
        lines.append(f"{each.name:{width}} {each.ratio:7.3f} {low:7.3f}–{high:<7.3f} {bar}".rstrip())
    return "\n".join(lines)


def merge(path: Path, figures: Sequence[Figure]) -> None:
    """Write figures into the file; its other figures, which were not measured this time, stay."""
    entries = {entry["figure"]: entry for entry in _read(path)}
    entries |= {each.name: each.entry() for each in figures}
    path.write_text(json.dumps(list(entries.values()), indent=2) + "\n", encoding="utf-8")


def find_fault(path: Path) -> str | None:
    """Return what is wrong with a file for figures, or None; asked before minutes are spent on measuring."""
    if not path.parent.is_dir():
        return f"--output {path}: no folder {path.parent}."
    try:
        _read(path)
    except (OSError, ValueError, TypeError) as error:
        return f"--output {path}: this is not a file of figures ({type(error).__name__}: {error})."
    return None


def _read(path: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    if not all("figure" in entry for entry in entries):
        raise ValueError("an entry has no figure")
    return entries
