"""Where runs are stored: a place that cannot be used is found before a model is loaded; strange names are allowed."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import figures
from conftest import SMALL, TWO_CHECKPOINTS, Hone, Outcome, only_run, record, runs
from hone.core.errors import UserError
from hone.core.files import remove_drafts
from hone.runs.folder import require_writable

BRIEF = (*SMALL[:-1], "epochs=null", "steps=1")


@pytest.fixture
def nobody() -> Iterator[Path]:
    """A folder that belongs to nobody, and that every user may enter. Root ignores permissions, so nobody tries."""
    if os.getuid() != 0 or shutil.which("setpriv") is None:
        pytest.skip("only root can act as another user")
    with tempfile.TemporaryDirectory(dir="/tmp") as name:
        os.chown(name, 65534, 65534)
        yield Path(name)


def as_nobody(folder: Path, script: str) -> Outcome:
    """Runs Python code as nobody, in a folder."""
    command = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", sys.executable, "-c", script]
    env = {**os.environ, "HOME": str(folder), "HONE_CACHE": str(folder / "cache"), "TMPDIR": str(folder)}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300, env=env)
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_names_that_no_folder_can_have(hone: Hone) -> None:
    for name, problem in (("x" * 300, "a path that a file system accepts"), ("/proc/here", "not writable|cannot make")):
        done = hone("train", *BRIEF, f"output_root={name}")
        assert done.code == 2, done.said
        assert done.err.count("\n") == 1
        assert any(words in done.err for words in problem.split("|")), done.err


@pytest.mark.slow
def test_strange_names_are_names(hone: Hone) -> None:
    root = Path("with spaces", "ünïcödé 火", "missing", "parents")
    done = hone("train", *BRIEF, f"output_root='{root}'")
    assert done.code == 0, done.said
    assert record(only_run(root))["state"] == "finished"


@pytest.mark.slow
def test_a_path_of_300_characters(hone: Hone) -> None:
    root = Path(*["y" * 100] * 3)
    done = hone("train", *BRIEF, f"output_root={root}")
    assert done.code == 0, done.said
    assert len(str(only_run(root))) > 300


@pytest.mark.slow
def test_a_folder_of_someone_else(nobody: Path) -> None:
    (nobody / "mine").mkdir(mode=0o755)
    done = as_nobody(nobody, "import os; os.mkdir('mine/x')")
    assert "Permission denied" in done.err, "the test itself: nobody is not root"
    script = f"import sys; sys.argv[1:] = {['train', *BRIEF, 'output_root=mine']!r}; from hone.cli import main; main()"
    done = as_nobody(nobody, script)
    if "ModuleNotFoundError" in done.err or "Permission denied: '/root" in done.err:
        pytest.skip("another user cannot read this Python")
    assert done.code == 2, done.said
    assert "output_root=mine" in done.err
    assert "is not writable" in done.err
    assert not any((nobody / "mine").iterdir())


@pytest.mark.slow
def test_twenty_runs_of_one_second(tmp_path: Path) -> None:
    """They start together, from the same command; each has a folder of its own."""
    script = f"import sys; sys.argv[1:] = {['train', *BRIEF]!r}; from hone.cli import main; import hone.training.run\n"
    script += "print('ready', flush=True); sys.stdin.readline(); main()"
    starts = [subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True) for _ in range(20)]  # fmt: skip
    for start in starts:
        assert start.stdout is not None
        assert start.stdout.readline() == "ready\n"
    for start in starts:
        assert start.stdin is not None
        start.stdin.write("\n")
        start.stdin.flush()
    for start in starts:
        start.communicate(timeout=300)
        assert start.returncode == 0
    folders = runs()
    figures.report(f"20 runs, {len(folders)} folders, {len({path.name[:15] for path in folders})} different seconds")
    assert len(folders) == 20
    assert {record(run)["state"] for run in folders} == {"finished"}


def test_drafts_of_the_living_stay(tmp_path: Path) -> None:
    """What a killed process had begun goes at the next start; what another one is writing does not."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    living = os.getppid()
    (tmp_path / f".run.json.{dead.pid}").write_text("{")
    (tmp_path / f".model.{dead.pid}").mkdir()
    (tmp_path / f".run.json.{living}").write_text("{")
    (tmp_path / ".lock").touch()
    remove_drafts(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", f".run.json.{living}"}
    (tmp_path / f".model-old.{dead.pid}").mkdir()
    remove_drafts(tmp_path)
    assert (tmp_path / "model").is_dir(), "its process was killed between the old one and the new one"


@pytest.mark.slow
def test_drafts_in_the_folder_of_a_sweep_go_at_its_next_start(hone: Hone) -> None:
    """Drivers of several machines may share it, so that a number of a process says little and the age counts."""
    words = ("train", "-m", *TWO_CHECKPOINTS, "seed=0,1", "sweep.name=swept")
    dead = subprocess.Popen(["true"])
    dead.wait()
    place = Path("outputs/swept")
    place.mkdir(parents=True)
    old, new = place / f".sweep.json.{dead.pid}", place / f".report.html.{dead.pid}"
    for draft in (old, new):
        draft.write_text("{")
    os.utime(old, (time.time() - 3600,) * 2)
    done = hone(*words)
    assert done.code == 0, done.said
    assert not old.exists()
    assert new.exists(), "another machine may be writing it"


def test_a_file_is_no_place(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="is a file, not a folder"):
        require_writable(tmp_path / "file" / "below")
