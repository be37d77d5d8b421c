"""`metrics.csv` in the run's folder: the journal as a table, for spreadsheets; tables and charts as files beside it."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from hone.runs.folder import Folder
from hone.runs.record import write_atomically
from hone.tracking import journal
from hone.tracking.base import RunInfo, Tracker
from hone.tracking.exhibits import Exhibit
from hone.types import Index


@final
class CsvTracker(Tracker):
    """A row is appended whole; where it has a column that is new, the file is made anew from the journal."""

    def __init__(self, examples: Index = 32) -> None:
        self.examples = examples
        self.folder: Folder | None = None
        self.columns: list[str] = []

    @property
    def path(self) -> Path:
        return self._folder.path / "metrics.csv"

    def start(self, run: RunInfo) -> dict[str, Any] | None:
        self.folder = Folder(run.folder)
        return None

    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._remake()

    def log(self, number: int, row: Mapping[str, Any]) -> None:
        told = _numbers(row)
        if not told.keys() <= set(self.columns):
            self._remake()
        elif told:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                file.write(_text([[told.get(column) for column in self.columns]]))

    def exhibit(self, name: str, exhibit: Exhibit, step: int | None = None) -> None:
        table = exhibit.table()
        parts = [*name.split("/"), *([] if step is None else [str(step)])]
        path = (self._folder.path / "tables").joinpath(*parts[:-1], f"{parts[-1]}.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _text([table.columns, *table.rows]))

    def page(self, name: str, html: str) -> None:
        """Pages lie in the folder anyway."""

    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> bool:
        return False

    def advice(self) -> str | None:
        return None

    @property
    def _folder(self) -> Folder:
        if self.folder is None:
            raise RuntimeError("the run has not begun")
        return self.folder

    def _remake(self) -> None:
        """All rows of numbers that the journal has, the one that is being logged included."""
        rows = [told for row in journal.read(self._folder.journal) if (told := _numbers(row))]
        self.columns = list(dict.fromkeys(column for row in rows for column in row))
        write_atomically(self.path, _text([self.columns, *([row.get(name) for name in self.columns] for row in rows)]))


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    """Nothing of a row that has texts alone."""
    told = {name: value for name, value in row.items() if not isinstance(value, list | dict)}
    return told if told.keys() - {"step", "time"} else {}


def _text(rows: Iterable[Sequence[Any]]) -> str:
    file = io.StringIO()
    csv.writer(file, lineterminator="\n").writerows(rows)
    return file.getvalue()
