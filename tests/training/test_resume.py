"""A run that is stopped anywhere and goes on ends with the very bits of one that was never stopped."""

import os
import random
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from conftest import Hone, journal, only_run, record
from harness import Training, same_bits
from hone.core.errors import Pruned, RunError
from hone.runs.snapshots import Snapshots
from hone.training.pruning import Referee
from resuming import awkward, everything, fit_until, in_child, numbers


def test_resumes_to_the_bit_after_many_stops(tmp_path: Path) -> None:
    """Twice within an epoch, across its end, and at once again after a start; test_exact_resume.py does every step."""
    straight = awkward(tmp_path / "straight", epochs=3.0).start().fit()
    told = awkward(tmp_path / "stopped", epochs=3.0)
    rows: list[dict[str, Any]] = []
    reached = 0
    for step in (2, 3, 5, 6, 7, 11):
        stopped = fit_until(told.start(), step)
        assert stopped.run.step == step
        assert stopped.notebook.steps == list(range(reached + 1, step + 1))
        rows += [row for row in numbers(stopped) if row["step"] <= step]
        reached = step
    resumed = told.start().fit()
    assert resumed.notebook.steps == list(range(reached + 1, straight.course.steps + 1))
    assert same_bits(everything(resumed), everything(straight))
    assert rows + numbers(resumed) == numbers(straight)
    assert resumed.run.best == straight.run.best


def test_two_steps_are_not_the_same_bits(tmp_path: Path) -> None:
    """Guards the tests above against comparing nothing."""
    one = fit_until(awkward(tmp_path / "a").start(), 3)
    two = fit_until(awkward(tmp_path / "b").start(), 4)
    ours, theirs = everything(one), everything(two)
    same = [name for name in ours if torch.equal(ours[name], theirs[name])]
    assert len(ours) > 60
    assert all(tensor.eq(0).any() or "word_embeddings" in name for name, tensor in ours.items() if name in same)


def crash(*parts: Any) -> None:
    raise SystemError("killed")


@pytest.mark.parametrize(("place", "again"), [("before", [7, 8]), ("after", [])])
def test_a_run_whose_patience_was_over_trains_no_further(tmp_path: Path, place: str, again: list[int]) -> None:
    """It is killed at the evaluation that ends its patience, before or after the checkpoint of that step."""
    shape = {"lr": 1e-12, "evaluate_every": 2, "patience": 3, "epochs": 4.0, "rows": 16}
    straight = Training(tmp_path / "straight", **shape).start().fit()
    assert straight.notebook.steps[-1] == 8 < straight.course.steps
    killed = Training(tmp_path / "killed", **shape).start()
    save = killed.run.save

    def dying(*parts: Any) -> None:
        if place == "after" or killed.run.step < 8:
            save(*parts)
        if killed.run.step == 8:
            crash()

    killed.run.save = dying
    with pytest.raises(SystemError):
        killed.fit()
    resumed = killed.training.start().fit()
    assert resumed.notebook.steps == again
    assert resumed.run.best == straight.run.best
    assert same_bits(everything(resumed), everything(straight))


class StopsAtFour(Referee):
    def stops(self, step: int, value: float) -> bool:
        return step == 4


def test_a_pruned_run_stays_pruned_until_its_sweep_revives_it(tmp_path: Path) -> None:
    """It is killed between its checkpoint and the record that it was pruned."""
    training = Training(tmp_path, rows=16, evaluate_every=2, referee=StopsAtFour())
    killed = training.start()
    killed.run.require_not_pruned = lambda: killed.run.stopped and crash()
    with pytest.raises(SystemError):
        killed.fit()
    resumed = training.start()
    with pytest.raises(Pruned):
        resumed.fit()
    assert resumed.notebook.steps == []
    revived = training.start()
    revived.run.revived = True
    assert revived.fit().notebook.steps == [5, 6, 7, 8]


MUTANTS = {
    "position": lambda started: setattr(started.run, "step", started.run.step + 1),
    "optimizer": lambda started: started.train_state.optimizer.state.clear(),
    "scheduler": lambda started: started.train_state.scheduler.step(),
    "average": lambda started: started.train_state.average.update(1),
    "seed": lambda started: setattr(started.training, "seed", 1),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_what_a_resume_forgets_is_seen(tmp_path: Path, mutant: str) -> None:
    straight = awkward(tmp_path / "straight").start().fit()
    told = awkward(tmp_path / "stopped")
    fit_until(told.start(), 4)
    resumed = told.start()
    resume = resumed.run.resume
    resumed.run.resume = lambda *parts: (resume(*parts), MUTANTS[mutant](resumed))
    assert not same_bits(everything(resumed.fit()), everything(straight))


def test_a_damaged_checkpoint_is_passed_over(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    straight = awkward(tmp_path / "straight").start().fit()
    told = awkward(tmp_path / "stopped", save_every=1)
    fit_until(told.start(), 6)
    newest = max((tmp_path / "stopped").glob("step-*"))
    weights = newest / "weights.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    resumed = told.start().fit()
    assert resumed.notebook.steps[0] == 6, "one step is done again"
    assert "weights.safetensors is not the file that was written" in caplog.text
    assert same_bits(everything(resumed), everything(straight))


def test_it_never_starts_silently_from_scratch(tmp_path: Path) -> None:
    told = awkward(tmp_path)
    fit_until(told.start(), 2)
    for manifest in tmp_path.glob("step-*/manifest.json"):
        manifest.write_text("{")
    with pytest.raises(RunError, match="damaged"):
        told.start().fit()


def kill_until_done(told: Training, rng: random.Random, limit: float) -> int:
    """Starts the training again and again, killing it at a random moment each time, until it ends; counts the kills."""
    kills = 0
    for _ in range(200):
        child = in_child(lambda: told.start().fit())
        deadline = time.monotonic() + rng.uniform(0.01, limit)
        while time.monotonic() < deadline:
            if os.waitpid(child, os.WNOHANG)[0]:
                return kills
            time.sleep(0.002)
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        kills += os.WIFSIGNALED(status)
        if Snapshots(told.folder, "test").newest() and rng.random() < 0.1:
            limit *= 1.5  # lets slow machines get to the end
    raise AssertionError("it never came to its end")


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.slow
def test_survives_kills_at_any_moment(tmp_path: Path, seed: int) -> None:
    begun = time.monotonic()
    straight = awkward(tmp_path / "straight", save_every=1, epochs=4.0).start().fit()
    whole = time.monotonic() - begun
    told = awkward(tmp_path / "killed", save_every=1, epochs=4.0)
    assert kill_until_done(told, random.Random(seed), limit=whole / 2) >= 1
    kept, expected = (Snapshots(folder, "test").newest() for folder in (told.folder, tmp_path / "straight"))
    assert kept.step == expected.step == straight.course.steps
    for file in expected.tensors:
        assert same_bits(kept.tensors[file], expected.tensors[file])


QUICK = ("tracker=none", "dataset.train=64", "dataset.validation=16", "dataset.test=16", "batch_size=4", "log_every=1")


def test_the_command_goes_on_where_it_was_stopped(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    """SIGTERM during step 9: exit 75; `resume=DIR` alone goes on, and the model is the one of an undisturbed run."""
    from hone.training.progress import RunProgress

    assert hone("train", *QUICK, "epochs=1", "name=straight").code == 0
    advance = RunProgress.advance

    def asked(run: RunProgress, step: int) -> None:
        advance(run, step)
        if step == 9:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(RunProgress, "advance", asked)
    stopped = hone("train", *QUICK, "epochs=1", "name=stopped")
    monkeypatch.setattr(RunProgress, "advance", advance)
    assert stopped.code == 75, stopped.said
    assert "SIGTERM" in stopped.err
    run = only_run("outputs/stopped")
    assert record(run)["state"] == "preempted"
    assert record(run)["exit_code"] == 75

    resumed = hone("train", f"resume={run}")
    assert resumed.code == 0, resumed.said
    straight = only_run("outputs/straight")
    assert record(run)["state"] == "finished"
    assert [row["step"] for row in journal(run)] == [row["step"] for row in journal(straight)]
    assert record(run)["scores"] == record(straight)["scores"]
    model = "model/model.safetensors"
    assert (run / model).read_bytes() == (straight / model).read_bytes()


def test_what_was_logged_before_the_first_checkpoint_is_not_logged_twice(
    hone: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    from hone.training.progress import RunProgress

    words = (*QUICK, "epochs=1", "log_every=1", "resume=auto")
    with monkeypatch.context() as patch:
        patch.setattr(RunProgress, "save", lambda *parts: 1 / 0)
        assert hone("train", *words).code == 1
    assert journal(only_run())
    assert hone("train", *words).code == 0
    logged = [row["step"] for row in journal(only_run()) if "train/loss" in row]
    assert logged == sorted(set(logged))


def test_auto_leaves_a_finished_run_and_starts_another_for_another_config(hone: Hone) -> None:
    first = hone("train", *QUICK, "epochs=1", "resume=auto")
    assert first.code == 0, first.said
    model = only_run() / "model/model.safetensors"
    written = model.stat().st_mtime_ns
    again = hone("train", *QUICK, "epochs=1", "resume=auto")
    assert again.code == 0
    assert "f1_macro" in again.out
    assert only_run()
    assert model.stat().st_mtime_ns == written, "a finished run is not run again"
    other = hone("train", *QUICK, "epochs=1", "seed=1", "resume=auto")
    assert other.code == 0
    assert len(list(Path("outputs").glob("*/*/run.json"))) == 2


def test_another_config_does_not_resume(hone: Hone) -> None:
    assert hone("train", *QUICK, "epochs=1").code == 0
    refused = hone("train", f"resume={only_run()}", "optimizer.lr=0.5")
    assert refused.code == 2
    assert "optimizer.lr: 0.002 → 0.5" in refused.err
