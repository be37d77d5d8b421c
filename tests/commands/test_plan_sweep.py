"""`hone plan -m`: what the same words after `hone train` would do to each run of a sweep; it leaves nothing behind."""

import json
from pathlib import Path
from typing import Any

import pytest

from conftest import SMALL, Hone, record
from hone.commands.plan.sweep import Workload, simulate_queue
from hone.sweeps.sweep import Budget

WORDS = ("-m", *SMALL, "limit=32", "sweep.name=grid")
NO_TRIAL = "plan.time=false"
DRAWN = (*WORDS, "sweep=random", "sweep.sampler.trials=3")


def forecast(hone: Hone, *words: str) -> dict[str, Any]:
    done = hone("plan", *words, "plan.format=json")
    assert done.code == 0, done.said
    found: dict[str, Any] = json.loads(done.out)
    return found


def files() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path("outputs").rglob("*") if path.is_file()}


@pytest.mark.slow
def test_it_tells_how_each_run_stands_and_what_comes_of_it_and_touches_nothing(hone: Hone) -> None:
    assert hone("train", *WORDS, "optimizer.lr=1e-3,3e-3,5e-3").code == 0
    runs = sorted(path.parent for path in Path("outputs/grid").glob("*/run.json"))
    for run, state in zip(runs, ("running", "failed"), strict=False):
        (run / "run.json").write_text(json.dumps(record(run) | {"state": state, "reason": "it fell over"}))
    finished = record(runs[2])
    (runs[2] / "run.json").write_text(json.dumps(finished | {"versions": finished["versions"] | {"torch": "0.1"}}))
    before = files()

    wider = "optimizer.lr=1e-3,3e-3,5e-3,7e-3,-1"
    found = forecast(hone, *WORDS, wider, "sweep.workers=1", "sweep.skip_impossible=true")
    does = {row["identity"]: row["does"] for row in found["runs"]}
    assert [does[run.name] for run in runs] == ["resume", "again", "skip"]
    assert found["counts"] == {"run": 1, "resume": 1, "again": 1, "skip": 1, "impossible": 1}
    assert found["starts"]["runs"] == 3
    assert found["starts"]["steps"] == 2, "two runs have their steps behind them"
    assert 0 < found["starts"]["seconds"] < 60
    assert found["memory"]["at_once"] == found["memory"]["run"] > 1e8
    assert files() == before

    shown = hone("plan", *WORDS, wider, "sweep.rerun=nothing")
    assert "5: 1 to run, 1 to resume, 2 done already, 1 impossible" in shown.out
    assert "done, but would differ today: torch was 0.1" in shown.out
    assert files() == before


@pytest.mark.parametrize(
    ("axis", "word", "reason"),
    [
        ("optimizer.lr=1e-3,-1", "optimizer.lr=-1", "optimizer.lr=-1: expected a number (above 0)"),
        ("monitor=auto,f2", "monitor=f2", "monitor=f2: no such metric"),
    ],
)
def test_impossible_cells_are_listed_and_nothing_is_tried(axis: str, word: str, reason: str, hone: Hone) -> None:
    done = hone("plan", *WORDS, axis, "seed=0,1")
    assert done.code == 2
    assert "4: 2 to run, 2 impossible" in done.out
    assert reason in done.out
    assert f"in 2 of 4 runs: {word}\n" in done.out, "without the seed, which makes no difference"
    assert "not tried" in done.out
    assert "hone train -m would start none; sweep.skip_impossible=true runs the others" in done.err
    assert not Path("outputs").exists()


@pytest.mark.slow
def test_of_a_search_it_tells_what_is_drawn_and_what_a_run_may_take(hone: Hone) -> None:
    axes = ("optimizer.lr=interval(1e-3,5e-3)", "batch_size=8,16", NO_TRIAL)
    found = forecast(hone, *DRAWN, *axes)
    assert (found["runs"], found["to_draw"]) == ([], 3)
    assert {row["steps"] for row in found["examples"]} == {2, 4}
    assert found["starts"] == {"runs": 3, "steps": 9, "seconds": None, "budget": None}
    assert hone("train", *DRAWN, *axes[:2], "sweep.budget=1 trial").code == 0
    before = files()

    done = hone("plan", *DRAWN, *axes)
    assert "3: 1 done already, 2 to be drawn by random" in done.out
    assert "2 to 4 steps" in done.out
    other = hone("plan", *DRAWN, "optimizer.lr=interval(1e-3,9e-3)", "batch_size=8,16", NO_TRIAL)
    assert other.code == 2
    assert "begun with other settings" in other.err
    assert files() == before


def test_what_is_asked_of_the_plan_cannot_vary(hone: Hone) -> None:
    done = hone("plan", *WORDS, "plan.time=true,false")
    assert done.code == 2
    assert "plan.time" in done.err


@pytest.mark.parametrize(
    ("budget", "runs", "seconds"),
    [(None, 5, 8.0), ("3 trials", 3, 5.0), ("4 seconds", 3, 5.0), ("10 steps", 2, 4.0)],
)
def test_runs_follow_each_other_until_the_budget_is_spent(budget: str | None, runs: int, seconds: float) -> None:
    loads = [Workload(10, 3.0), Workload(10, 4.0), Workload(10, 2.0), Workload(10, 4.0), Workload(10, 2.0)]
    found = simulate_queue(loads, 2, Budget.parse(budget))
    assert (found.runs, found.steps, found.seconds) == (runs, 10 * runs, seconds)
