"""Damage that once had no message: wrong predictions, lost rows, and runs that began again from nothing."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from conftest import SMALL, Hone, journal, runs, train_in
from conftest import TWO_CHECKPOINTS as WORDS
from hone.runs.record import Record


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as it should be."""
    return train_in(tmp_path_factory.mktemp("finished"), *WORDS, "name=x")


@pytest.fixture
def run(finished: Path) -> Path:
    """A copy of it, to be damaged."""
    return Path(shutil.copytree(finished, f"outputs/x/{finished.name}"))


@pytest.fixture
def stopped(run: Path) -> Path:
    """The same run, stopped after its last step: all that is left is to score and to save the model."""
    Record.load(run / "run.json").update(state="preempted")
    (run / "manifest.json").unlink(missing_ok=True)
    shutil.rmtree(run / "model")
    return run


def flip(path: Path, place: int, bit: int = 6) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 1 << bit
    path.write_bytes(bytes(content))


def refused(hone: Hone, *words: str, because: str) -> None:
    done = hone(*words)
    assert done.code == 2, done.said
    assert because in done.err
    assert len(done.err.strip().splitlines()) == 1, done.err


@pytest.mark.parametrize("command", ["evaluate", pytest.param("export", marks=pytest.mark.slow)])
def test_a_model_without_its_tokenizer_is_refused(hone: Hone, run: Path, command: str) -> None:
    (run / "model/tokenizer.json").unlink()
    refused(hone, command, f"run={run}", because="model/tokenizer.json: this file is missing")


def test_one_bit_of_the_weights_is_seen_unless_it_was_changed_on_purpose(hone: Hone, run: Path) -> None:
    weights = run / "model/model.safetensors"
    flip(weights, -1)
    refused(hone, "predict", f"run={run}", "text=hi", because="model/model.safetensors: this file is damaged")
    assert hone("predict", f"run={run}", "text=hi", "verify=false").code == 0


@pytest.mark.slow
def test_a_run_without_a_manifest_is_used_and_one_line_says_so(hone: Hone, run: Path) -> None:
    whole = hone("predict", f"run={run}", "text=hi")
    (run / "manifest.json").unlink()
    bare = hone("predict", f"run={run}", "text=hi")
    assert (bare.code, bare.out) == (0, whole.out)
    assert (whole.err, bare.err.count("no manifest")) == ("", 1)


@pytest.mark.slow
def test_an_export_has_the_files_of_the_run_and_is_checked_too(hone: Hone, run: Path) -> None:
    (run / "model/notes.txt").write_text("mine")
    done = hone("export", f"run={run}", "output=to")
    assert done.code == 0
    assert "model/notes.txt: not a file of the run" in done.err
    assert not Path("to/notes.txt").exists()
    predict = ("predict", "checkpoint=hub", "checkpoint.path=to", "task=text_classification", "text=hi")
    Path("to/README.md").write_text("written by its user")
    assert hone(*predict).code == 0
    flip(Path("to/model.safetensors"), -1)
    refused(hone, *predict, because="to/model.safetensors: this file is damaged")


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_text('{"state": '), Path.unlink, lambda path: flip(path, 300, 0)]
)
def test_a_run_with_a_damaged_record_is_not_begun_again(
    hone: Hone, stopped: Path, damage: Callable[[Path], object]
) -> None:
    damage(stopped / "run.json")
    refused(hone, "train", *WORDS, "name=x", "resume=auto", because="run.json")
    assert [path.name for path in Path("outputs/x").iterdir()] == [stopped.name]


def test_what_is_no_checkpoint_is_left_alone(hone: Hone, stopped: Path, finished: Path) -> None:
    checkpoints = stopped / "checkpoints"
    (checkpoints / "step-abc").write_text("")
    (checkpoints / ".DS_Store").write_text("")
    shutil.copytree(checkpoints / "step-00000001", checkpoints / "step-1 (copy)")
    done = hone("train", f"resume={stopped}")
    assert done.code == 0, done.said
    assert "step-abc is not used" in done.err
    assert (stopped / "model/model.safetensors").read_bytes() == (finished / "model/model.safetensors").read_bytes()


@pytest.mark.slow
def test_an_older_checkpoint_is_not_taken_for_the_newest(hone: Hone, stopped: Path, finished: Path) -> None:
    newest = stopped / "checkpoints/step-00000002"
    shutil.rmtree(newest)
    shutil.copytree(stopped / "checkpoints/step-00000001", newest)
    done = hone("train", f"resume={stopped}")
    assert done.code == 0, done.said
    assert "it is the checkpoint of step 1" in " ".join(done.err.split())
    assert (stopped / "model/model.safetensors").read_bytes() == (finished / "model/model.safetensors").read_bytes()


def test_a_bad_line_of_the_journal_costs_that_line(hone: Hone, stopped: Path) -> None:
    path = stopped / "metrics.jsonl"
    before = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([before[0], b"\xff" + before[1][1:], *before[2:], b""]))
    done = hone("train", f"resume={stopped}")
    assert done.code == 0, done.said
    assert "metrics.jsonl, line 2: this line is damaged" in done.err
    rows = journal(stopped)
    assert [row.get("train/loss") for row in rows if "train/loss" in row] == [json.loads(before[0])["train/loss"]] + [
        json.loads(line)["train/loss"] for line in before[2:] if b"train/loss" in line
    ]
    assert rows[1] == {"step": 1, "damaged": True}, "the rows after it keep their numbers"
    assert b"\xff" in path.with_name("metrics.jsonl.damaged").read_bytes()


@pytest.mark.slow
def test_a_journal_that_is_gone_is_missed(hone: Hone, stopped: Path) -> None:
    (stopped / "metrics.jsonl").unlink()
    done = hone("train", f"resume={stopped}")
    assert done.code == 0, done.said
    assert "metrics.jsonl: it has no rows, but the run has 2 steps behind it" in " ".join(done.err.split())


@pytest.mark.slow
def test_no_checkpoint_is_promised_before_there_is_one(hone: Hone) -> None:
    done = hone("train", *SMALL, "optimizer.lr=1e30", "clip_norm=null", "evaluate_every=null")
    assert done.code == 1
    assert "The last checkpoint" not in done.err
    assert not list(runs()[0].glob("checkpoints/*"))
