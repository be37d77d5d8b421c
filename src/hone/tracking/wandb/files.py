"""The files of a run: those that it leaves in W&B, and the log that W&B's client leaves on the disk."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from hone.runs.folder import Folder

PLACE = "hone"
"""The folder in W&B, among a run's files, that holds them."""
RECORD = "record.json"
"""The name of the run's record there: a folder with a `run.json` would be taken for a run."""


def send_files(run: Any, folder: Folder) -> None:
    """Copy the run's record and what belongs to it into the client's own folder, from where a later sync sends them
    too. The journal is not among them: W&B has it as the run's history."""
    place = Path(run.dir) / PLACE
    for file in _files(folder):
        copy = place / (RECORD if file == folder.record else file.relative_to(folder.path))
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
        run.save(str(copy), base_path=run.dir, policy="now")


def is_whole(folder: Path) -> bool:
    """Whether the log in the client's folder can be read to the run's end. W&B's own reader checks each record; any
    message of it, above all about damage, counts as a no."""
    words = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(folder)]
    result = subprocess.run(words, capture_output=True, text=True, check=False)  # noqa: S603
    if result.returncode or result.stderr.strip():
        return False
    return json.loads(result.stdout)["exit_code"] is not None


def _files(folder: Folder) -> list[Path]:
    named = (folder.record, folder.config, folder.facts, folder.diff)
    tables = (path for place in (folder.predictions, folder.contributions) for path in sorted(place.glob("*.parquet")))
    return [file for file in (*named, *tables) if file.is_file()]
