"""What the tests of wrong input share: files to be wrong about, and how a mistake must end."""

import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from conftest import Outcome, only_run, record

ROWS = [(f"text number {row} is {('bad', 'good')[row % 2]}", ("bad", "good")[row % 2]) for row in range(12)]
LOCAL = ("train", "tracker=none", "epochs=1", "batch_size=4", "dataset=local")


def refused(done: Outcome, *words: str) -> None:
    """One message that has these words, no traceback, and nothing left behind."""
    assert done.code == 2, done.said
    assert done.err.count("hone: ") == 1
    assert "Traceback" not in done.said
    for word in words:
        assert word in done.err
    assert not Path("outputs").exists()


def trains(done: Outcome) -> None:
    assert done.code == 0, done.said
    assert record(only_run())["state"] == "finished"


def csv(rows: Iterable[tuple[object, object]] = ROWS, header: str = "text,label", end: str = "\n") -> str:
    return end.join([header, *(f"{text},{label}" for text, label in rows), ""])


def lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


def labelled(make: Callable[[int], Any], texts: Callable[[int], Any] = lambda row: f"text {row}") -> str:
    """Twelve rows of JSON lines."""
    return lines({"text": texts(row), "label": make(row)} for row in range(12))


def paired(firsts: Callable[[int], str], seconds: Callable[[int], str]) -> str:
    """Returns twelve labelled rows of two texts as JSON lines."""
    return lines({"text": firsts(row), "pair": seconds(row), "label": row % 2} for row in range(12))


def store(files: dict[str, str | bytes]) -> None:
    for name, content in files.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
