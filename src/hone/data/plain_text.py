"""Plain text files as rows."""

from __future__ import annotations

import re
from pathlib import Path

from datasets import Dataset

from hone.core.errors import UserError
from hone.core.value_types import Documents


def read_text(file: Path, documents: Documents) -> Dataset:
    """The documents of a plain text, under the name that tasks over text look for; what is blank is none."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeError as error:
        raise UserError(f"{file}: not readable as text (hone reads UTF-8): {error}") from error
    parts = {"lines": text.split("\n"), "paragraphs": re.split(r"\n\s*\n", text), "files": [text]}[documents]
    rows = [part if documents == "files" else part.strip("\n") for part in parts if part.strip()]
    if not rows:
        raise UserError(f"{file}: it has no rows.")
    return Dataset.from_dict({"text": rows})
