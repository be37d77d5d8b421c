"""A run's folder in which one file is damaged: every command names that file or has no use for it. None believes it."""

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from comparable import make_sweep
from conftest import TWO_CHECKPOINTS as WORDS
from conftest import Hone, Outcome, record, train_in
from hone.core.errors import HoneError
from hone.reports.comparison import compare
from hone.runs.folder import Folder
from hone.runs.manifest import Manifest, begin_manifest, complete_manifest, require_intact
from hone.runs.record import Record
from hone.runs.snapshots import Snapshots
from hone.training.finished import require_model

NEWEST = "checkpoints/step-00000002"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as it should be."""
    return train_in(tmp_path_factory.mktemp("finished"), *WORDS)


@pytest.fixture
def run(finished: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(finished, "outputs/run"))


def replaced(path: Path, content: Callable[[bytes], bytes]) -> None:
    path.write_bytes(content(path.read_bytes()))


def in_its_place(path: Path, put: Callable[[Path], object]) -> None:
    path.unlink()
    put(path)


DAMAGES: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: replaced(path, lambda content: b""),
    "truncated": lambda path: replaced(path, lambda content: content[: len(content) // 2]),
    "random": lambda path: replaced(path, lambda content: random.Random(0).randbytes(len(content))),
    "a list": lambda path: replaced(path, lambda content: b"[]"),
    "null": lambda path: replaced(path, lambda content: b"null"),
    "an object": lambda path: replaced(path, lambda content: b"{}"),
    "a folder": lambda path: in_its_place(path, Path.mkdir),
    "unreadable": lambda path: in_its_place(path, lambda place: place.symlink_to("/proc/self/mem")),
}
"""What happens to a file. Reading /proc/self/mem fails as a broken disk does, for root too."""
ESSENTIAL = ("run.json", "config.yaml", "facts.json")
MODEL = ("model/config.json", "model/model.safetensors", "model/tokenizer.json", "model/facts.json")
CHECKPOINT = tuple(f"{NEWEST}/{name}" for name in ("manifest.json", "state.json", "weights.safetensors"))
TABLES = ("contributions/validation.parquet", "predictions/validation.parquet")
FILES = (*ESSENTIAL, "manifest.json", "metrics.jsonl", *MODEL, *CHECKPOINT, *TABLES)
COMMANDS = {
    "evaluate": "evaluate run=outputs/run worst=0",
    "predict": "predict run=outputs/run text=so_happy",
    "export": "export run=outputs/run",
    "compare": "compare outputs/run",
    "report": "compare outputs/run report=x.html",
    "sync": "sync outputs/run",
    "resume": "train resume=outputs/run",
    "plan": "plan resume=outputs/run plan.time=false",
}
REFUSED = {
    "evaluate": (*ESSENTIAL, *MODEL, "manifest.json"),
    "predict": (*ESSENTIAL, *MODEL, "manifest.json"),
    "export": (*ESSENTIAL, *MODEL, "manifest.json"),
    "compare": ("run.json", "config.yaml", "manifest.json"),
    "report": ("run.json", "config.yaml", "manifest.json"),
    "sync": ("run.json", "config.yaml"),
    "resume": (*ESSENTIAL, "manifest.json"),
    "plan": (*ESSENTIAL, "manifest.json"),
}
"""The files that a command cannot do without: it ends with 2."""
NAMED = {
    "evaluate": ("manifest.json",),
    "predict": ("manifest.json",),
    "export": ("manifest.json",),
    "compare": ("metrics.jsonl", TABLES[0]),
    "report": ("metrics.jsonl", TABLES[0]),
    "sync": (),
    "resume": ("metrics.jsonl", *CHECKPOINT, "manifest.json"),
    "plan": ("manifest.json",),
}
"""The files that it can do without: it says so, and goes on."""
SILENT = {("resume", "metrics.jsonl", "truncated")}
"""Half of a journal, cut within a row: nothing tells it from one whose last rows had not been written yet."""

ALSO_REFUSED = {("resume", "metrics.jsonl", "a folder"), ("resume", "metrics.jsonl", "unreadable")}
"""No row could be added to such a journal."""
FAILS = {("resume", table, "a folder") for table in TABLES}
"""A run that goes on writes its tables anew, and cannot write here: an error of the disk, which ends it with 1."""


def stopped(run: Path) -> None:
    """Make the finished run one that was stopped after its last step."""
    Record.load(run / "run.json").update(state="preempted")
    shutil.rmtree(run / "model")
    begin_manifest(Folder(run))


def check(done: Outcome, command: str, file: str, damage: str) -> None:
    """One line that names the file, or nothing and the usual result; never a traceback."""
    told = f"{command}, {file} {damage}: {done.code} {done.said}"
    assert "Traceback" not in done.said, told
    text = done.said.replace("\n", " ")
    named = Path(file).name in text or (file.startswith("checkpoints") and NEWEST in text)
    refuses = file in REFUSED[command] and not (file == "manifest.json" and damage == "missing")
    fails = (command, file, damage) in FAILS
    if refuses or fails or (command, file, damage) in ALSO_REFUSED:
        assert done.code == (1 if fails else 2), told
        assert named, told
        assert done.err.count("hone: ") == 1, told
        assert len(done.err.strip().splitlines()) == 1, told
        return
    assert done.code == 0, told
    if file in NAMED[command] and (command, file, damage) not in SILENT:
        assert named or (file == "manifest.json" and "no manifest" in text), told


def damage_and_run(hone: Hone, run: Path, command: str, file: str, damage: str) -> Outcome:
    if command in ("resume", "plan"):
        stopped(run)
    DAMAGES[damage](run / file)
    done = hone(*COMMANDS[command].split())
    check(done, command, file, damage)
    return done


QUICK = [
    ("evaluate", "model/tokenizer.json", "missing"),
    ("predict", "model/model.safetensors", "random"),
    ("export", "config.yaml", "a list"),
    ("compare", "run.json", "null"),
    ("compare", TABLES[0], "random"),
    ("sync", "run.json", "truncated"),
    ("resume", "run.json", "an object"),
]


@pytest.mark.parametrize(("command", "file", "damage"), QUICK, ids=[" ".join(case) for case in QUICK])
def test_damage_is_named(hone: Hone, run: Path, command: str, file: str, damage: str) -> None:
    damage_and_run(hone, run, command, file, damage)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("file", FILES)
def test_all_damage_is_named(hone: Hone, finished: Path, command: str, file: str) -> None:
    """Every damage of every file, for every command."""
    for damage in DAMAGES:
        if command in ("resume", "plan") and file in MODEL:
            continue  # a run that goes on writes its model anew
        if command == "plan" and file not in ESSENTIAL:
            continue  # a plan reads no more than these, and takes long
        shutil.rmtree("outputs", ignore_errors=True)
        shutil.rmtree("export", ignore_errors=True)
        run = Path(shutil.copytree(finished, "outputs/run"))
        done = damage_and_run(hone, run, command, file, damage)
        if command == "resume" and done.code == 0:
            model = "model/model.safetensors"
            assert (run / model).read_bytes() == (finished / model).read_bytes()
            assert record(run)["scores"] == record(finished)["scores"]


def noticed(run: Path) -> str:
    """What the commands say of this folder, without the seconds of a command: `evaluate`, `predict` and `export` begin
    with `require_model`, a resumed run with the next two, `hone compare` is the last."""
    messages = []

    def resumed() -> None:
        require_intact(Folder(run), "")
        identity = str(Record.load(run / "run.json")["identity"])
        snapshots = Snapshots(run / "checkpoints", identity)
        messages.extend(f"checkpoints/{step:08d}" for step in (1, 2) if snapshots.load(step) is None)

    checks: list[Callable[[], object]] = [lambda: require_model(str(run), verify=True), resumed]
    checks.append(lambda: messages.extend(compare([str(run)], None, None, 0).notes))
    for check in checks:
        try:
            check()
        except HoneError as error:
            messages.append(str(error))
    return " ".join(messages)


UNREAD = ("log.txt", ".lock")
"""Files that hone itself never reads, but for the last lines of a failed run's log, which a report quotes."""


def means_the_same(path: Path, before: bytes) -> bool:
    """Return whether only the spaces of a JSON file have changed."""
    try:
        return bool(json.loads(path.read_bytes()) == json.loads(before))
    except ValueError:
        return False


@pytest.mark.parametrize(("flips", "cuts"), [(17, 8), pytest.param(300, 133, marks=pytest.mark.slow)])
def test_no_flipped_bit_and_no_cut_is_believed(run: Path, flips: int, cuts: int) -> None:
    """Every file of the folder in turn, at random places."""
    assert noticed(run) == ""
    rng = random.Random(0)
    files = sorted(path for path in run.rglob("*") if path.is_file() and path.name not in UNREAD)
    harmless = 0
    for trial in range(flips + cuts):
        path = files[trial % len(files)]
        before = path.read_bytes()
        place = rng.randrange(len(before))
        after = bytearray(before[:place] if trial >= flips else before)
        if trial < flips:
            after[place] ^= 1 << rng.randrange(8)
        path.write_bytes(bytes(after))
        os.utime(path, ns=(trial, trial))  # two writes within one tick of the clock would look like none
        name = path.relative_to(run).as_posix()
        message = noticed(run)
        at = f"{name}, byte {place} of {len(before)}: {message}"
        if not message:
            harmless += 1
            assert means_the_same(path, before), at
        else:
            named = path.parent.name[-8:] if name.startswith("checkpoints") else name
            assert named in message, at
        path.write_bytes(before)
    assert harmless < (flips + cuts) / 4
    assert Manifest.load(run / "manifest.json") is not None


SWEEP_FILES = ("sweep.json", "00000001/run.json", "00000001/config.yaml", "00000001/contributions/validation.parquet")


@pytest.mark.parametrize(
    ("file", "damage"),
    [
        ("00000001/run.json", "random"),
        *(pytest.param(file, damage, marks=pytest.mark.slow) for file in SWEEP_FILES for damage in DAMAGES),
    ],
)
def test_the_state_of_a_sweep_names_its_damaged_files(hone: Hone, file: str, damage: str) -> None:
    sweep = make_sweep(Path("sweep"), runs=4)
    for run in sweep.glob("0*"):
        complete_manifest(Folder(run))
    assert "damaged" not in hone("sweep", "status", "sweep").said
    DAMAGES[damage](sweep / file)
    done = hone("sweep", "status", "sweep")
    told = f"{file} {damage}: {done.code} {done.said}"
    assert "Traceback" not in done.said, told
    if file == "sweep.json":
        assert done.code == 2, told
        assert len(done.err.strip().splitlines()) == 1, told
        assert "sweep.json" in done.err, told
    else:
        assert done.code == 0, told
        assert file in done.said.replace("\n", ""), told


def test_a_damaged_journal_is_not_sent_to_wandb(hone: Hone, run: Path) -> None:
    config = yaml.safe_load((run / "config.yaml").read_text())
    config["tracker"] = {"_target_": "hone.tracking.wandb.tracker.WandbTracker", "project": "x"}
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    complete_manifest(Folder(run))
    assert "would be sent" in hone("sync", "outputs", "dry_run=true").out
    journal = run / "metrics.jsonl"
    journal.write_text(journal.read_text().replace("0", "1", 1))
    done = hone("sync", "outputs", "dry_run=true")
    assert done.code == 2
    assert "metrics.jsonl: this file is damaged" in done.err
