"""A run that travels: what another machine needs to do it, and what goes on there."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from hone.core.errors import RunError
from hone.sweeps.places import Place
from hone.sweeps.pool import Pool
from hone.sweeps.ready import Ready

_GLANCE = 0.5


@final
@dataclass(frozen=True)
class Errand:
    """All machines must see the folders of the one that sends it."""

    ready: Ready
    output: Path
    """Takes what the run prints."""
    threads: int
    timeout: float | None
    """Seconds it may take."""
    home: Path = field(default_factory=Path.cwd)
    """What relative paths begin at."""

    def begin(self) -> Running:
        """The run is at work from now on."""
        try:
            os.chdir(self.home)
            self.output.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                f"{error.filename}: {error.strerror} on {os.uname().nodename}; all must share it."
            ) from error
        return Running(self)


@final
class Running:
    """A process forked from this one: however it ends, this one can tell how."""

    def __init__(self, errand: Errand) -> None:
        self.pool = Pool([Place(errand.threads)], errand.timeout)
        self.pool.start("run", errand.ready, errand.output)
        self.asked = False
        self._words: Mapping[str, Any] | None = None
        with suppress(OSError):  # what the machine tells all processes at once reaches the run through this one alone
            os.setpgid(self.pool.workers["run"].pid, 0)

    def words(self) -> dict[str, Any]:
        """The run's last words, when it has ended."""
        while self._words is None:
            self._look(_GLANCE)
        return {key: value for key, value in self._words.items() if key != "modules"}

    def ask(self) -> None:
        """To save itself and end."""
        self.asked = True
        self.pool.ask_all(signal.SIGTERM)

    def stop(self, seconds: float) -> None:
        """Asks, and sees that there is an end to it."""
        until = time.monotonic() + seconds
        self.ask()
        with suppress(ChildProcessError):  # the end was just being looked at when this was called by a signal
            while self._words is None and time.monotonic() < until:
                self._look(_GLANCE)
            self.pool.end_all()

    def _look(self, seconds: float) -> None:
        for _, words, _ in self.pool.wait(seconds):
            self._words = words
