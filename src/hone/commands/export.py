"""`hone export`: write a finished run's model and its model card into a folder that can be loaded, shared or pushed."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hone.config.check import check_node
from hone.config.job import Invocation
from hone.config.settings import ExportSettings
from hone.core.errors import UserError
from hone.core.files import drafted_folder
from hone.core.log import capture_log
from hone.core.paths import relative_to_cwd
from hone.core.redact import redact_text
from hone.core.screen import print_line
from hone.reports.model_card import model_card
from hone.runs.folder import require_writable
from hone.runs.manifest import EXPORTED, files_in, write_manifest
from hone.runs.reading import read_yaml
from hone.training.finished import beside, bind_task, may_run_code, require_model


def main(settings: ExportSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Copy the model and write its card. An existing folder is replaced only with overwrite=true."""
    with capture_log():
        folder, record, manifest = require_model(settings.run, settings.verify)
    config = read_yaml(folder.config, ("task",))
    node = check_node(config["task"], "task", settings.trust)
    task = bind_task(folder, node, settings.trust, may_run_code(config))
    target = Path(settings.output) if settings.output else beside(settings.run, folder, "export")
    if target.exists() and not settings.overwrite:
        raise UserError(
            f"output={target}: already exists; say overwrite=true to replace it, or choose another output=…."
        )
    if target.is_file():
        raise UserError(f"output={target}: this is a file, not a folder.")
    require_writable(target.parent)
    target.parent.mkdir(parents=True, exist_ok=True)
    listed = manifest and {place.removeprefix("model/"): folder.path / place for place in manifest.names("model")}
    card = redact_text(model_card(folder, record, config, task))
    with drafted_folder(target) as draft:
        for name, file in (listed or files_in(folder.model, ".")).items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, draft / name)
        write_manifest(draft / EXPORTED, files_in(draft, "."))
        (draft / "README.md").write_text(card, encoding="utf-8")
    names = ", ".join(sorted(file.name for file in target.iterdir()))
    print_line("exported", f"{relative_to_cwd(target)}  ({names})", width=0)
