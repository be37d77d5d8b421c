"""The cache when its folder is not what it should be: rows come all the same, and the user hears of it."""

import logging
import resource
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from datasets import Dataset

from hone.core import cache

ROWS = {"number": [*range(5000)], "text": ["some text of some length"] * 5000}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HONE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache/encoded"


@pytest.fixture
def small_disk() -> Iterator[Callable[[], None]]:
    """No file of this process may grow beyond a page once this is called."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def make(file: str | None) -> Dataset:
    return cache.store_rows(Dataset.from_dict(ROWS), file)


def never(file: str | None) -> Dataset:
    raise AssertionError("it is in the cache")


def numbers(how: Callable[[str | None], Dataset] = make) -> list[int]:
    return list(cache.load_or_make("encoded", "mine", how)["number"])


@pytest.mark.parametrize("kept", [0.0, 0.001, 0.5, 0.99])
def test_a_damaged_file_is_made_anew(folder: Path, kept: float, caplog: pytest.LogCaptureFixture) -> None:
    numbers()
    (file,) = folder.glob("*.arrow")
    whole = file.read_bytes()
    file.write_bytes(whole[: int(len(whole) * kept)])
    assert numbers() == ROWS["number"]
    assert "damaged and is made anew" in caplog.text
    assert numbers(never) == ROWS["number"]


def test_a_full_disk_slows_but_does_not_stop(
    folder: Path, small_disk: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    small_disk()
    assert numbers() == ROWS["number"]
    assert "made in memory" in caplog.text
    assert [*folder.glob("*.arrow")] == []


def test_what_is_there_can_be_read_where_nothing_can_be_written(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    numbers()
    for lock in folder.glob("*.lock"):
        lock.unlink()
    folder.joinpath("mine.lock").mkdir()  # no lock can be had, as in a folder that belongs to someone else
    assert numbers(never) == ROWS["number"]
    assert not caplog.text
    folder.joinpath("mine.arrow").unlink()
    assert numbers() == ROWS["number"]
    assert "made in memory" in caplog.text


HOLDER = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1])
lock.acquire()
print(1, flush=True)
time.sleep(60)
"""


def test_a_lock_is_waited_for_while_its_holder_lives(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The one that holds it is killed: what it leaves behind is no obstacle."""
    monkeypatch.setattr(cache, "_PATIENCE", 0.1)
    caplog.set_level(logging.INFO)
    folder.mkdir(parents=True)
    words = [sys.executable, "-c", HOLDER, str(folder / "mine.lock")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "1\n"
        threading.Timer(1.0, holder.kill).start()
        assert numbers() == ROWS["number"]
        assert holder.wait() == -9
    assert "another process is making the same rows" in caplog.text
