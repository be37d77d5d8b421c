"""A run that is not there, a folder that is in the way: refused, and nothing of the user's is touched."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from conftest import SMALL, Hone, only_run, record, runs
from hone.cli import main
from mistakes import LOCAL, csv, refused, store, trains


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run as it should be."""
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["hone", "train", *SMALL, "limit=8", "save_every=1"])
        with pytest.raises(SystemExit):
            main()
    return only_run(folder)


@pytest.fixture
def run(finished: Path) -> Path:
    """A copy of it, to be spoilt."""
    return Path(shutil.copytree(finished, "run"))


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("train output_root=file", "output_root=file|is a file"),
        ("train output_root=file/below", "output_root=file/below|is a file"),
        ("train resume=file", "file: no run there"),
        ("train resume=run seed=7 optimizer.lr=1", "resume=run|seed: 0 → 7|optimizer.lr: "),
        ("train resume=rum", "rum: no run there|Did you mean"),
        ("evaluate run=rum", "rum: no run there|Did you mean"),
        ("export run=rum", "rum: no run there|Did you mean"),
        ("evaluate", "Give run=DIR, or checkpoint=… with dataset=…"),
        ("evaluate run=run split=tets", "Did you mean test?"),
        ("evaluate runn=run", "Did you mean run?"),
        ("evaluate run=run output=file", "file"),
        ("export run=run output=folder", "output=folder: already exists|overwrite=true"),
        ("export run=run output=file overwrite=true", "this is a file, not a folder"),
    ],
)
def test_a_wrong_place(line: str, said: str, hone: Hone, run: Path) -> None:
    store({"file": "mine", "folder/mine": ""})
    before = {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()}
    refused(hone(*line.split(), *(("tracker=none", "limit=8") if line.startswith("train") else ())), *said.split("|"))
    assert {path: path.read_bytes() for path in Path().rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("command", ["evaluate", "export"])
def test_an_unfinished_run_has_no_model(command: str, hone: Hone, run: Path) -> None:
    shutil.rmtree(run / "model")
    told = record(run) | {"state": "preempted", "reason": "SIGTERM"}
    (run / "run.json").write_text(json.dumps(told))
    refused(
        hone(command, "run=run"), "run=run: the run has no model, it is preempted: SIGTERM", "hone train resume=run"
    )


def test_a_split_that_the_data_set_lacks(hone: Hone) -> None:
    store({"a.csv": csv()})
    trains(hone(*LOCAL, "dataset.path=a.csv"))
    done = hone("evaluate", f"run={only_run()}", "split=test")
    assert done.code == 2
    assert "split=test: a.csv has train, validation" in done.err


def test_a_mistake_of_one_run_leaves_the_others_alone(hone: Hone) -> None:
    assert hone("train", *SMALL, "limit=8").code == 0
    assert hone("train", *SMALL, "limit=8", "monitor=nothing").code == 2
    assert len(runs()) == 1
