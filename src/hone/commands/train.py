"""`hone train`: one run, from config to scores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hone.config.job import Invocation, Job
from hone.config.settings import TrainSettings
from hone.runs.identity import with_absolute_paths
from hone.training.run import run
from hone.training.stage_cache import StageCache


def main(settings: TrainSettings, parts: Mapping[str, Any], invocation: Invocation) -> float | None:
    """Train on as many devices as asked for; return the number that a sweep optimises."""
    return run(Job(settings, with_absolute_paths({**asdict(settings), **parts}), invocation), StageCache())
