"""The page's parts in one file. Data are put where no browser takes them for code, whatever they are called."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from string import Template
from typing import Any

_HERE = Path(__file__).parent
_DANGEROUS = str.maketrans({character: f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"})


def assemble(data: Mapping[str, Any]) -> str:
    """Skeleton, style, data and scripts; a section of the page is a file in `sections/` and a place in the skeleton."""
    text = json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).translate(_DANGEROUS)
    return _skeleton().substitute(title=html.escape(str(data["title"])), data=text, **_parts())


@cache
def _skeleton() -> Template:
    return Template((_HERE / "page.html").read_text(encoding="utf-8"))


@cache
def _parts() -> Mapping[str, str]:
    scripts = [*sorted(_HERE.glob("parts/*.js")), *sorted(_HERE.glob("sections/*.js")), _HERE / "main.js"]
    return {
        "style": (_HERE / "page.css").read_text(encoding="utf-8"),
        "script": "\n".join(path.read_text(encoding="utf-8") for path in scripts),
    }
