"""What a run's folder tells, as files of its run in W&B: from there it is read as from the folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from hone.runs.folder import Folder

PLACE = "hone"
"""The folder of a run's files in W&B that holds them."""
RECORD = "record.json"
"""What a run's record is called there, for a folder with a `run.json` is taken for a run."""


def send_papers(run: Any, folder: Folder) -> None:
    """Copies into W&B's own folder, which holds all that a later sync sends; the journal is W&B's history already."""
    place = Path(run.dir) / PLACE
    for paper in _papers(folder):
        copy = place / (RECORD if paper == folder.record else paper.relative_to(folder.path))
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(paper, copy)
        run.save(str(copy), base_path=run.dir, policy="now")


def _papers(folder: Folder) -> list[Path]:
    named = (folder.record, folder.config, folder.facts, folder.diff)
    tables = (path for place in (folder.predictions, folder.additions) for path in sorted(place.glob("*.parquet")))
    return [paper for paper in (*named, *tables) if paper.is_file()]
