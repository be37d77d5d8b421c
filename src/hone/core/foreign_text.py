"""Text that others wrote (labels, rows, names, messages of libraries), made harmless for the place that shows it.

Each place has one function here, and all foreign text on its way there passes it: terminal and log, table of a
spreadsheet, Markdown, LaTeX, JSON and HTML. What the text says stays readable."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Iterable
from typing import Any

from hone.core.redact import redact_text

_INVISIBLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters except tab and newline, separators of lines, characters that reverse the text after them, and
halves of characters, which no file can store."""
_HALF = re.compile(r"[\ud800-\udfff]")
_FORMULA = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")
"""A spreadsheet takes a cell that begins with one of these, or with a wide form of them, for a formula."""
_MARKDOWN = re.compile(r"[\\`*\[\]|~]|(?<!\w)_|_(?!\w)")
_LATEX = str.maketrans(
    {character: f"\\{character}" for character in "&%$#_{}"}
    | {"~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "\\": r"\textbackslash{}"}
)
_SCRIPT = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})
"""Characters that could end the element of the data or begin code."""


def for_screen(text: str) -> str:
    """Return the text for a terminal or a log: escape sequences become visible, secrets are blanked."""
    return _visible(redact_text(text))


def for_csv(value: Any) -> Any:
    """Return a cell. A text that a spreadsheet would take for a formula gets an apostrophe in front; numbers do not."""
    if not isinstance(value, str):
        return value
    text = _HALF.sub(_escape, value)
    return f"'{text}" if text.startswith(_FORMULA) and not _is_number(text) else text


def csv_line(cells: Iterable[Any]) -> str:
    """Return a line of a table. Python's writer would leave a lone carriage return unquoted in lines that end in LF."""
    file = io.StringIO(newline="")
    csv.writer(file, lineterminator="\r\n").writerow(map(for_csv, cells))
    return file.getvalue().removesuffix("\r\n") + "\n"


def for_markdown(text: str, newline: str = " ") -> str:
    """Return the text for a sentence or a cell of a table: no markup and no HTML is left in it."""
    plain = html.escape(_visible(text), quote=False)
    return _MARKDOWN.sub(r"\\\g<0>", plain).replace("\n", newline)


def as_code(text: str) -> str:
    """Return Markdown that shows the text as code within a sentence."""
    line = _visible(text).replace("\n", " ")
    fence = "`" * (_longest_run(line) + 1)
    space = " " if line.startswith("`") or line.endswith("`") else ""
    return f"{fence}{space}{line}{space}{fence}"


def as_code_block(text: str, language: str) -> str:
    """Return Markdown that shows lines of text as a block of code."""
    fence = "`" * max(3, _longest_run(text) + 1)
    return f"{fence}{language}\n{_visible(text).removesuffix(chr(10))}\n{fence}"


def for_latex(text: str) -> str:
    """Return the text for a cell of a table in LaTeX."""
    line = _visible(text).replace("\n", " ").translate(_LATEX)
    return line.replace("±", r"$\pm$").replace("–", "--").replace("< ", "$<$ ")


def for_html(text: str) -> str:
    """Return the text for the content of an element."""
    return html.escape(_visible(text))


def for_json(value: Any, indent: int | None = None, ascii_only: bool = False) -> str:
    """Return JSON that a terminal may show and any file can store. It stands for exactly the same value."""
    return _INVISIBLE.sub(_json_escape, json.dumps(value, indent=indent, ensure_ascii=ascii_only, default=str))


def for_script(value: Any) -> str:
    """Return JSON for an element of HTML. No text in it can end the element."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_SCRIPT)


def _visible(text: str) -> str:
    return _INVISIBLE.sub(_escape, text)


def _escape(match: re.Match[str]) -> str:
    code = ord(match[0])
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}"


def _json_escape(match: re.Match[str]) -> str:
    return f"\\u{ord(match[0]):04x}"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text == text.strip()
