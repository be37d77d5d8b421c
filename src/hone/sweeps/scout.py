"""What a sweep must know before its first run, found out in a process of its own: the driver computes nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from hone.errors import RunError, UserError
from hone.planning.preflight import Preflight
from hone.sweeps.modules import load, loaded
from hone.sweeps.pool import Pool
from hone.sweeps.ready import Ready
from hone.sweeps.samplers.base import Aim


def scout(ready: Sequence[Ready], pool: Pool, elsewhere: bool) -> tuple[Aim | None, dict[int, str]]:
    """The number that the runs are judged by, and the places of those that cannot work, with the reasons.

    `elsewhere`: the runs will be on machines that may have other devices than this one."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder, "output")
        pool.start("scout", replace(ready[0], work=partial(_look, ready, elsewhere)), output)
        while not (ended := pool.wait(1.0)):
            continue
        said = output.read_text(encoding="utf-8", errors="replace")
    _, words, _ = ended[0]
    if words["state"] != "finished":
        raise RunError(f"The runs could not be checked: {words['reason']}.\n{said[-2000:]}")
    load(words["modules"])
    aim = Aim(words["aim"][0], words["aim"][1]) if words["aim"] else None
    return aim, {int(place): reason for place, reason in words["mistakes"].items()}


def _look(ready: Sequence[Ready], elsewhere: bool) -> Mapping[str, Any]:
    """Every job as `hone plan` checks it, before weights are loaded; what they share is read once."""
    before, preflight, aim = loaded(), Preflight(elsewhere), None
    mistakes: dict[int, str] = {}
    for place, each in enumerate(ready):
        try:
            monitor = preflight.check(each.job).draft.monitor
        except UserError as error:
            mistakes[place] = str(error)
        else:
            aim = aim or (f"validation/{monitor.name}", monitor.higher_is_better)
    return {"state": "finished", "aim": aim, "mistakes": mistakes, "modules": sorted(loaded() - before)}
