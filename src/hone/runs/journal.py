"""The journal of a run, `metrics.jsonl`: one line per logged row, written before any tracker gets the row."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

from hone.core.files import append_line, storing, write_atomically


@final
class Journal:
    """A file that rows are appended to. Only `rewind` removes rows: those that a resumed run will log again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._count = len(list(read_rows(path)))
        self._file = path.open("ab", buffering=0)

    def log(self, row: Mapping[str, Any]) -> int:
        """Write the row and return its number, from 0. Once this returns, the row survives the process. A row that the
        disk does not take leaves the file as it was."""
        valid = {key: None if _is_not_finite(value) else value for key, value in row.items()}
        with storing(self.path):
            append_line(self._file.fileno(), json.dumps(valid).encode() + b"\n")
        self._count += 1
        return self._count - 1

    def rewind(self, step: int) -> list[dict[str, Any]]:
        """Drop the rows after a step, the rows of final scores and an incomplete last line. Return the other rows."""
        kept = [row for row in read_rows(self.path) if row["step"] <= step and not _is_final(row)]
        self._file.close()
        write_atomically(self.path, "".join(json.dumps(row) + "\n" for row in kept))
        self._file = self.path.open("ab", buffering=0)
        self._count = len(kept)
        return kept

    def close(self) -> None:
        self._file.close()


def _is_not_finite(value: Any) -> bool:
    """Return whether a value is NaN or infinite, which JSON cannot represent."""
    return isinstance(value, float) and not math.isfinite(value)


def _is_final(row: Mapping[str, Any]) -> bool:
    """Return whether the row has scores of the best weights, which are logged again whenever a run reaches its end."""
    return any(name.startswith("test/") for name in row)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the rows of a journal. An incomplete line, left by a process that was killed, is skipped."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        try:
            yield json.loads(line)
        except ValueError:
            continue
