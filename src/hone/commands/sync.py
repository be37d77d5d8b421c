"""`hone sync`: upload to W&B what was logged offline or did not arrive. What has arrived is not sent again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from rich.text import Text

from hone.config.job import Invocation
from hone.config.settings import SyncSettings
from hone.core.errors import HoneError, RunError, UserError
from hone.core.paths import relative_to_cwd
from hone.core.screen import make_console
from hone.runs.folder import Folder, runs_below
from hone.runs.sweep_file import SWEEP_FILE
from hone.sweeps.tracker_summary import SweepUpload
from hone.tracking.wandb.client import agent_ignored, connect
from hone.tracking.wandb.sync import RefusedUpload, RunUpload, Upload

_WAYS = {
    "nothing": "nothing to do",
    "file": "W&B's own file",
    "journal": "from the journal",
    "refused": "cannot be sent",
}
_THREADS = 4
"""The number of runs that are checked at once: W&B's reader, which checks the file of an offline run, takes a second to
start."""


@agent_ignored()
def main(settings: SyncSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Print one line per run. Runs that fail to upload are reported; the rest are still sent."""
    uploads = _find_uploads(settings.folders or ["outputs"])
    waiting = [upload for upload in uploads if upload.way in ("file", "journal")]
    refused = [upload for upload in uploads if upload.way == "refused"]
    for upload in uploads:
        if upload not in waiting:
            _report(upload, "")
    if settings.dry_run:
        for upload in waiting:
            _report(upload, "would be sent")
    elif waiting:
        _send(waiting)
    if refused:
        more = f" ({len(refused)} runs cannot be sent.)" if len(refused) > 1 else ""
        raise UserError(f"{refused[0].why}{more}")


def _send(waiting: Sequence[Upload]) -> None:
    connect()
    failed = 0
    for upload in waiting:
        try:
            upload.send()
            _report(upload, "sent")
        except HoneError as error:
            failed += 1
            _report(upload, f"failed: {error}")
            connect()  # fails at once if the server is gone; otherwise every other run would wait for it
    if failed:
        raise RunError(f"{failed} of {len(waiting)} runs did not arrive; the same command tries them again.")


def _report(upload: Upload, state: str) -> None:
    way = f"{_WAYS[upload.way]} ({upload.why})"
    line = Text(f"{relative_to_cwd(upload.place)}  {way}")
    if state:
        line.append("  ").append(state, "bold")
    make_console(soft_wrap=True).print(line)


def _find_uploads(places: Sequence[str]) -> list[Upload]:
    """Find every run in these places once, then the sweeps, and decide how to upload each."""
    runs: dict[Path, None] = {}
    sweeps: dict[Path, None] = {}
    for place in places:
        path = Path(place).expanduser()
        inside = [folder.resolve() for folder in runs_below(path)]
        if not inside:
            raise UserError(f"{place}: there is no run (a run's folder holds run.json).")
        runs |= dict.fromkeys(inside)
        sweeps |= dict.fromkeys(file.parent.resolve() for file in sorted(path.glob(f"**/{SWEEP_FILE}")))
    decisions: dict[Path, Callable[[], Upload]] = {run: partial(RunUpload.of, Folder(run)) for run in runs}
    decisions |= {sweep: partial(SweepUpload.of, sweep) for sweep in sweeps}
    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(_decide, decisions, decisions.values()))


def _decide(place: Path, decide: Callable[[], Upload]) -> Upload:
    try:
        return decide()
    except UserError as error:
        return RefusedUpload(place, str(error))
