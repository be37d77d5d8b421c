"""`hone plan`: what `hone train` would do with the same words, found out without training."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from hone.config import build
from hone.config.job import Invocation, Job
from hone.config.settings import Plan
from hone.core.log import logged, quieten_libraries
from hone.planning.forecast import forecast
from hone.planning.options import Options
from hone.planning.screen import screen
from hone.runs.identity import with_absolute_paths


def main(settings: Plan, parts: Mapping[str, Any], invocation: Invocation) -> None:
    """Finds out and tells."""
    options = build.build(parts["plan"], Options, "plan", settings.trust)
    config = with_absolute_paths({**asdict(settings), **{name: node for name, node in parts.items() if name != "plan"}})
    quieten_libraries()
    with logged():
        found, reason = forecast(Job(settings, config, invocation), options)
    if options.format == "json":
        print(json.dumps(found, indent=2, ensure_ascii=False))
    else:
        screen(found, reason)
