"""Amounts as people read them."""

from __future__ import annotations


def bytes_in_words(size: float) -> str:
    """'3.4 GB'; in powers of 1000, as disks are sold."""
    for unit in ("bytes", "kB", "MB"):
        if size < 999.5:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"


def seconds_in_words(seconds: float) -> str:
    """'0.034 s', '12 s', '3 min', '2.5 h'."""
    if seconds < 10:
        return f"{seconds:.2g} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
