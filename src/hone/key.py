"""Names for what is made once and found again."""

from __future__ import annotations

import hashlib
import json
from typing import Any


def key(*ingredients: Any) -> str:
    """The same for whatever is made from these."""
    text = json.dumps(ingredients, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]
