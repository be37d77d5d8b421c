"""Weights & Biases, as a mirror of the journal: nothing that goes wrong there ends a run."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, final

from hone.errors import UserError
from hone.paths import shown
from hone.runs.folder import Folder
from hone.tracking import artifacts, media
from hone.tracking.access import Mode, usable_mode
from hone.tracking.agent import handed_out
from hone.tracking.arrival import missing
from hone.tracking.base import RunInfo, Tracker
from hone.tracking.catalogue import Catalogue, Shown
from hone.tracking.client import is_deleted, known, open_run, place_of
from hone.tracking.exhibits import Exhibit
from hone.tracking.papers import send_papers
from hone.tracking.parcels import Parcels, first_line
from hone.tracking.service import abandon
from hone.tracking.unasked import ask_nothing
from hone.types import Index, Positive, Project, Tag

log = logging.getLogger(__name__)


@final
class WandbTracker(Tracker):
    """Online where there is a key and a server that answers; else offline, to be synced later."""

    def __init__(
        self,
        project: Project,
        entity: str | None = None,
        mode: Literal["auto", "online", "offline"] = "auto",
        tags: list[Tag] | None = None,
        examples: Index = 32,
        init_timeout: Positive = 15,
        finish_timeout: Positive = 30,
        required: bool = False,
        log_model: Literal["best", "all"] | bool = False,
    ) -> None:
        self.project, self.entity, self.mode, self.tags = project, entity, mode, tags or []
        self.init_timeout, self.finish_timeout, self.required = init_timeout, finish_timeout, required
        self.log_model, self.every_best = log_model, log_model == "all"
        self.examples = examples
        self.run: Any = None
        self._rows, self._parcels = Parcels(), Parcels()
        self._fell_back = False  # from a server that failed, of which its service may not let go
        self.root = Path()
        self.catalogue = Catalogue(Path())
        self.number: int | None = None  # of the journal's next row, if there is a journal
        self._waiting: dict[str, Shown] = {}  # for that row: of what is told alone W&B makes a row of its own
        os.environ.pop("WANDB_SERVICE", None)  # our starter's would hold on to a run of ours that was killed
        os.environ.setdefault("WANDB_SILENT", "true")  # what there is to say, we say
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it holds up the exit where nobody answers

    def reserve(self) -> dict[str, Any]:
        """A run that is killed while the server hears of it for the first time goes on as the same."""
        return handed_out() or {"id": secrets.token_hex(4)}

    def start(self, run: RunInfo) -> dict[str, Any] | None:
        self.root, mode = run.root, usable_mode(self.mode, self.required)
        self.catalogue = Catalogue(Folder(run.folder).exhibits)
        if mode == "disabled":
            return {"mode": mode}
        identity = run.tracker.get("id") or self.reserve()["id"]
        self.run = self._open(run, identity, mode)
        self._fell_back = self.run is None and mode == "online"
        if self._fell_back:
            # The attempt that failed may still hold its id for a while.
            identity, mode = identity if "mode" in run.tracker else self.reserve()["id"], "offline"
            self.run = self._open(run, identity, mode)
        if self.run is None:
            return None
        media.define_axes(self.run)
        ask_nothing(self.run)
        return known(self.run, mode)

    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Offline each start has a file of its own, and those before have the rows before."""
        self.number = len(rows)
        self.catalogue.rewind(len(rows))
        if self.run is None or self.run.offline:
            return
        shown = {number: list(each) for number, each in groupby(self.catalogue.shown(), lambda each: each.number)}
        for number in range(self.run.starting_step, len(rows) + 1):
            self._waiting = {each.name: each for each in shown.get(number, ())}
            if number < len(rows):
                self.log(number, rows[number])

    def log(self, number: int, row: Mapping[str, Any]) -> None:
        """W&B passes over a number that it has already."""
        for each in self._waiting.values():
            self._log(partial(media.log_exhibit, **vars(each)))
        told = {key: value for key, value in row.items() if isinstance(value, int | float)}
        self._log(lambda run: run.log(told, step=number, commit=True))
        self._waiting, self.number = {}, number + 1

    def exhibit(self, name: str, exhibit: Exhibit, step: int | None = None) -> None:
        if self.number is None:
            self._log(partial(media.log_exhibit, number=None, name=name, exhibit=exhibit, step=step))
            return
        self._waiting[name] = Shown(self.number, name, exhibit, step)
        self.catalogue.add(self._waiting[name])

    def page(self, name: str, html: str) -> None:
        self._log(partial(media.log_page, number=self.number, name=name, html=html))

    def uses(self, data: Mapping[str, Any]) -> None:
        self._send(lambda run: artifacts.use_data(run, data))

    def keep(self, folder: Folder) -> None:
        self._send(lambda run: send_papers(run, folder))
        if self.log_model and folder.model.is_dir():
            self._send(lambda run: artifacts.log_model(run, folder, folder, artifacts.about_model(folder)))

    def candidate(self, folder: Folder, place: Folder, save: Callable[[Folder], None]) -> None:
        about = artifacts.about_model(folder)  # now, for the next best one may be here before this one is sent

        def send(run: Any) -> None:
            save(place)
            artifacts.log_model(run, folder, place, about)

        self._send(send)

    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> bool:
        def close(run: Any) -> None:
            run.summary.update({key: value for key, value in summary.items() if value is not None})
            if state == "preempted":
                run.mark_preempting()  # W&B calls it so too, and hands it out again if it is a sweep's
            run.finish(exit_code=exit_code)

        deadline = time.monotonic() + self.finish_timeout
        lost = self._rows.settle(self.finish_timeout)
        self._send(close)  # not here: where its server is gone, W&B passes over its own limit
        lost = self._parcels.settle(max(0.0, deadline - time.monotonic())) or lost
        if lost is not None or self.run is None or self._fell_back:
            abandon()
        elif not self.run.offline:
            lost = missing(Path(self.run.settings.log_internal))
        if lost is not None:
            log.warning("W&B may lack some of this run (%s); %s sends the rest.", lost, self._remedy)
        return self.run is not None and lost is None and not self.run.offline

    def advice(self) -> str | None:
        if self.run is None:
            return None
        return self._remedy if self.run.offline else str(self.run.url)

    @property
    def _remedy(self) -> str:
        return f"hone sync {shown(self.root)}"

    def _open(self, run: RunInfo, identity: str, mode: Mode) -> Any:
        """A run of W&B's, or None with a warning: whatever its client raises, ours goes on."""
        place = place_of(run, self.project, self.entity, self.tags)
        try:
            return open_run(run, identity, mode, place, self.init_timeout, self.finish_timeout)
        except Exception as error:
            if is_deleted(error) and identity == run.tracker.get("id"):
                log.warning("W&B's run %s was deleted there; this run goes on as a new one.", identity)
                return self._open(run, secrets.token_hex(4), mode)
            if self.required:
                raise UserError(f"tracker.required=true, but W&B fails: {first_line(error)}") from error
            went = "offline" if mode == "online" else "without it"
            log.warning("W&B fails (%s); the run goes on %s. Later: %s", first_line(error), went, self._remedy)
            return None

    def _log(self, action: Callable[[Any], None]) -> None:
        """Rows, and what stands in the next one, in their order: a step waits for none of it."""
        if self.run is not None:
            self._rows.send(partial(self._safely, action))

    def _send(self, action: Callable[[Any], None]) -> None:
        """Does something that may take a while with the run, if there is one."""
        if self.run is not None:
            self._parcels.send(partial(action, self.run))

    def _safely(self, action: Callable[[Any], None]) -> None:
        """Does something with the run, if there is one; what fails is told once."""
        if self.run is None:
            return
        try:
            action(self.run)
        except Exception as error:
            why = first_line(error)
            log.warning("W&B fails (%s) and is left alone from here on; %s sends the rest.", why, self._remedy)
            self.run = None
