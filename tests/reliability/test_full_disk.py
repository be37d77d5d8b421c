"""A disk that takes no more: before the first step it is a mistake, later one line, and what is stored stays."""

import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from conftest import SMALL, Hone, Outcome, journal, only_run, record
from hone.core.errors import StorageError
from hone.runs.journal import Journal
from hone.runs.json_lines import JsonLines
from hone.runs.snapshots import Snapshots
from hone.training.progress import RunProgress

STEPS = (*SMALL[:-1], "epochs=null", "steps=4", "save_every=1", "log_every=1")
FILL = """
mount -t tmpfs -o size=$1 hone mounted || exit 99
shift
"$@" > output.txt 2>&1 &
until ls -d mounted/*/*/checkpoints/step-* > /dev/null 2>&1; do
    kill -0 $! 2> /dev/null || break
    sleep 0.02
done
[ -n "$FILLED" ] && dd if=/dev/zero of=mounted/filler bs=16k 2> /dev/null
wait $!
code=$?
cp -r mounted kept
exit $code
"""


def ends_in_one_line(done: Outcome, code: int, *words: str) -> None:
    assert done.code == code, done.said
    assert "Traceback" not in done.said
    (line,) = [line for line in done.err.splitlines() if line.startswith("hone: ")]
    for word in words:
        assert word in line


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """From the second checkpoint on, no file may be larger than 100 kB, as after `ulimit -f 100`."""
    before, save = resource.getrlimit(resource.RLIMIT_FSIZE), RunProgress.save

    def limited(run: RunProgress, *parts: object) -> None:
        if run.step == 2:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        save(run, *parts)

    monkeypatch.setattr(RunProgress, "save", limited)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_files_that_may_not_grow(hone: Hone, limit: None, monkeypatch: pytest.MonkeyPatch) -> None:
    done = hone("train", *STEPS)
    run = only_run()
    ends_in_one_line(done, 1, f"{run}/checkpoints/step-00000002: cannot write 3 MB: File too large", "ulimit -f",
                     f"hone train resume={run.relative_to(Path.cwd())} continues")  # fmt: skip
    assert record(run)["state"] == "failed"
    assert [row["step"] for row in journal(run)] == [1, 2]
    newest = Snapshots(run / "checkpoints", record(run)["identity"]).newest()
    assert newest is not None
    assert newest.step == 1
    monkeypatch.undo()
    monkeypatch.chdir(run.parents[2])
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert hone("train", f"resume={run}").code == 0
    assert [row["step"] for row in journal(run) if "train/loss" in row] == [1, 2, 3, 4]


def log_row(path: Path, row: dict[str, str]) -> None:
    with closing(Journal(path)) as file:
        file.log(row)


@pytest.mark.parametrize("append", [log_row, lambda path, row: JsonLines(path).append(row)])
def test_a_line_that_fits_in_part_leaves_nothing(
    append: Callable[[Path, dict[str, str]], None], tmp_path: Path
) -> None:
    path, before = tmp_path / "lines.jsonl", resource.getrlimit(resource.RLIMIT_FSIZE)
    append(path, {"text": "first"})
    content = path.read_bytes()
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(content) + 20, before[1]))
    try:
        with pytest.raises(StorageError, match="File too large"):
            append(path, {"text": "x" * 100})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == content


def test_a_run_folder_that_is_removed(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    save = RunProgress.save

    def removing(run: RunProgress, *parts: object) -> None:
        if run.step == 2:
            shutil.rmtree(only_run())
        save(run, *parts)

    monkeypatch.setattr(RunProgress, "save", removing)
    ends_in_one_line(hone("train", *STEPS), 1, "checkpoints/step-00000002: cannot write", "removed or renamed")


def on_small_disk(size: str, *words: str, filled: bool = False) -> Outcome:
    """The command with `mounted` on a disk of its own, which is copied to `kept` before it goes; it may be filled
    after the first checkpoint."""
    if shutil.which("unshare") is None or subprocess.run(["unshare", "-Urm", "true"], capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk of their own (unshare -Urm)")
    Path("mounted").mkdir()
    command = ["unshare", "-Urm", "sh", "-c", FILL, "sh", size, sys.executable, "-m", "hone", *words]
    env = {**os.environ, "FILLED": "yes" if filled else ""}
    code = subprocess.run([*command, "output_root=mounted"], env=env, timeout=300).returncode
    return Outcome(code, "", Path("output.txt").read_text())


@pytest.mark.slow
def test_a_disk_that_is_too_small() -> None:
    done = on_small_disk("6m", "train", *STEPS)
    ends_in_one_line(done, 2, "output_root=mounted: the run needs 14 MB", "6 MB free at", "output_root=…")
    assert not any(Path("kept").iterdir())


@pytest.mark.slow
def test_a_disk_that_others_fill(hone: Hone) -> None:
    done = on_small_disk("32m", "train", *STEPS[:-3], "steps=2000", *STEPS[-2:], filled=True)
    ends_in_one_line(done, 1, "No space left on device", "free at", "Free some space there", "continues from the last")
    run = only_run("kept")
    identity = record(run)["identity"]
    assert Snapshots(run / "checkpoints", identity).newest() is not None
    steps = [row["step"] for row in journal(run) if "train/loss" in row]
    assert steps == list(range(1, len(steps) + 1)), "every line is whole"


@pytest.mark.slow
def test_a_full_output(process: Hone) -> None:
    """`hone train > /dev/full`: the scores cannot be printed; the run is finished all the same."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([sys.executable, "-m", "hone", "train", *STEPS], stdout=full, stderr=subprocess.PIPE,
                              text=True, timeout=300)  # fmt: skip
    assert done.returncode == 0
    assert "Traceback" not in done.stderr
    assert "hone: standard output is incomplete: No space left on device" in done.stderr
    assert record(only_run())["state"] == "finished"
