"""Python's search for garbage, which the command puts off: start-up makes a million objects, and nearly all stay."""

from __future__ import annotations

import gc


def search_from_now_on() -> None:
    """What exists when the work begins is here to stay and is never searched."""
    if not gc.isenabled():
        gc.freeze()
        gc.enable()
