"""What a benchmark finds: a ratio, how far it varies, and the bar it is held to; as a table and in a JSON file."""

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
    """One row. `lower` says that less is better, and so does the name, for those who read the file alone."""

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
        """The ratio of the medians; its spread is that of the turns."""
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


def table(figures: Sequence[Figure]) -> str:
    """Every figure beside its bar."""
    width = max((len(each.name) for each in figures), default=0)
    lines = [f"{'':{width}}   ratio          spread     bar"]
    for each in figures:
        low, high = each.spread
        bar = "" if each.bar is None else f"{each.bar:7.2f}  {'met' if each.met else 'missed'}"
        lines.append(f"{each.name:{width}} {each.ratio:7.3f} {low:7.3f}–{high:<7.3f} {bar}".rstrip())
    return "\n".join(lines)


def merge(path: Path, figures: Sequence[Figure]) -> None:
    """Puts figures into the file; those that it has and that were not measured this time stay."""
    entries = {entry["figure"]: entry for entry in _read(path)}
    entries |= {each.name: each.entry() for each in figures}
    path.write_text(json.dumps(list(entries.values()), indent=2) + "\n", encoding="utf-8")


def fault(path: Path) -> str | None:
    """What is wrong with a place for figures; asked before the minutes that it takes to have any."""
    if not path.parent.is_dir():
        return f"--output {path}: there is no folder {path.parent}."
    try:
        _read(path)
    except (OSError, ValueError, TypeError) as error:
        return f"--output {path}: no file of figures to add to ({type(error).__name__}: {error})."
    return None


def _read(path: Path) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    if not all("figure" in entry for entry in entries):
        raise ValueError("some entry names no figure")
    return entries
