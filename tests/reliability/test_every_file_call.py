"""A kill, a full disk and a broken disk at every single file call of what a run stores: the old or the new is there.

`strace` injects the faults into a fork of this process, which costs no imports. Every call is counted first. What a
crash of the machine would do is seen in the order of the calls: no name may reach the disk before its content.
"""

import io
import os
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import torch

import figures
from durable import Disk, is_sync_of_folder
from harness import Training
from hone.core.errors import report_error
from hone.core.log import quieten_libraries
from hone.runs.folder import Folder
from hone.runs.journal import Journal, read_rows
from hone.runs.json_lines import JsonLines
from hone.runs.manifest import Manifest, complete_manifest
from hone.runs.record import Record
from hone.runs.snapshots import Snapshot, Snapshots
from hone.training.saving import save_model, save_records

CALLS = (
    "openat", "write", "pwrite64", "fsync", "fdatasync", "mkdir", "rename", "renameat", "renameat2", "unlink",
    "unlinkat", "rmdir", "ftruncate", "close",
)  # fmt: skip
FAULTS = {"SIGKILL": "signal=KILL", "ENOSPC": "error=ENOSPC", "EIO": "error=EIO"}
REFUSED, BUG = 3, 4

STRACE = shutil.which("strace")


def can_trace() -> bool:
    return STRACE is not None and not subprocess.run([STRACE, "-o", os.devnull, "true"], capture_output=True).returncode


pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not can_trace(), reason="strace is not installed, or may not trace here"),
]


@dataclass
class Scene:
    """Something that a run stores: how it lies there before, the writing, and the proof that nothing is lost."""

    prepare: Callable[[Path], None]
    write: Callable[[Path], None]
    verify: Callable[[Path, bool], None]
    """Fails if neither the old nor the new is there; gets whether the writing was reported as done."""


def ended(work: Callable[[], None]) -> int:
    """Does the work; a fault must end it with one line, as it ends a command."""
    try:
        work()
    except Exception as error:
        with redirect_stderr(io.StringIO()) as capture:
            report_error(error, debug=False)
        return REFUSED if re.fullmatch("hone: .*\n", capture.getvalue()) else BUG
    return 0


def forked(work: Callable[[], None], *options: str) -> int:
    """Does the work in a fork under strace; returns how that ended."""
    child = os.fork()
    if child == 0:
        code = BUG
        try:
            os.kill(os.getpid(), signal.SIGSTOP)
            code = ended(work)
        finally:
            os._exit(code)
    os.waitpid(child, os.WUNTRACED)
    assert STRACE is not None
    tracer = subprocess.Popen([STRACE, "-qq", "-p", str(child), *options], stderr=subprocess.DEVNULL)
    while "TracerPid:\t0" in Path(f"/proc/{child}/status").read_text():
        time.sleep(0.001)
    os.kill(child, signal.SIGCONT)
    _, status = os.waitpid(child, 0)
    tracer.wait()
    return os.waitstatus_to_exitcode(status)


def calls_of(scene: Scene, place: Path) -> Counter[str]:
    """How often an undisturbed writing makes each call."""
    place.mkdir()
    scene.prepare(place)
    output = place.with_suffix(".strace")
    assert forked(lambda: scene.write(place), "-o", str(output), "-e", f"trace={','.join(CALLS)}") == 0
    scene.verify(place, True)
    counts = Counter(re.findall(r"^(\w+)\(", output.read_text(), flags=re.MULTILINE))
    shutil.rmtree(place)
    return counts


def faults(counts: Counter[str]) -> Iterator[tuple[str, str, int]]:
    for fault in FAULTS:
        for call, count in counts.items():
            for number in range(1, count + 1):
                yield fault, call, number


def snapshot(step: int, best: int) -> Snapshot:
    tensors = {"weights": {"w": torch.full((64,), float(step))}, "optimizer": {"0/exp_avg": torch.ones(64)}}
    return Snapshot(step, tensors, {"best": {"step": best}})


def with_checkpoints(place: Path) -> None:
    for step in (1, 2):
        Snapshots(place / "checkpoints", "me").save(snapshot(step, best=step))


def checkpoint_intact(place: Path, done: bool) -> None:
    store = Snapshots(place / "checkpoints", "me")
    newest = store.newest()
    assert newest is not None
    assert newest.step == 3 if done else newest.step in (2, 3)
    assert float(newest.tensors["weights"]["w"][0]) == newest.step
    assert store.load(newest.state["best"]["step"]) is not None
    Folder(place).remove_drafts()
    assert not drafts(place)
    store.save(snapshot(4, best=3))
    assert {4, newest.step} <= {int(path.name.removeprefix("step-")) for path in (place / "checkpoints").iterdir()}


def with_rows(place: Path) -> None:
    journal = Journal(place / "metrics.jsonl")
    for step in (1, 2):
        journal.log({"step": step, "text": "x" * 100})
    journal.close()


def log_row(place: Path) -> None:
    Journal(place / "metrics.jsonl").log({"step": 3, "text": "y" * 100})


def journal_intact(place: Path, done: bool) -> None:
    path = place / "metrics.jsonl"
    steps = [row["step"] for row in read_rows(path)]
    assert steps == [1, 2, 3] if done else steps in ([1, 2], [1, 2, 3])
    assert path.read_text().count("\n") == len(steps), "a row that was refused leaves nothing behind"
    again = Journal(path)
    assert [row["step"] for row in again.rewind(2)] == [1, 2]
    again.close()


def rewind(place: Path) -> None:
    journal = Journal(place / "metrics.jsonl")
    journal.rewind(1)
    journal.log({"step": 2, "text": "x" * 100})


def rewound(place: Path, done: bool) -> None:
    rows = [row["step"] for row in read_rows(place / "metrics.jsonl")]
    assert rows in ([[1, 2]] if done else [[1, 2], [1]])
    Folder(place).remove_drafts()
    assert not drafts(place)


def append(number: int) -> Callable[[Path], None]:
    return lambda place: JsonLines(place / "study.jsonl").append({"number": number, "text": "z" * 100})


def lines_intact(place: Path, done: bool) -> None:
    lines = JsonLines(place / "study.jsonl")
    numbers = [row["number"] for row in lines.rows()]
    assert numbers == [1, 2] if done else numbers in ([1], [1, 2])
    lines.append({"number": 9})
    assert [row["number"] for row in lines.rows()] == [*numbers, 9]


def first_line_intact(place: Path, done: bool) -> None:
    numbers = [row["number"] for row in JsonLines(place / "study.jsonl").rows()]
    assert numbers == [1] if done else numbers in ([], [1])


def with_record(place: Path) -> None:
    Record(place / "run.json", {"id": "me"}).update(state="running")


def record_intact(place: Path, done: bool) -> None:
    state = Record.load(place / "run.json")["state"]
    assert state == "finished" if done else state in ("running", "finished")
    Folder(place).remove_drafts()
    assert not drafts(place)


def with_manifest(place: Path) -> None:
    with_rows(place)
    complete_manifest(Folder(place))
    with (place / "metrics.jsonl").open("a") as file:
        file.write('{"step": 3}\n')


def manifest_intact(place: Path, done: bool) -> None:
    manifest = Manifest.load(Folder(place).manifest)
    assert manifest is not None
    assert manifest.names("") == ["metrics.jsonl"]
    assert manifest.problem("") is None or not done
    Folder(place).remove_drafts()
    assert not drafts(place)


def records_saved(place: Path, done: bool) -> None:
    path = place / "predictions/validation.parquet"
    if done or path.exists():
        assert pq.read_table(path).num_rows == 3
    Folder(place).remove_drafts()
    assert not drafts(place)


def drafts(place: Path) -> list[Path]:
    return [path for path in place.rglob(".*") if path.name[-1].isdigit()]


SCENES = {
    "a checkpoint and the rotation": Scene(
        with_checkpoints,
        lambda place: Snapshots(place / "checkpoints", "me").save(snapshot(3, best=3)),
        checkpoint_intact,
    ),
    "a row of the journal": Scene(with_rows, log_row, journal_intact),
    "the journal of a resumed run": Scene(with_rows, rewind, rewound),
    "a line of the study": Scene(append(1), append(2), lines_intact),
    "the first line of the study": Scene(lambda place: None, append(1), first_line_intact),
    "run.json": Scene(
        with_record, lambda place: Record.load(place / "run.json").update(state="finished"), record_intact
    ),
    "manifest.json": Scene(with_manifest, lambda place: complete_manifest(Folder(place)), manifest_intact),
    "predictions": Scene(
        lambda place: save_records({"id": [0]}, place / "earlier/validation.parquet"),  # which imports what it needs
        lambda place: save_records({"id": [1, 2, 3]}, place / "predictions/validation.parquet"),
        records_saved,
    ),
}


def try_everything(name: str, scene: Scene, tmp_path: Path) -> None:
    counts, begun = calls_of(scene, tmp_path / "counted"), time.monotonic()
    ends: Counter[str] = Counter()
    for number, (fault, call, nth) in enumerate(faults(counts)):
        place = tmp_path / str(number)
        place.mkdir()
        scene.prepare(place)
        code = forked(lambda place=place: scene.write(place), "-o", os.devnull, "-e", f"trace={call}", "-e",
                      f"inject={call}:{FAULTS[fault]}:when={nth}")  # fmt: skip
        expected = (-signal.SIGKILL,) if fault == "SIGKILL" else (0, REFUSED)
        assert code in expected, f"{fault} at {call} {nth}: ended with {code}"
        try:
            scene.verify(place, code == 0)
        except BaseException as error:
            raise AssertionError(f"{fault} at {call} {nth} of {counts[call]}") from error
        ends[f"{fault}: {'done' if code == 0 else 'refused' if code > 0 else 'killed'}"] += 1
        shutil.rmtree(place, ignore_errors=True)
    figures.report(f"{name}: {ends.total()} faults at {counts.total()} calls, 0 results destroyed, {dict(ends)}, "
          f"{time.monotonic() - begun:.0f} s")  # fmt: skip
    assert ends.total() == 3 * counts.total() > 0


@pytest.mark.parametrize("name", SCENES)
def test_a_fault_at_every_call(name: str, tmp_path: Path) -> None:
    try_everything(name, SCENES[name], tmp_path)


def calls_in_order(scene: Scene, place: Path) -> tuple[list[str], set[str]]:
    """The calls of an undisturbed writing, with the paths of their files, and the paths that were there before."""
    place.mkdir()
    scene.prepare(place)
    before, output = {str(path) for path in place.rglob("*")}, place.with_suffix(".strace")
    assert forked(lambda: scene.write(place), "-y", "-s", "0", "-o", str(output), "-e", f"trace={','.join(CALLS)}") == 0
    return [line for line in output.read_text().splitlines() if " = -1 " not in line], before


UNSYNCED = ("a row of the journal", "the journal of a resumed run")
"""Every row that is logged survives the process, but not a crash of the machine: the checkpoint is older than it."""


DURABLE = {name: scene for name, scene in SCENES.items() if name not in UNSYNCED} | {
    "the first checkpoint": replace(SCENES["a checkpoint and the rotation"], prepare=lambda place: None)
}


@pytest.mark.parametrize("name", DURABLE)
def test_no_name_reaches_the_disk_before_its_content(name: str, tmp_path: Path) -> None:
    """The same calls without those that wait for the disk, or for a folder, are seen to be wrong."""
    place = tmp_path / "place"
    calls, before = calls_in_order(DURABLE[name], place)
    seen = Disk(place, set(before)).follow(calls)
    assert seen["write"] + seen["pwrite64"] > 0
    assert seen["fsync"] > 0
    with pytest.raises(AssertionError, match=r"is named before|may lose"):
        Disk(place, set(before)).follow(call for call in calls if not call.startswith("fsync"))
    if seen["rename"]:
        with pytest.raises(AssertionError, match="may lose"):
            Disk(place, set(before)).follow(call for call in calls if not is_sync_of_folder(call))


def test_a_fault_at_every_call_of_saving_a_model(tmp_path: Path) -> None:
    """The folder is there with all its files, the old ones or the new ones, after the next start at the latest."""
    quieten_libraries()
    ready = Training(tmp_path / "training").start()
    task, network = ready.data.task, ready.network

    def store(place: Path) -> None:
        place.mkdir(exist_ok=True)
        save_model(network, task.processor, task.facts, place / "model")

    def change(place: Path) -> None:
        with torch.no_grad():
            next(network.parameters()).zero_()
        store(place)

    contents: list[dict[str, bytes]] = []
    for number, write in enumerate((store, change)):
        write(tmp_path / f"whole{number}")
        contents.append(files_of(tmp_path / f"whole{number}/model"))
    assert contents[0] != contents[1]

    def prepare(place: Path) -> None:
        shutil.copytree(tmp_path / "whole0/model", place / "model")

    def verify(place: Path, done: bool) -> None:
        Folder(place).remove_drafts()
        assert files_of(place / "model") in (contents[1:] if done else contents)
        assert not drafts(place)

    try_everything("model/", Scene(prepare, store, verify), tmp_path)


def files_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
