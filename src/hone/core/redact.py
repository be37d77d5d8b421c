"""Secrets never reach a file, a log line or a tracker: known ones are blanked wherever text leaves the process."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

_SECRET_NAME = re.compile(r"(?i)(^|[_\-.])(api_?key|key|token|secret|password|passwd|credentials?)$")
_IN_URL = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")
_HUB_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}\b")
_SAID = re.compile(
    r"(?i)\b((?:\w+_)?(?:api_?key|token|secret|password|passwd)(?:=|(?<=--password) ))(?=\S*\d)[\w+/.~-]{8,}"
)
"""`token=…` and `--password …` with what looks like one: eight letters or more, and a digit among them."""
BLANK = "***"


def redact(value: Any, name: str = "") -> Any:
    """The same structure without its secrets."""
    if isinstance(value, Mapping):
        return {key: redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item, name) for item in value]
    if isinstance(value, str) and value:
        return BLANK if _SECRET_NAME.search(name) else redact_text(value)
    return value


def redact_text(text: str) -> str:
    """Text without what the environment calls secret, passwords in addresses, and `secret=value` words."""
    for name, secret in os.environ.items():
        if len(secret) >= 8 and _SECRET_NAME.search(name):
            text = text.replace(secret, BLANK)
    text = _SAID.sub(rf"\g<1>{BLANK}", text)
    return _HUB_TOKEN.sub(BLANK, _IN_URL.sub(BLANK, text))


def redact_override(word: str) -> str:
    """A `key=value` word as it may be stored."""
    key, equals, value = word.partition("=")
    return f"{key}={BLANK}" if equals and value and _SECRET_NAME.search(key) else redact_text(word)


@contextmanager
def redacted_command() -> Iterator[None]:
    """W&B stores the command line of the process as it finds it."""
    words, sys.argv = sys.argv, [redact_override(word) for word in sys.argv]
    try:
        yield
    finally:
        sys.argv = words
