"""The rest of a sweep: the search, the runs, the choice, the last screen."""

from __future__ import annotations

import gc
import signal
from collections.abc import Sequence
from pathlib import Path

from hone.errors import HoneError, Interrupted, Preempted
from hone.job import Job
from hone.sweeps.aim import aim_of
from hone.sweeps.budget import Budget
from hone.sweeps.chosen import test_scores
from hone.sweeps.driver import Driver
from hone.sweeps.groups import grouped
from hone.sweeps.ledger import Ledger
from hone.sweeps.places import places
from hone.sweeps.pool import Pool
from hone.sweeps.ready import Roster
from hone.sweeps.screen import screen
from hone.sweeps.space import Space
from hone.sweeps.story import Story
from hone.sweeps.sweep import Sweep
from hone.sweeps.table import final_screen
from hone.sweeps.workers import Workers


def perform(
    sweep: Sweep,
    space: Space,
    roster: Roster,
    jobs: Sequence[Job],
    folder: Path,
    command: str,
    budget: Budget,
    launched: Workers | None,
) -> int:
    """Returns the command's exit code."""
    aim = aim_of(jobs[0])
    pool = Pool(places(sweep.workers, sweep.trials_per_gpu, jobs[0].settings.devices), sweep.trial_timeout)
    folder.mkdir(parents=True, exist_ok=True)
    story = Story(folder, command, space.keys, type(sweep.sampler).__name__.lower(), aim)
    search = sweep.sampler.search(space, aim, sweep.pruner, folder)
    driver = Driver(search, roster, Ledger(folder), launched or pool, screen(aim), story)
    gc.freeze()  # what is here already is never searched for garbage in the runs' processes, nor copied for it
    driver.run(len(jobs), budget, sweep.rerun)
    entries = driver.entries.values()
    failed = any(entry.state not in ("finished", "pruned", "impossible") for entry in entries)
    story.write(entries, "interrupted" if driver.asked else "failed" if failed else "finished")
    if driver.asked is not None:
        raise _stopped(driver.asked, folder)
    groups = grouped(entries, aim.higher_is_better)
    final_screen(story, groups, entries, test_scores(groups, pool, roster, folder / "logs"))
    return int(failed)


def _stopped(number: int, folder: Path) -> HoneError:
    said = f"{folder}: the sweep was asked to stop by {signal.Signals(number).name}; the same command goes on with it."
    return Interrupted(said) if number == signal.SIGINT else Preempted(said)
