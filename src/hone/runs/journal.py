"""The journal of a run, `metrics.jsonl`: one line per logged row, written before any tracker gets the row."""

from __future__ import annotations

import json
import logging
import math
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, final

from hone.core.errors import damaged
from hone.core.files import append_line, drafted, storing
from hone.core.paths import relative_to_cwd

log = logging.getLogger(__name__)


@final
class Journal:
    """A file that rows are appended to. Only `rewind` removes rows: those that a run which is resumed, or goes back,
    will log again."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = len(_lines(path))
        """The number of rows."""
        self._file = path.open("ab", buffering=0)

    def log(self, row: Mapping[str, Any]) -> int:
        """Write the row and return its number, from 0. Once this returns, the row survives the process. A row that the
        disk does not take leaves the file as it was."""
        valid = {key: None if _is_not_finite(value) else value for key, value in row.items()}
        with storing(self.path):
            append_line(self._file.fileno(), json.dumps(valid).encode() + b"\n")
        self.count += 1
        return self.count - 1

    def rewind(self, step: int, rows: int = 0) -> list[dict[str, Any]]:
        """Drop the rows after a step, the rows of final scores and an incomplete last line. Return the other rows.

        Rows with nothing but the step are added until there are `rows`. They stand for those that a run abandoned: W&B
        has these and knows rows by their numbers, so what comes next must have other numbers. If lines are damaged, the
        file as it was stays beside the journal."""
        kept = [row for row in read_rows(self.path) if (row["step"] or 0) <= step and not _is_final(row)]
        if any(_parse(line) is None for line in _lines(self.path)):
            shutil.copyfile(self.path, self.path.with_name(f"{self.path.name}.damaged"))
        if step and not kept:
            log.warning("%s: it has no rows, but the run has %d steps behind it: they are lost.", self.path, step)
        kept += [{"step": step}] * (rows - len(kept))
        self._file.close()
        with drafted(self.path) as draft:  # the rows stay as they were logged
            draft.write_text("".join(json.dumps(row) + "\n" for row in kept), encoding="utf-8")
        self._file = self.path.open("ab", buffering=0)
        self.count = len(kept)
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
    """Yield the rows of a journal. An incomplete last line, left by a process that was killed, is skipped.

    Any other line that cannot be read is reported, and a row with nothing but the step before it stands in its place:
    W&B knows rows by their numbers, so no other row may get another one."""
    step = 0
    for number, line in enumerate(_lines(path), start=1):
        row = _parse(line)
        if row is None:
            log.warning("%s, line %d: this line is damaged and is left out.", relative_to_cwd(path), number)
            row = {"step": step, "damaged": True}
        step = row["step"]
        yield row


def _lines(path: Path) -> list[bytes]:
    """Return the complete lines of a file, none if there is no file."""
    try:
        content = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise damaged(relative_to_cwd(path), str(error.strerror)) from error
    return content[: content.rfind(b"\n") + 1].split(b"\n")[:-1]


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step", ""), int | None) else None
