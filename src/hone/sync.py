"""`hone sync`: what was logged offline, or did not arrive, is sent to W&B; what has arrived is not sent again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from hone.errors import HoneError, RunError, UserError
from hone.job import Invocation
from hone.paths import shown
from hone.runs.folder import Folder, is_run
from hone.settings import Sync
from hone.shipping.base import Shipment
from hone.shipping.run import RunShipment
from hone.shipping.sweep import SweepShipment
from hone.sweeps.saved import FILE
from hone.tracking.access import reached
from hone.tracking.agent import set_aside

_WAYS = {"nothing": "nothing to do", "file": "W&B's own file", "journal": "from the journal"}


@set_aside()
def main(settings: Sync, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """A line a run; those that could not be sent are told, and the others are sent all the same."""
    shipments = _found(settings.folders or ["outputs"])
    waiting = [shipment for shipment in shipments if shipment.way != "nothing"]
    screen = Console(highlight=False, soft_wrap=True)
    for shipment in shipments:
        if shipment.way == "nothing":
            _tell(screen, shipment, "")
    if waiting and not settings.dry_run:
        reached()
    failed = 0
    for shipment in waiting:
        try:
            if not settings.dry_run:
                shipment.send()
            _tell(screen, shipment, "would be sent" if settings.dry_run else "sent")
        except HoneError as error:
            failed += 1
            _tell(screen, shipment, f"failed: {error}")
            reached()  # or the others would each wait for a server that is gone
    if failed:
        raise RunError(f"{failed} of {len(waiting)} runs did not arrive; the same command tries them again.")


def _tell(screen: Console, shipment: Shipment, state: str) -> None:
    way = f"{_WAYS[shipment.way]} ({shipment.why})"
    screen.print(f"{shown(shipment.place)}  {way}{f'  [bold]{state}[/bold]' if state else ''}", markup=True)


def _found(places: Sequence[str]) -> list[Shipment]:
    """Every run there is in these places, once, and then the sweeps."""
    runs: dict[Path, None] = {}
    sweeps: dict[Path, None] = {}
    for place in places:
        path = Path(place).expanduser()
        inside = [file.parent.resolve() for file in sorted(path.glob("**/run.json")) if is_run(file)]
        if not inside:
            raise UserError(f"{place}: no run there (a run's folder holds run.json).")
        runs |= dict.fromkeys(inside)
        sweeps |= dict.fromkeys(file.parent.resolve() for file in sorted(path.glob(f"**/{FILE}")))
    return [*(RunShipment.of(Folder(run)) for run in runs), *map(SweepShipment.of, sweeps)]
