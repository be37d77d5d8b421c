"""Sweeps: what is done is not done again, what goes wrong stays where it is, what cannot work is told first."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from conftest import PROTOTYPES, SMALL, Hone, journal, record
from hone.sweeps.screen import progress_text

GRID = ("train", "-m", *SMALL, "limit=32", "sweep.name=grid", "optimizer.lr=1e-3,3e-3")


def story(name: str = "grid") -> dict[str, Any]:
    return json.loads(Path("outputs", name, "sweep.json").read_text())


def states(name: str = "grid") -> list[str]:
    return [cell["state"] for cell in story(name)["cells"]]


def runs(name: str = "grid") -> dict[str, Any]:
    """The records of all runs, by identity."""
    return {path.parent.name: record(path.parent) for path in Path("outputs", name).glob("*/run.json")}


def test_a_grid_is_run_once_and_widened(hone: Hone) -> None:
    done = hone(*GRID, "seed=0,1")
    assert done.code == 0, done.said
    assert states() == ["finished"] * 4
    first = runs()
    assert len(first) == 4

    again = hone(*GRID, "seed=0,1")
    assert "4 runs were finished before" in again.out
    assert runs() == first

    wider = hone(*GRID, "seed=0,1,2")
    assert wider.code == 0, wider.said
    assert states() == ["finished"] * 6
    assert {identity: runs()[identity] for identity in first} | {} == scored(first)


def scored(before: dict[str, Any]) -> dict[str, Any]:
    """Test scores come to a run once it is chosen, and another may be chosen by more seeds."""
    now = runs()
    for identity, run in before.items():
        run["scores"], run["baseline"] = now[identity]["scores"], now[identity]["baseline"]
    return before


def test_only_the_chosen_config_is_tested(hone: Hone) -> None:
    assert hone(*GRID, "seed=0,1").code == 0
    told = story()
    tested = {identity for identity, run in runs().items() if "test/f1_macro" in run["scores"]}
    by_lr: dict[str, list[float]] = {}
    for cell in told["cells"]:
        by_lr.setdefault(cell["values"]["optimizer.lr"], []).append(cell["value"])
    best = max(by_lr, key=lambda lr: sum(by_lr[lr]))
    assert tested == {cell["identity"] for cell in told["cells"] if cell["values"]["optimizer.lr"] == best}


@pytest.mark.slow
def test_what_other_data_or_code_made_is_told_and_made_again_when_asked(hone: Hone) -> None:
    words = (*GRID[:-1], "seed=0,1")
    assert hone(*words).code == 0
    first = {identity: run["started"] for identity, run in runs().items()}
    for identity in first:
        folder = Path("outputs/grid", identity)
        edited = record(folder)
        edited["versions"]["torch"] = "0.1"
        (folder / "run.json").write_text(json.dumps(edited))
    assert "2 of them would have other results today: torch was 0.1" in hone(*words).out
    again = hone(*words, "sweep.rerun=stale")
    assert again.code == 0, again.said
    assert "results today" not in again.out
    assert runs().keys() == first.keys()
    assert {run["versions"]["torch"] for run in runs().values()} != {"0.1"}
    assert len(list(Path("outputs/grid/superseded").iterdir())) == 2


def test_cells_that_are_one_run_are_a_mistake(hone: Hone) -> None:
    done = hone("train", "-m", *SMALL, "notes=a,b")
    assert done.code == 2, done.said
    assert "notes=a and notes=b are the same run" in done.err
    assert not Path("outputs").exists()


def test_mistakes_are_told(hone: Hone) -> None:
    mistakes = {
        ("-m",): "no key has several",
        ("-m", "seed=0,1", "sweep.budget=0 trials"): "expected a positive amount",
        ("-m", "seed=0,1", "sweep.workers=64"): "this machine has",
        ("-m", "seed=0,1", "monitor=nothing"): "no such metric",
    }
    for words, said in mistakes.items():
        done = hone("train", *SMALL, *words)
        assert done.code == 2, words
        assert said in done.err, words
    Path("outputs/grid").mkdir(parents=True)
    Path("outputs/grid/sweep.json").write_text('{"version": 0}')
    done = hone(*GRID)
    assert done.code == 2
    assert "another version" in done.err


IMPOSSIBLE = {
    ("seed=0,1", "batch_size=0,8"): "in 2 of 4 runs: batch_size=0\n",
    ("batch_size=0", "seed=0,1"): "in all 2 runs",
    ("seed=0,1", "head=cls,mean", "checkpoint=tiny_bert,tiny_llama"): "in 2 of 8 runs: head=cls checkpoint=tiny_llama",
    ("seed=0,-1",): "in 1 of 2 runs: seed=-1",
}


@pytest.mark.parametrize("words", IMPOSSIBLE, ids=" ".join)
def test_cells_that_cannot_work_are_named_by_the_keys_that_make_the_difference(
    words: tuple[str, ...], hone: Hone
) -> None:
    done = hone("train", "-m", *SMALL, *words)
    assert done.code == 2
    assert "cannot work, and none was started" in done.err
    assert IMPOSSIBLE[words] in done.err


MISHAPS = {
    "Fine": "finished",
    "Raises": "RuntimeError: it raised",
    "Exits": "SystemExit: 3",
    "Killed": "ended by SIGKILL",
    "Crashes": "ended by SIGSEGV",
    "Diverges": " is nan",
    "Hangs": "no end within sweep.trial_timeout=3 seconds",
}


@pytest.mark.slow
def test_a_run_that_goes_wrong_is_named_and_the_others_finish(process: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(PROTOTYPES), os.environ.get("PYTHONPATH", "")]))
    targets = ",".join(f"prototypes.mishaps.{name}" for name in MISHAPS)
    words = ("trust=[prototypes]", "sweep.trial_timeout=3", f"optimizer.algorithm._target_={targets}")
    done = process("train", "-m", *SMALL, "limit=64", "sweep.name=mishaps", *words)
    assert done.code == 1, done.said
    for cell, (name, said) in zip(story("mishaps")["cells"], MISHAPS.items(), strict=True):
        assert said in (cell["reason"] or cell["state"]), name
        assert cell["state"] == ("finished" if name == "Fine" else "failed")
        assert name == "Fine" or said in done.out
    assert {run["state"] for run in runs("mishaps").values()} == {"finished", "failed"}


def test_status_and_retry(hone: Hone) -> None:
    assert hone(*GRID[:-1], "seed=0,1").code == 0
    assert "2 runs (2 finished)" in hone("sweep", "status", "outputs/grid").out
    retried = hone("sweep", "retry", "outputs/grid")
    assert retried.code == 0, retried.said
    assert "2 runs were finished before" in retried.out
    for words, said in {
        ("stauts", "outputs/grid"): "Did you mean status",
        ("status", "outputs"): "outputs/grid",
    }.items():
        done = hone("sweep", *words)
        assert done.code == 2
        assert said in done.err


def killed(words: Sequence[str], when: Callable[[], bool]) -> bool:
    """Starts a sweep and kills it with all its runs; whether it had not come to its end by then."""
    command = [sys.executable, "-m", "hone", *words]
    with subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as driver:
        while driver.poll() is None:
            if when():
                os.killpg(driver.pid, signal.SIGKILL)
                return True
            time.sleep(0.01)
    return False


def rows_later(count: int) -> Callable[[], bool]:
    """So many rows of journals from now: at any moment of a sweep, however fast the machine is."""
    before = all_rows()
    return lambda: all_rows() > before + count


def all_rows() -> int:
    return sum(path.read_text().count("\n") for path in Path("outputs/grid").glob("*/metrics.jsonl"))


def undisturbed(process: Hone, words: Sequence[str]) -> dict[str, Any]:
    """The scores of a sweep that nobody kills."""
    done = process(*words, "output_root=undisturbed")
    assert done.code == 0, done.said
    return {path.parent.name: record(path.parent)["best"] for path in Path("undisturbed/grid").glob("*/run.json")}


def require_whole(process: Hone, words: Sequence[str], expected: dict[str, Any]) -> None:
    """After a last restart every run is there, once, with the scores that it would have had."""
    done = process(*words)
    assert done.code == 0, done.said
    assert set(states()) == {"finished"}
    assert {identity: run["best"] for identity, run in runs().items()} == expected
    for identity in expected:
        steps = [row["step"] for row in journal(Path("outputs/grid", identity)) if "train/loss" in row]
        assert steps == sorted(set(steps))


@pytest.mark.slow
def test_a_killed_sweep_goes_on(process: Hone) -> None:
    words = (*GRID, "seed=0,1", "log_every=1")
    expected = undisturbed(process, words)
    assert killed(words, lambda: any(run["state"] == "finished" for run in runs().values()))
    require_whole(process, words, expected)


@pytest.mark.slow
def test_a_grid_that_is_killed_ten_times(process: Hone) -> None:
    words = ("train", "-m", *SMALL, "epochs=2", "sweep.name=grid", "log_every=1")
    grid = ("optimizer.lr=1e-3,2e-3,3e-3", "head=cls,mean", "seed=range(4)")
    expected = undisturbed(process, (*words, *grid))
    assert len(expected) == 24
    chance = random.Random(0)
    kills = sum(killed((*words, *grid), rows_later(chance.randrange(40))) for _ in range(10))
    print(f"{kills} kills reached a sweep at work, {len(runs())} runs were there at the last")
    require_whole(process, (*words, *grid), expected)
    before = runs()
    wider = process(*words, *grid[:2], "seed=range(6)")
    assert wider.code == 0, wider.said
    assert len(runs()) == 36
    assert {identity: runs()[identity]["finished"] for identity in before} == {
        identity: run["finished"] for identity, run in before.items()
    }


def test_a_cell_has_the_config_that_hydra_would_compose(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    from omegaconf import OmegaConf

    from hone.sweeps.hydra.compose import Composer

    quickly, seen = Composer.compose, []

    def both(self: Composer, words: Sequence[str]) -> Any:
        made = quickly(self, words)
        assert OmegaConf.to_container(made) == OmegaConf.to_container(self._compose_by_hydra(words))
        seen.append(tuple(words[-3:]))
        return made

    monkeypatch.setattr(Composer, "compose", both)
    rest = "checkpoint.hyperparameters={num_hidden_layers:1},{num_hidden_layers:2}"
    assert hone("train", "-m", *SMALL, "optimizer.lr=-1,-2", "head=cls,mean", rest).code == 2  # composed, but not run
    assert len(set(seen)) == 8


def test_a_run_at_work_is_seen_in_its_journal_however_it_is_cut(tmp_path: Path) -> None:
    rows = [
        {"step": step, "time": 0.5} | ({"validation/f1": step / 100} if step % 50 == 0 else {}) for step in range(400)
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "run.json").write_text('{"steps": 500}')
    assert progress_text(tmp_path, "validation/f1") == ""
    (tmp_path / "metrics.jsonl").write_text(text[:-9])
    assert progress_text(tmp_path, "validation/f1") == "step 398/500  3.5000"
    assert progress_text(tmp_path, "validation/loss") == "step 398/500"
