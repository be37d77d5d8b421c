"""Weights & Biases as a mirror of the journal. Nothing that goes wrong there ends a run."""

from __future__ import annotations

import logging
import os
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import groupby
from pathlib import Path
from typing import Any, ClassVar, Literal, final

from hone.core.errors import UserError
from hone.core.paths import relative_to_cwd
from hone.core.value_types import Index, Positive, Project, Tag
from hone.runs.folder import Folder
from hone.tracking.exhibits import Exhibit
from hone.tracking.tracker import RunInfo, Tracker
from hone.tracking.wandb import models
from hone.tracking.wandb.client import Mode, agent_run, is_deleted, memory_of, open_run, place_of, usable_mode
from hone.tracking.wandb.exhibits import ExhibitFile, NumberedExhibit, define_axes, log_exhibit, log_page
from hone.tracking.wandb.files import send_files
from hone.tracking.wandb.outbox import Outbox, first_line
from hone.tracking.wandb.workarounds import abandon, ask_nothing, find_loss

log = logging.getLogger(__name__)


@final
class WandbTracker(Tracker):
    """Online if there is a key and a server that answers; otherwise offline, to be synced later.

    `memory`: `id`, and once the run is open `mode`, `dir` (the client's folder), `project`, `entity` and `sweep`. At
    the end `sent` if the server has everything, or `complete` if that folder has an offline run from its first row to
    its last. `amended` marks scores that came later."""

    name: ClassVar[str] = "wandb"

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
        self._rows, self._outbox = Outbox(), Outbox()
        self._is_new = True  # whether the client has never opened the run
        self._has_every_row = False  # whether all rows of the run go through this process
        self._fell_back = False  # from a server that failed; the client's service may still hold on to it
        self.root, self._folder = Path(), Path()
        self.exhibits = ExhibitFile(Path())
        self.number: int | None = None  # of the journal's next row, if there is a journal
        # The exhibits that wait for that row. W&B would make a separate row of an exhibit that is logged alone.
        self._waiting: dict[str, NumberedExhibit] = {}
        os.environ.pop("WANDB_SERVICE", None)  # our parent's service would hold on to a run of ours that was killed
        os.environ.setdefault("WANDB_SILENT", "true")  # we report what matters
        os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # it delays the exit where no server answers

    def reserve(self) -> None:
        if not self.memory:
            self.memory = agent_run() or _new_id()

    def start(self, run: RunInfo) -> None:
        self.root, self._folder, mode = run.root, run.folder, usable_mode(self.mode, self.required)
        self.exhibits = ExhibitFile(Folder(run.folder).exhibits)
        self._is_new = "mode" not in self.memory
        if "id" not in self.memory:  # it was disabled before, or nothing was reserved
            self.memory = {**self.memory, **(agent_run() or _new_id())}
        if mode == "disabled":
            self.memory = {"mode": mode}
            return
        self.run = self._open(run, mode)
        self._fell_back = self.run is None and mode == "online"
        if self._fell_back:
            mode = "offline"
            if self._is_new:  # the attempt that failed may hold on to its id for a while
                self.memory = agent_run() or _new_id()
            self.run = self._open(run, mode)
        if self.run is not None:
            define_axes(self.run)
            ask_nothing(self.run)
            self.memory = memory_of(self.run, mode)

    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Send what the server lacks. Offline nothing is repeated: the client has one file per start, and the earlier
        files have the earlier rows. Of a run that went back, the server keeps the abandoned rows."""
        first, self.number = self.number, len(rows)
        self.exhibits.rewind(len(rows))
        if first is None:  # the run has just been opened
            self._has_every_row = not rows
        if self.run is None or (first is None and self.run.offline):
            return
        stored = self.exhibits.read()  # in the order of their rows, as groupby needs them
        by_row = {number: list(group) for number, group in groupby(stored, lambda exhibit: exhibit.number)}
        for number in range(self.run.starting_step if first is None else first, len(rows) + 1):
            self._waiting = {exhibit.name: exhibit for exhibit in by_row.get(number, ())}
            if number < len(rows):
                self.log(number, rows[number])

    def log(self, number: int, row: Mapping[str, Any]) -> None:
        """Log the row with the exhibits that wait for it. W&B ignores a row number that it has already."""
        for exhibit in self._waiting.values():
            self._log(partial(log_exhibit, folder=self._folder, **vars(exhibit)))
        numbers = {key: value for key, value in row.items() if isinstance(value, int | float)}
        self._log(lambda run: run.log(numbers, step=number, commit=True))
        self._waiting, self.number = {}, number + 1

    def exhibit(self, name: str, exhibit: Exhibit, step: int | None = None) -> None:
        if self.number is None:
            self._log(partial(log_exhibit, folder=self._folder, number=None, name=name, exhibit=exhibit, step=step))
            return
        self._waiting[name] = NumberedExhibit(self.number, name, exhibit, step)
        self.exhibits.add(self._waiting[name])

    def page(self, name: str, html: str) -> None:
        self._log(partial(log_page, number=self.number, name=name, html=html))

    def uses(self, data: Mapping[str, Any]) -> None:
        self._send(lambda run: models.use_data(run, data))

    def keep(self, folder: Folder) -> None:
        self._send(lambda run: send_files(run, folder))
        if self.log_model and folder.model.is_dir():
            self._send(lambda run: models.log_model(run, folder, folder, models.about_model(folder)))

    def candidate(self, folder: Folder, place: Folder, save: Callable[[Folder], None]) -> None:
        about = models.about_model(folder)  # now, since a better one may come before this one is sent

        def send(run: Any) -> None:
            save(place)
            models.log_model(run, folder, place, about)

        self._send(send)

    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> None:
        def close(run: Any) -> None:
            run.summary.update({key: value for key, value in summary.items() if value is not None})
            if state == "preempted":
                run.mark_preempting()  # W&B's word for it too; its agent hands such a run out again
            run.finish(exit_code=exit_code)

        deadline = time.monotonic() + self.finish_timeout
        problem = self._rows.settle(self.finish_timeout)
        self._send(close)  # in the thread: where its server is gone, the client exceeds its own limit
        problem = self._outbox.settle(max(0.0, deadline - time.monotonic())) or problem
        if problem is not None or self.run is None or self._fell_back:
            abandon()
        elif not self.run.offline:
            problem = find_loss(Path(self.run.settings.log_internal))
        if problem is not None:
            log.warning("W&B may lack part of this run (%s); %s sends the rest.", problem, self._remedy)
        elif self.run is not None and not self.run.offline:
            self.memory = {**self.memory, "sent": True}
        elif self.run is not None and self._has_every_row:
            self.memory = {**self.memory, "complete": True}

    def advice(self) -> str | None:
        if self.run is None:
            return None
        return self._remedy if self.run.offline else str(self.run.url)

    @property
    def _remedy(self) -> str:
        return f"hone sync {relative_to_cwd(self.root)}"

    def _open(self, run: RunInfo, mode: Mode, renewed: bool = False) -> Any:
        """Return the client's run, or None with a warning: whatever the client raises, our run goes on."""
        place = place_of(self.memory, self.project, self.entity, self.tags)
        try:
            return open_run(run, self.memory, mode, place, self.init_timeout, self.finish_timeout)
        except Exception as error:
            if is_deleted(error) and not renewed:
                log.warning("W&B's run %s was deleted there; this run goes on as a new one.", self.memory["id"])
                self.memory = {**self.memory, **_new_id()}
                return self._open(run, mode, renewed=True)
            if self.required:
                raise UserError(f"tracker.required=true, but W&B fails: {first_line(error)}") from error
            way = "offline" if mode == "online" else "without it"
            log.warning("W&B fails (%s); the run goes on %s. Later: %s", first_line(error), way, self._remedy)
            return None

    def _log(self, action: Callable[[Any], None]) -> None:
        """Queue a row, or an exhibit that belongs to the next row. They keep their order, and no step waits."""
        if self.run is not None:
            self._rows.send(partial(self._safely, action))

    def _send(self, action: Callable[[Any], None]) -> None:
        """Queue something that may take a while."""
        if self.run is not None:
            self._outbox.send(partial(action, self.run))

    def _safely(self, action: Callable[[Any], None]) -> None:
        """Send a row. A failure is reported once, and then W&B gets no more rows."""
        if self.run is None:
            return
        try:
            action(self.run)
        except Exception as error:
            reason = first_line(error)
            log.warning("W&B fails (%s) and is not used from here on; %s sends the rest.", reason, self._remedy)
            self.run = None


def _new_id() -> dict[str, str]:
    return {"id": secrets.token_hex(4)}
