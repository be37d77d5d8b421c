"""`hone export`: write a finished run's model and its model card into a folder that can be loaded, shared or pushed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from hone.config.check import check_node
from hone.config.job import Invocation
from hone.config.settings import ExportSettings
from hone.core.errors import UserError
from hone.core.paths import relative_to_cwd
from hone.core.redact import redact_text
from hone.core.screen import print_line
from hone.reports.model_card import model_card
from hone.runs.folder import require_writable
from hone.training.finished import beside, bind_task, require_model


def main(settings: ExportSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Copy the model and write its card. An existing folder is replaced only with overwrite=true."""
    folder, record = require_model(settings.run)
    config = yaml.safe_load(folder.config.read_text(encoding="utf-8"))
    task = bind_task(folder, check_node(config["task"], "task", settings.trust), settings.trust)
    target = Path(settings.output) if settings.output else beside(settings.run, folder, "export")
    if target.exists() and not settings.overwrite:
        raise UserError(
            f"output={target}: already exists; say overwrite=true to replace it, or choose another output=…."
        )
    if target.is_file():
        raise UserError(f"output={target}: this is a file, not a folder.")
    require_writable(target.parent)
    # The folder is written under another name and then renamed, so that it appears whole or not at all.
    draft = target.with_name(f".{target.name}-{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    shutil.copytree(folder.model, draft)
    card = model_card(folder, record, config, task)
    (draft / "README.md").write_text(redact_text(card), encoding="utf-8")
    shutil.rmtree(target, ignore_errors=True)
    draft.rename(target)
    names = ", ".join(sorted(file.name for file in target.iterdir()))
    print_line("exported", f"{relative_to_cwd(target)}  ({names})", width=0)
