"""`metrics.csv` in the run's folder: the journal as a table for spreadsheets, with tables and charts in `tables/`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from hone.core.files import write_atomically
from hone.core.foreign_text import csv_line
from hone.core.value_types import Index
from hone.runs.folder import Folder
from hone.runs.journal import read_rows
from hone.tracking.exhibits import Exhibit
from hone.tracking.tracker import RunInfo, Tracker


@final
class CsvTracker(Tracker):
    """Appends complete rows. When a row has a new column, the whole file is written again from the journal."""

    def __init__(self, examples: Index = 32) -> None:
        self.examples = examples
        self.folder: Folder | None = None
        self.columns: list[str] = []

    @property
    def path(self) -> Path:
        return self._folder.path / "metrics.csv"

    def start(self, run: RunInfo) -> None:
        self.folder = Folder(run.folder)

    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._remake()

    def log(self, number: int, row: Mapping[str, Any]) -> None:
        numbers = _numbers(row)
        if not numbers.keys() <= set(self.columns):
            self._remake()
        elif numbers:
            with self.path.open("a", encoding="utf-8", newline="") as file:
                file.write(_text([[numbers.get(column) for column in self.columns]]))

    def exhibit(self, name: str, exhibit: Exhibit, step: int | None = None) -> None:
        table = exhibit.table()
        parts = [*name.split("/"), *([] if step is None else [str(step)])]
        path = (self._folder.path / "tables").joinpath(*parts[:-1], f"{parts[-1]}.csv")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, _text([table.columns, *table.rows]))

    def page(self, name: str, html: str) -> None:
        """Do nothing: the run's folder has the page anyway."""

    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> None:
        """Do nothing: each row is on disk already."""

    def advice(self) -> str | None:
        return None

    @property
    def _folder(self) -> Folder:
        if self.folder is None:
            raise RuntimeError("the run has not begun")
        return self.folder

    def _remake(self) -> None:
        """Write the file again from the journal, which has the row that is being logged too."""
        rows = [numbers for row in read_rows(self._folder.journal) if (numbers := _numbers(row))]
        self.columns = list(dict.fromkeys(column for row in rows for column in row))
        cells = [[row.get(column) for column in self.columns] for row in rows]
        write_atomically(self.path, _text([self.columns, *cells]))


def _numbers(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return the row's plain values, or {} if there are none besides step and time."""
    values = {name: value for name, value in row.items() if not isinstance(value, list | dict)}
    return values if values.keys() - {"step", "time"} else {}


def _text(rows: Iterable[Sequence[Any]]) -> str:
    return "".join(map(csv_line, rows))
