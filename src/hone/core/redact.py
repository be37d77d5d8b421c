"""Removes secrets from every text that leaves the process for a file, a log, the screen or a tracker.

A secret is recognised by its name (`api_key=…`), by its form (`ghp_…`, a private key), or because the environment, the
config or the command line has it under such a name. Then it is removed wherever it appears, encoded or not."""

from __future__ import annotations

import base64
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any
from urllib.parse import quote, quote_plus

from hone.core.secret_forms import has_secret_name, is_password_name, passwords_in, remove_forms

_SHORTEST = 8
"""Shorter values are not searched for in other texts: they would also be parts of ordinary words."""
BLANK = "***"

_met: set[str] = set()
"""Secrets that the config and the command line have had so far."""


def redact(value: Any, name: str = "") -> Any:
    """Return the same structure without its secrets. `name` is the key that leads to the value."""
    if isinstance(value, Mapping):
        return {redact(key): redact(item, str(key)) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [redact(item, name) for item in value]
    if isinstance(value, str) and value:
        return BLANK if has_secret_name(name, value) else redact_text(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return BLANK if is_number and is_password_name(name) else value


def redact_text(text: str) -> str:
    """Return the text without the secrets that it contains."""
    return remove_forms(redact_known(text), BLANK)


def redact_known(text: str) -> str:
    """Return the text without the secrets of the environment, the config and the command line."""
    for secret in _secrets(len(os.environ), len(_met)):
        if secret in text:
            text = text.replace(secret, BLANK)
    return text


def redact_override(word: str) -> str:
    """Return a `key=value` word in a form that may be stored."""
    key, equals, value = word.partition("=")
    is_secret = equals and value and (has_secret_name(key, value) or is_password_name(key))
    return f"{redact_text(key)}={BLANK}" if is_secret else redact_text(word)


def remember_secrets(value: Any, name: str = "") -> None:
    """Remember the secrets in a config, so that they are removed from texts too: from errors that repeat them."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            remember_secrets(item, str(key))
    elif isinstance(value, list | tuple):
        for item in value:
            remember_secrets(item, name)
    elif isinstance(value, str):
        _met.update(_long_enough([value] if has_secret_name(name, value) else passwords_in(value)))


def remember_words(words: Sequence[str]) -> None:
    """Remember the secrets in the words of a command."""
    for word in words:
        key, _, value = word.partition("=")
        remember_secrets(value.strip("'\""), key)


@contextmanager
def redacted_command() -> Iterator[None]:
    """Blank secrets in `sys.argv` while this is open, because W&B stores the command line of the process."""
    words, sys.argv = sys.argv, [redact_override(word) for word in sys.argv]
    try:
        yield
    finally:
        sys.argv = words


def forget_secrets() -> None:
    """Forget the secrets of an earlier command, and read the environment again."""
    _met.clear()
    _secrets.cache_clear()


@lru_cache(maxsize=1)
def _secrets(variables: int, met: int) -> tuple[str, ...]:
    """Return everything to search for, the longest first. The arguments are counts, with which it changes: to read the
    whole environment for each text would take longer than the search."""
    plain = set(_met)
    for name, value in os.environ.items():
        plain.update(_long_enough([value] if has_secret_name(name, value) else passwords_in(value)))
    return tuple(sorted({form for secret in plain for form in _encodings(secret)}, key=len, reverse=True))


def _long_enough(values: Sequence[str]) -> list[str]:
    """Return the values that are no part of an ordinary text or number."""
    return [value for value in values if len(value) >= _SHORTEST and not value.replace(".", "").isdigit()]


def _encodings(secret: str) -> Iterator[str]:
    """Yield the secret as it is, as in a URL, in JSON and Python, by lines, and the parts of base64 that only depend on
    it, wherever in the encoded bytes it begins."""
    yield from (secret, quote(secret, safe=""), quote(secret), quote_plus(secret))
    yield from (json.dumps(secret)[1:-1], repr(secret)[1:-1])
    if "\n" in secret:
        yield from _long_enough([line.strip() for line in secret.splitlines() if "-----" not in line])
    data = secret.encode("utf-8", "surrogateescape")
    for before in range(3):
        first, last = -(-8 * before // 6), (8 * (before + len(data))) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(bytes(before) + data).decode()[first:last]
