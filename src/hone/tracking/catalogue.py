"""`exhibits.jsonl`: what a tracker was shown beside numbers, for when it has to be shown again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from hone.runs.record import write_atomically
from hone.tracking import journal
from hone.tracking.exhibits import Exhibit


@final
@dataclass(frozen=True)
class Shown:
    """An exhibit, and the number of the journal's row that it stands in."""

    number: int
    name: str
    exhibit: Exhibit
    step: int | None


@final
class Catalogue:
    """Append-only, but for `rewind`, as the journal is."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, shown: Shown) -> None:
        told = {**vars(shown), "kind": type(shown.exhibit).__name__, "exhibit": vars(shown.exhibit)}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(told, default=_plain) + "\n")

    def rewind(self, number: int) -> None:
        """Drops what a run that goes on from so many rows will show again, which is all but what it began with."""
        kept = [told for told in journal.read(self.path) if told["number"] < number or told["step"] is None]
        if self.path.is_file():
            write_atomically(self.path, "".join(json.dumps(told) + "\n" for told in kept))

    def shown(self) -> Iterator[Shown]:
        """In the order of the rows; of what was shown twice for a row, the last."""
        kinds = {kind.__name__: kind for kind in Exhibit.__subclasses__()}
        newest = {(told["number"], told["name"]): told for told in journal.read(self.path)}
        for (number, name), told in sorted(newest.items(), key=lambda item: item[0][0]):
            yield Shown(number, name, kinds[told["kind"]](**told["exhibit"]), told["step"])


def _plain(value: Any) -> Any:
    """A number of numpy's."""
    return value.item()
