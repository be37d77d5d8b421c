"""Removes secrets from every text that leaves the process for a file, a log or a tracker."""

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
_SECRET_ARGUMENT = re.compile(
    r"(?i)\b((?:\w+_)?(?:api_?key|token|secret|password|passwd)(?:=|(?<=--password) ))(?=\S*\d)[\w+/.~-]{8,}"
)
"""`token=…` and `--password …` with a value that looks like a secret: at least eight characters and a digit."""
BLANK = "***"


def redact(value: Any, name: str = "") -> Any:
    """Return the same structure without its secrets. `name` is the key that leads to the value."""
    if isinstance(value, Mapping):
        return {key: redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item, name) for item in value]
    if isinstance(value, str) and value:
        return BLANK if _SECRET_NAME.search(name) else redact_text(value)
    return value


def redact_text(text: str) -> str:
    """Return the text without secrets: those in the environment, passwords in URLs, and values of `token=…`."""
    for name, secret in os.environ.items():
        if len(secret) >= 8 and _SECRET_NAME.search(name):
            text = text.replace(secret, BLANK)
    text = _SECRET_ARGUMENT.sub(rf"\g<1>{BLANK}", text)
    return _HUB_TOKEN.sub(BLANK, _IN_URL.sub(BLANK, text))


def redact_override(word: str) -> str:
    """Return a `key=value` word in a form that may be stored."""
    key, equals, value = word.partition("=")
    return f"{key}={BLANK}" if equals and value and _SECRET_NAME.search(key) else redact_text(word)


@contextmanager
def redacted_command() -> Iterator[None]:
    """Blank secrets in `sys.argv` while this is open, because W&B stores the command line of the process."""
    words, sys.argv = sys.argv, [redact_override(word) for word in sys.argv]
    try:
        yield
    finally:
        sys.argv = words
