"""What secrets look like: the names that they have, and the forms of well-known keys and tokens."""

from __future__ import annotations

import re
from functools import lru_cache

_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
"""The words of `db_password`, `DB_PASSWORD` and `dbPassword`."""
_PASSWORDS = frozenset(["password", "passwd", "passphrase", "passcode", "pwd", "secret", "secrets"])
_NAMES = _PASSWORDS | frozenset(
    ["token", "pat", "apikey", "credential", "credentials", "authorization", "dsn", "conn", "connstr", "jwt", "bearer"]
)
_KEYS = frozenset((
    "api", "access", "account", "admin", "app", "auth", "aws", "client", "deploy", "encryption", "hmac", "host", "jwt",
    "license", "master", "private", "rsa", "secret", "service", "session", "shared", "signing", "ssh", "storage",
    "subscription", "wandb", "webhook",
))  # fmt: skip
"""`…_key` is a secret after one of these words."""
_PLACES = frozenset((
    "file", "path", "dir", "directory", "home", "sock", "socket", "type", "name", "column", "id", "ids",
))  # fmt: skip
"""What ends the name of something that is no secret itself: `HF_TOKEN_PATH`."""
_FOLDERS = ("PWD", "OLDPWD")
"""The shell's variables for working folders; a password is called `pwd` as well."""
_OF_TEXT = frozenset((
    "pad", "eos", "bos", "unk", "mask", "cls", "sep", "stop", "start", "end", "begin", "special", "image", "audio",
    "video", "per", "each", "next", "first", "last", "prompt", "sentinel", "blank", "delimiter", "separator", "extra",
    "class", "decoder", "language", "word", "max", "min", "new",
))  # fmt: skip
"""`…_token` is part of a text after one of these words, or a count."""
_VALUE = r"[^\s\"',;&<>(){}\[\]\\]"

_IN_URL = re.compile(r"(?<=://)[^/\s:@\"']*:(?P<password>[^\s/\"'<>]+)(?=@)")
_USER_IS_TOKEN = re.compile(r"(?<=://)(?=[^/\s:@]*\d)[^/\s:@\"']{16,}(?=@)")
_FORMS = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z ]*PRIVATE KEY(?: BLOCK)?-----|\Z)"
    r"|\b(?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16}\b"
    r"|\bgh[opsur]_\w{16,}|\bgithub_pat_\w{16,}|\bglpat-[\w-]{16,}"
    r"|\bxox[a-z]-[\w-]{10,}|\bhooks\.slack\.com/services/[\w/]{16,}"
    r"|\beyJ[\w-]{8,400}+\.[\w-]{8,}(?:\.[\w-]*)?"
    r"|\bhf_[A-Za-z0-9]{16,}|\bwandb_v\d_\w{16,}|\bnpm_[A-Za-z0-9]{30,}|\bpypi-[\w-]{30,}"
    r"|\b(?:sk|rk)-(?=[\w-]{0,99}\d)[\w-]{20,}|\b[sr]k_(?:live|test)_\w{16,}"
    r"|\bAIza[\w-]{30,}|\bya29\.[\w-]{16,}|\bSG\.[\w-]{16,}\.[\w-]{16,}",
    re.DOTALL,
)
_HEADER = re.compile(rf"(?i)\b(?P<name>bearer|basic|digest)(?P<space>\s+)(?=\S{{0,99}}\d){_VALUE}{{8,}}")
_SIGNATURE = re.compile(
    r"(?i)(?P<name>(?:X-(?:Amz|Goog)-(?:Signature|Credential|Security-Token)|AWSAccessKeyId|[?&]sig(?:nature)?)=)[^&\s\"']+"
)
_NAMED = re.compile(
    r"(?<![\w.])(?P<name>[A-Za-z][\w.-]{0,60}+)(?P<equals>[\"']?(?:\s{0,9}[=:]\s{0,9}|\s{1,9})[\"']?)"
    rf"(?P<value>(?=\S{{0,99}}\d){_VALUE}{{8,}})"
)
_AWS_SECRET = re.compile(r"(?<![\w/+=.-])[A-Za-z0-9/+]{40}(?![\w/+=.-])")
_TURNS = re.compile(r"(?<=[a-z])[^a-z]|(?<=[A-Z])[^A-Z]|(?<=\d)\D")
_SOME_TURNS, _MANY_TURNS = 8, 14
_NUMBER = re.compile(r"[+-]?[\d.,:_/]+(?:e[+-]?\d+)?%?", re.IGNORECASE)
_MARKS = (
    "private key", "akia", "asia", "abia", "acca", "gho_", "ghp_", "ghs_", "ghu_", "ghr_", "github_pat", "glpat", "xox",
    "slack", "eyj", "hf_", "wandb_", "npm_", "pypi-", "sk-", "rk-", "_live_", "_test_", "aiza", "ya29", "sg.", "x-amz",
    "x-goog", "awsaccess", "sig",
)  # fmt: skip
"""Without one of these a text has none of the forms. The search for them is quicker than that for the forms."""
_KEY_WORDS = ("key", "token", "secret", "pass", "pwd", "pat", "cred", "auth", "dsn", "conn", "jwt", "bearer")


@lru_cache(maxsize=4096)
def _kind(name: str) -> str:
    """Return 'password', 'secret', 'key' or '' for a name."""
    words = [word.lower() for word in _WORDS.findall(name)]
    if not words or words[-1] in _PLACES or name in _FOLDERS:
        return ""
    if _PASSWORDS & set(words[-2:]):
        return "password"
    pairs = set(zip(["", *words], words, strict=False))
    if any(word in _NAMES and not (word == "token" and before in _OF_TEXT) for before, word in pairs):
        return "secret" if words[-1] in _NAMES | {"value", "base", "url", "string", "key"} or name.isupper() else ""
    if any(before in _KEYS and word in ("key", "keys") for before, word in pairs):
        return "secret"
    return "key" if words[-1] == "key" else ""


def has_secret_name(name: str, value: str) -> bool:
    """Return whether a text under this name is a secret. What only ends in `key` may be the name of a column: it is a
    secret if it looks random, or if it is in the environment and no word."""
    kind = _kind(name)
    if kind == "key" and name.isupper():
        return not value.isalpha()
    if kind == "key":
        return len(value) >= 16 and " " not in value and len(_TURNS.findall(value)) >= _SOME_TURNS
    return bool(kind)


def is_password_name(name: str) -> bool:
    """Return whether even a number under this name is a secret."""
    return _kind(name) == "password"


def passwords_in(text: str) -> list[str]:
    """Return the passwords of the addresses in a text."""
    return [match["password"] for match in _IN_URL.finditer(text)] if "://" in text else []


def remove_forms(text: str, blank: str) -> str:
    """Return the text without what looks like a secret, or has the name of one in front of it."""
    if "://" in text:
        text = _USER_IS_TOKEN.sub(blank, _IN_URL.sub(blank, text))
    lower = text.lower()
    if any(mark in lower for mark in _MARKS):
        text = _SIGNATURE.sub(rf"\g<name>{blank}", _FORMS.sub(blank, text))
    if any(word in lower for word in _KEY_WORDS):
        text = _HEADER.sub(rf"\g<name>\g<space>{blank}", text)
        text = _NAMED.sub(lambda match: _without_value(match, blank), text)
    if len(text) < 40:
        return text
    return _AWS_SECRET.sub(lambda match: blank if _is_random(match[0]) else match[0], text)


def _without_value(match: re.Match[str], blank: str) -> str:
    """Blank the value after `name=`, `name: ` or `--name ` if the name is that of a secret."""
    name, value = match["name"], match["value"]
    is_option = "=" in match["equals"] or ":" in match["equals"] or match.string[: match.start()].endswith("--")
    is_number = _NUMBER.fullmatch(value) is not None and not is_password_name(name)
    if blank in value:
        return match[0]
    if not is_option or is_number or not has_secret_name(name, value):
        inner = _NAMED.sub(lambda part: _without_value(part, blank), value)
        return f"{name}{match['equals']}{inner}"
    return f"{name}{match['equals']}{blank}"


def _is_random(text: str) -> bool:
    """Return whether a text looks random: unlike a hash or a path it has letters of both cases that change often."""
    mixed = not text.isalpha() and text != text.lower() and text != text.upper()
    return mixed and len(_TURNS.findall(text)) >= _MANY_TURNS
