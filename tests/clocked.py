"""`hone` as it is, but how long each call of W&B's tracker took is written to the file that HONE_CLOCK names."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

from hone.cli import main
from hone.tracking.wandb import WandbTracker

BEGUN = time.monotonic()
CALLS = ("start", "catch_up", "log", "table", "chart", "page", "uses", "keep", "candidate", "finish")
slowest: dict[str, float] = {}


def clocked(name: str) -> None:
    call = getattr(WandbTracker, name)

    def timed(*words: Any, **more: Any) -> Any:
        begun = time.monotonic()
        try:
            return call(*words, **more)
        finally:
            slowest[name] = max(slowest.get(name, 0.0), time.monotonic() - begun)
            slowest.setdefault(f"until {name}", begun - BEGUN)

    setattr(WandbTracker, name, timed)


for name in CALLS:
    clocked(name)
try:
    main()
finally:
    slowest["all"] = time.monotonic() - BEGUN
    Path(os.environ["HONE_CLOCK"]).write_text(json.dumps(slowest))
    sys.stderr.flush()
