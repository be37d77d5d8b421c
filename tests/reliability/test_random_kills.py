"""Runs that are killed with SIGKILL at any moment and started again by the same command: in the end no bit differs.

    RANDOM_KILLS=1000 pytest -m slow -s tests/reliability/test_random_kills.py

Everything is imported once. Each attempt is a fork, which is killed after a random part of half the time of a run.
"""

import os
import random
import signal
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from figures import report
from forks import attempt, result

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("RANDOM_KILLS", "100"))
SEED = int(os.environ.get("RANDOM_KILLS_SEED", "0"))


@dataclass
class Figures:
    """What was seen."""

    kills: int = 0
    runs: int = 0
    differing: int = 0


def kill_until_done(root: str, rng: random.Random, limit: float, figures: Figures) -> None:
    """Starts the command again and again, and kills it at a random moment, until it ends by itself."""
    for _ in range(500):
        child, deadline = attempt(root), time.monotonic() + rng.uniform(0, limit)
        status = None
        while time.monotonic() < deadline and status is None:
            ended, code = os.waitpid(child, os.WNOHANG)
            status = code if ended else None
            time.sleep(0.002)
        if status is None:
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            assert os.WEXITSTATUS(status) == 0, Path("output.txt").read_text()[-2000:]
            return
        figures.kills += 1
        limit *= 1.01  # a machine that has become slower since the limit was measured must get to the end too
    raise AssertionError("it never came to its end")


def test_random_kills() -> None:
    begun, rng, figures = time.monotonic(), random.Random(SEED), Figures()
    os.waitpid(attempt("warm"), 0)  # fills the caches
    started = time.monotonic()
    assert os.waitpid(attempt("straight"), 0)[1] == 0, Path("output.txt").read_text()[-2000:]
    whole = time.monotonic() - started
    straight = result("straight")
    assert straight["journal"][-1]["step"] < 24, "patience is part of it"
    while figures.kills < KILLS:
        root = f"killed{figures.runs}"
        kill_until_done(root, rng, whole / 2, figures)
        figures.runs += 1
        ended = result(root)
        differing = [name for name in straight if ended.get(name) != straight[name]]
        figures.differing += len(differing)
        assert not differing, f"{root}: {differing}"
    report(
        f"{figures.kills} kills in {figures.runs} runs, {figures.differing} differing bits in {len(straight)} "
        f"results of each, {time.monotonic() - begun:.0f} s; an undisturbed run takes {whole:.1f} s"
    )
