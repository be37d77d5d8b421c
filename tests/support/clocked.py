"""`hone` as it is, but how long each call of W&B's tracker took at most is written to the file that HONE_CLOCK names.

HONE_PACE is how many seconds pass before each row, for runs that are to last."""

import atexit
import json
import os
import time
from pathlib import Path
from typing import Any

from hone.tracking.wandb.tracker import WandbTracker

CALLS = ("start", "catch_up", "log", "exhibit", "page", "uses", "keep", "candidate", "finish")
slowest = dict.fromkeys(CALLS, 0.0)
finished = [time.monotonic()]


def clocked(name: str) -> None:
    call = getattr(WandbTracker, name)

    def timed(*words: Any, **more: Any) -> Any:
        if name == "log":
            time.sleep(float(os.environ.get("HONE_PACE", "0")))
        begun = time.monotonic()
        try:
            return call(*words, **more)
        finally:
            finished[:] = [time.monotonic()]
            slowest[name] = max(slowest[name], finished[0] - begun)

    setattr(WandbTracker, name, timed)


def write() -> None:
    told = {**slowest, "after finish": time.monotonic() - finished[0]}
    Path(os.environ["HONE_CLOCK"]).write_text(json.dumps(told))


if __name__ == "__main__":
    from hone.cli import main

    atexit.register(write)  # before W&B's own, so that it comes after that
    for name in CALLS:
        clocked(name)
    main()
