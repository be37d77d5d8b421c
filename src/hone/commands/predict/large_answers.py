"""Answers that are too large for a row, such as masks: each is a file beside the output, and the row has its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

from PIL import Image

from hone.core.errors import UserError, join_names
from hone.core.files import drafted
from hone.core.task import MediaKind


@final
class LargeAnswers:
    """Writes the columns of a task's answers that are files, to `NAME_files/` beside the output `NAME.jsonl`."""

    def __init__(self, columns: Mapping[str, MediaKind], output: str | None) -> None:
        if columns and output is None:
            raise UserError(
                f"output: this task predicts files ({join_names(columns)}). Give output=FILE.jsonl, .csv or .parquet; "
                "they are written to a folder beside it."
            )
        self.columns = columns
        path = Path(output or ".").expanduser()
        self.folder = path.parent / f"{path.stem}_files"

    def store(self, number: int, outcome: Mapping[str, Any]) -> Mapping[str, Any]:
        """Write the large columns of a row's outcome. Return the outcome with the names of the files."""
        return {**outcome, **{name: self._write(number, name, outcome[name]) for name in self.columns}}

    def _write(self, number: int, name: str, value: Any) -> str:
        """Write the pixels of a picture, or the content of a WAV file. Return its path, relative to the output."""
        self.folder.mkdir(parents=True, exist_ok=True)
        is_sound = self.columns[name] == "audio"
        file = self.folder / f"{number:06d}-{name}.{'wav' if is_sound else 'png'}"
        with drafted(file) as draft:
            if is_sound:
                draft.write_bytes(value)
            else:
                Image.fromarray(value).save(draft, "PNG")
        return f"{self.folder.name}/{file.name}"
