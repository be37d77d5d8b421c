"""Pruning: less is trained, the best is found, a run that was stopped goes on, and nothing is lost on the way."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from conftest import Hone, record, runs
from harness import Training, same_bits
from hone.core.errors import Pruned, UserError
from hone.runs.json_lines import JsonLines
from hone.runs.sweep_file import Cell, Outcome
from hone.sweeps.curves import Reports
from hone.sweeps.pruners.asha import Asha, Hyperband
from hone.sweeps.pruners.simple import Median, Patience
from hone.sweeps.samplers.grid import Grid
from hone.sweeps.samplers.optuna_samplers import Random
from hone.sweeps.space import Space
from hone.training.pruning import Pruner, Referee, SharedReferee, Standing
from simulation import AIM, EVALUATIONS, Drive, grid_of, learning

CUBE = grid_of(3, 3, 3)
WHOLE = 27 * EVALUATIONS


def best_of(learn: Any, space: Space) -> str:
    """The cell that a whole grid would have found."""
    final = {
        " ".join(cell.words): max(learn(cell.values, step) for step in range(1, EVALUATIONS + 1))
        for cell in Grid().preview(space)
    }
    return max(final, key=final.__getitem__)


def test_asha_finds_the_best_of_a_grid_for_less_than_half(tmp_path: Path) -> None:
    found, shares = [], []
    for seed in range(12):
        learn = learning(seed)
        drive = Drive(Grid(), CUBE, learn, tmp_path / str(seed), Asha(3, 0.1), workers=1 + 3 * (seed % 3)).run()
        shares.append(drive.steps / WHOLE)
        found.append(drive.winner == best_of(learn, CUBE))
        assert len(drive.outcomes) == 27
    assert max(shares) <= 0.45
    assert sum(found) >= 11
    assert sum(shares) / len(shares) < 0.35


@pytest.mark.parametrize(
    ("pruner", "share"), [(Hyperband(3, 0.1), 0.6), (Median(5, 0.1), 0.75), (Patience(2, 0.001), 0.9)]
)
def test_other_pruners_spare_something_and_lose_little(pruner: Pruner, share: float, tmp_path: Path) -> None:
    for seed in range(2):
        learn = learning(seed, noise=0.003)
        drive = Drive(Grid(), CUBE, learn, tmp_path / str(seed), pruner, workers=3).run()
        best = best_of(learn, CUBE)
        lost = learn(Cell(0, tuple(best.split())).values, EVALUATIONS) - (drive.outcomes[drive.winner].value or 0)
        assert drive.steps < share * WHOLE
        assert lost < 0.03


def test_a_search_that_draws_is_pruned_as_well(tmp_path: Path) -> None:
    drive = Drive(Random(27, 0), grid_of(9, 9, 9), learning(0), tmp_path, Asha(3, 0.1), workers=4).run()
    assert len(drive.outcomes) == 27
    assert drive.steps < 0.45 * WHOLE
    assert any(cell.again for cell in drive.asked)


@pytest.mark.parametrize("count", [1, 2, 4, 5])
def test_somebody_always_comes_to_the_end(count: int, tmp_path: Path) -> None:
    drive = Drive(Grid(), grid_of(count), learning(1), tmp_path, Asha(3, 0.1)).run()
    assert drive.finished
    assert len(drive.outcomes) == count


def test_when_the_leader_breaks_the_next_goes_on(tmp_path: Path) -> None:
    learn = learning(2, noise=0.0)
    best = best_of(learn, CUBE)
    drive = Drive(
        Grid(),
        CUBE,
        learn,
        tmp_path,
        Asha(3, 0.1),
        breaks=lambda cell, step: " ".join(cell.words) == best and step > 20,
    ).run()
    assert drive.outcomes[best].state == "failed"
    assert drive.finished


def judged(folder: Path, pruner: Pruner, reports: Sequence[tuple[str, int, float]], higher: bool = True) -> list[bool]:
    """What the referees of runs of 10 steps say to these reports."""
    return [pruner.referee(folder, run, higher, 10, 9).stops(step, value) for run, step, value in reports]


def test_a_rung_is_passed_by_the_best_third_of_those_that_came(tmp_path: Path) -> None:
    said = judged(tmp_path, Asha(3, 0.1), [("a", 1, 0.3), ("b", 1, 0.2), ("c", 1, 0.9), ("c", 2, 0.9), ("d", 1, 0.95)])
    assert said == [True, True, False, False, False]
    said = judged(tmp_path, Asha(3, 0.1), [("e", 1, 0.1), ("f", 1, float("nan")), ("c", 3, 0.2)])
    assert said == [True, True, True]  # d and c are the two best of six, and c is alone at its rung
    revived = Asha(3, 0.1).revived(tmp_path, True, Standing(frozenset("abcef"), frozenset(), last=False))
    assert revived is None, "c must wait until three have come to where it is"
    assert Asha(3, 0.1).revived(tmp_path, True, Standing(frozenset("abcef"), frozenset(), last=True)) == "c"


def test_lower_is_better_where_it_is(tmp_path: Path) -> None:
    assert judged(tmp_path, Asha(2, 0.1), [("a", 1, 0.3), ("b", 1, 0.2), ("c", 1, 0.9)], higher=False) == [
        True, False, True,
    ]  # fmt: skip
    standing = Standing(frozenset("ac"), frozenset(), last=False)
    judged(tmp_path, Asha(2, 0.1), [("d", 1, 0.5)], higher=False)
    assert Asha(2, 0.1).revived(tmp_path, False, standing) == "a"


def test_a_run_that_began_anew_is_judged_anew(tmp_path: Path) -> None:
    told = [("a", 1, 0.9), ("b", 1, 0.5), ("c", 1, 0.4), ("a", 2, 0.9), ("a", 1, 0.1)]
    assert judged(tmp_path, Asha(3, 0.1), told)[-1]
    assert Reports(tmp_path, True).curves()["a"].merits == (0.1,)


def test_the_median_waits_for_others_and_compares_at_the_same_place(tmp_path: Path) -> None:
    rule = Median(others=2, warmup=0.2)
    told = [("a", 3, 0.5), ("b", 3, 0.6), ("a", 9, 0.9), ("c", 1, 0.1), ("c", 3, 0.54), ("d", 3, 0.56)]
    assert judged(tmp_path, rule, told) == [False, False, False, False, True, False]


def test_patience_is_lost_but_with_the_leader(tmp_path: Path) -> None:
    rise = [("a", step, min(step, 3) / 10) for step in range(1, 8)]
    assert judged(tmp_path, Patience(2, 0.0), rise) == [False] * 7
    flat = [("b", step, 0.1) for step in range(1, 5)]
    assert judged(tmp_path, Patience(2, 0.0), flat) == [False, False, True, True]


def test_reports_cut_off_anywhere_are_read(tmp_path: Path) -> None:
    judged(tmp_path, Asha(3, 0.1), [(run, step, 0.5) for run in "abc" for step in (1, 2, 3)])
    content = (tmp_path / "reports.jsonl").read_bytes()
    chance = random.Random(0)
    for place in range(200):
        cut = tmp_path / str(place)
        cut.mkdir()
        (cut / "reports.jsonl").write_bytes(content[: chance.randrange(len(content))])
        judged(cut, Asha(3, 0.1), [("z", 1, 0.5)])
        assert Reports(cut, True).curves()["z"].merits == (0.5,)
        assert (cut / "reports.jsonl").read_bytes().endswith(b"\n")


def test_a_driver_that_comes_later_knows_who_waits(tmp_path: Path) -> None:
    """The first driver dies after half of the grid; the next is told how the runs stand when it asks for them."""
    learn = learning(3, noise=0.0)
    first = Drive(Grid(), CUBE, learn, tmp_path, Asha(3, 0.1))
    search = first.search()
    for _ in range(14):
        cell = search.ask()
        assert cell is not None
        while (outcome := first.evaluate(cell)) is None:
            pass
        first.outcomes[" ".join(cell.words)] = outcome
        search.tell(cell, outcome)
    known = dict(first.outcomes)
    second = Drive(Grid(), CUBE, learn, tmp_path, Asha(3, 0.1), done=first.done, best=first.best, outcomes=known)
    search = second.search()
    while not search.over:
        cell = search.ask()
        assert cell is not None
        name = " ".join(cell.words)
        outcome = known.pop(name, None) if not cell.again else None
        while outcome is None:
            outcome = second.evaluate(cell)
        second.outcomes[name] = outcome
        search.tell(cell, outcome)
    assert second.winner == best_of(learn, CUBE)
    assert first.steps + second.steps < 0.45 * WHOLE


def test_other_runs_than_those_of_before_are_not_compared(tmp_path: Path) -> None:
    Grid().search(CUBE, AIM, Asha(3, 0.1), tmp_path, "failed")
    other = Space(CUBE.axes, fixed=("epochs=9",))
    with pytest.raises(UserError, match=r"fixed.epochs: None → 9.*sweep.name="):
        Grid().search(other, AIM, Asha(3, 0.1), tmp_path, "failed")


def test_a_damaged_report_is_named(tmp_path: Path) -> None:
    JsonLines(tmp_path / "reports.jsonl").append({"run": "a", "step": 1, "share": 0.1, "value": 0.5})
    with (tmp_path / "reports.jsonl").open("a") as file:
        file.write('{"run": "b", "st\n')
    with pytest.raises(UserError, match=r"reports.jsonl, line 2"):
        judged(tmp_path, Asha(3, 0.1), [("c", 1, 0.5)])


@dataclass
class AtStep(Referee):
    """Stops a run once, at a step."""

    step: int
    heard: list[int] = field(default_factory=list)

    def stops(self, step: int, value: float) -> bool:
        self.heard.append(step)
        return step == self.step


def test_a_stopped_run_goes_on_as_if_it_had_not_been(tmp_path: Path) -> None:
    whole = Training(tmp_path / "whole", rows=20, epochs=2, evaluate_every=3).start().fit()
    told = Training(tmp_path / "parts", rows=20, epochs=2, evaluate_every=3, referee=AtStep(6))
    stopped = told.start()
    with pytest.raises(Pruned, match="step 6 of 10"):
        stopped.fit()
    assert stopped.run.step == 6
    again = told.start()
    again.run.revived = True
    again.fit()
    assert again.notebook.steps == [7, 8, 9, 10]
    assert told.referee == AtStep(6, [3, 6, 9, 10])
    assert same_bits(again.weights, whole.weights)


@dataclass
class Process:
    """One of several that train together."""

    is_global_zero: bool
    said: bool = True

    def broadcast(self, said: bool) -> bool:
        return said if self.is_global_zero else self.said


@pytest.mark.parametrize("first", [True, False])
def test_all_processes_of_a_run_stop_together(first: bool) -> None:
    referee = AtStep(3)
    told = SharedReferee(Process(first), referee)  # type: ignore[arg-type]  # all of a Fabric that it asks
    assert told.stops(3, 0.5)
    assert referee.heard == ([3] if first else [])


PRUNED = (
    "train", "-m", "tracker=none", "precision=32-true", "dataset.train=96", "dataset.validation=32", "dataset.test=32",
    "epochs=2", "evaluate_every=10%", "sweep=asha", "sweep.name=asha", "optimizer.lr=1e-6,3e-3", "seed=0,1",
)  # fmt: skip


@pytest.mark.slow
def test_pruning_by_the_users_door(hone: Hone) -> None:
    done = hone(*PRUNED)
    assert done.code == 0, done.said
    states = {run: record(run)["state"] for run in runs()}
    assert sorted(states.values()) == ["finished", "pruned", "pruned", "pruned"]
    for run, state in states.items():
        told = record(run)
        assert told["exit_code"] == 0
        assert (run / "model").is_dir() == (state == "finished")
        assert state == "finished" or "by the pruner of the sweep" in told["reason"]
        assert told["best"]["metric"] == "validation/f1_macro"
    finished = {run: record(run)["finished"] for run in runs()}
    again = hone(*PRUNED)
    assert again.code == 0, again.said
    assert {run: record(run)["finished"] for run in runs()} == finished


def test_a_pruner_needs_something_to_judge_by(hone: Hone) -> None:
    done = hone(*PRUNED, "evaluate_every=null")
    assert done.code == 2
    assert "none before the end; set evaluate_every=10%" in done.said
    assert runs() == []


def test_outcomes_say_which_run_they_are_of() -> None:
    told = {"state": "pruned", "identity": "abc", "best": {"value": 0.5}, "scores": {"validation/loss": 1.0}}
    assert Outcome.of(told) == Outcome("pruned", value=0.5, identity="abc", scores={"validation/loss": 1.0})
