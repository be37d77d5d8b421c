"""What the server does instead of answering as it should."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from wandb_server.state import State

NEVER = 3600.0
"""Seconds that nobody waits for."""
PROXY = "<!DOCTYPE html><html><title>Sign in</title><body>The proxy wants to know who you are.</body></html>"


@dataclass
class Fault:
    """For requests whose operation, or path, matches. Without a status the answer is the true one, only late."""

    matching: str
    status: int | None = None
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay: float = 0.0
    """Seconds before anything is answered."""
    drop: bool = False
    """The connection is closed without a word."""
    leave: bool = False
    """The server is gone: every connection is closed, and nobody listens any more."""
    after: int = 0
    """So many requests that match are answered as ever first."""
    rows: int = 0
    """It begins when so many rows have arrived."""
    times: int = 1_000_000
    seen: int = 0

    def strikes(self, name: str, state: State) -> bool:
        """Whether this request is one of those; counts it if it is."""
        if not re.search(self.matching, name) or sum(len(run.history) for run in state.runs.values()) < self.rows:
            return False
        if self.after:
            self.after -= 1
            return False
        if self.seen == self.times:
            return False
        self.seen += 1
        return True
