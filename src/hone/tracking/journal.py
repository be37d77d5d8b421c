"""`metrics.jsonl`: a line for every log call, flushed before anybody else hears of it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

from hone.runs.record import write_atomically


@final
class Journal:
    """Append-only, but for `rewind`, which takes back what a resumed run will say again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = len(list(read(path)))
        self._file = path.open("a", encoding="utf-8")

    def log(self, row: Mapping[str, Any]) -> int:
        """Writes the row; once this returns it survives the process. Returns which one it is, from 0."""
        finite = {
            key: value if not isinstance(value, float) or math.isfinite(value) else None for key, value in row.items()
        }
        self._file.write(json.dumps(finite) + "\n")
        self._file.flush()
        self._count += 1
        return self._count - 1

    def rewind(self, step: int) -> list[dict[str, Any]]:
        """Drops the rows after a step, those of the final scores, and a torn last line; returns what is left."""
        kept = [row for row in read(self.path) if row["step"] <= step and not _is_final(row)]
        self._file.close()
        write_atomically(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        self._file = self.path.open("a", encoding="utf-8")
        self._count = len(kept)
        return kept

    def close(self) -> None:
        self._file.close()


def _is_final(row: Mapping[str, Any]) -> bool:
    """Whether it holds scores of the best weights, which every sitting that gets to the end tells."""
    return any(name.startswith("test/") for name in row)


def read(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a journal; a line that was cut off by a kill is passed over."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue
