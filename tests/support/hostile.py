"""What the tests of hostile files share: code that leaves a marker when it runs, and ways to write a config down."""

import json
import os
import pickle
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from conftest import Outcome

EVIL = "from pathlib import Path\nPath({marker!r}).touch()\n\n\nclass Thing:\n    def __init__(self, **options): pass\n"


class Payload:
    """An object that leaves the marker when it is unpickled."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self.place}",)


def plant(place: Path) -> Path:
    """Put a module, a pickle and a program into the current folder, and return the marker that all of them leave."""
    marker = place / "marker"
    Path("evil.py").write_text(EVIL.format(marker=str(marker)))
    Path("evil.pickle").write_bytes(pickle.dumps(Payload(marker)))
    program = Path("program")
    program.write_text(f"#!/bin/sh\ntouch {marker}\n")
    program.chmod(program.stat().st_mode | stat.S_IEXEC)
    Path("precious").write_text("precious")
    return marker


def remote_code(folder: str, **auto: Any) -> Path:
    """Make a checkpoint that brings its own code."""
    path = Path(folder)
    path.mkdir(parents=True)
    classes = {"AutoConfig": "evil.Thing", "AutoTokenizer": ["evil.Thing", None], **auto}
    (path / "config.json").write_text(json.dumps({"model_type": "evil", "auto_map": classes}))
    (path / "evil.py").write_text(Path("evil.py").read_text())
    return path


def words(config: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    """Write a config as overrides, one per value that is not a mapping."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value and all(str(name).isidentifier() for name in value):
            yield from words(value, f"{prefix}{key}.")
        else:
            # Hydra takes no other word for the search path than this one without a sign.
            sign = "" if f"{prefix}{key}" == "hydra.searchpath" else "++"
            yield f"{sign}{prefix}{key}={grammar(value)}"


def grammar(value: Any) -> str:
    """Write a value as Hydra's overrides have it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_escaped(key)}: {grammar(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return f"[{', '.join(map(grammar, value))}]"
    return "'" + value.replace("'", "\\'") + "'" if isinstance(value, str) else json.dumps(value)


def _escaped(key: str) -> str:
    return key.replace("(", "\\(").replace(")", "\\)")


def harmless(done: Outcome, marker: Path) -> None:
    """Nothing ran and nothing was lost, whatever else the command did."""
    assert not marker.exists(), "it ran"
    assert Path("precious").read_text() == "precious"
    assert "Traceback" not in done.said, done.said


def refused(done: Outcome, marker: Path, key: str = "") -> None:
    """The command ended before it did anything, with one line that names a key."""
    harmless(done, marker)
    assert done.code == 2, done.said
    assert done.err.startswith("hone: "), done.err
    assert len(done.err.splitlines()) == 1, done.err
    assert key in done.err
    assert not Path("outputs").exists()
