"""Searching: what is drawn, that it learns, that it goes on where it was, and that nothing is lost or done twice."""

import json
import math
import os
import random
import signal
import statistics
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from conftest import ROOT, SMALL, Hone, record, runs
from hone.config.build import build
from hone.config.check import check_node
from hone.config.tree import CONF, options
from hone.core.errors import UserError
from hone.runs.json_lines import JsonLines
from hone.runs.sweep_file import Outcome
from hone.sweeps.pruners.asha import Asha
from hone.sweeps.sampler import Aim
from hone.sweeps.samplers.optuna_samplers import Nsga2, Random, Tpe
from hone.sweeps.samplers.sequential import SequentialSampler
from hone.sweeps.space import Choice, Condition, Interval, Space
from hone.sweeps.study import Study
from hone.sweeps.sweep import Sweep
from hone.training.pruning import Never
from simulation import AIM, Drive, hill, plane

DRAWN = [option for option in options("sweep/sampler") if option != "grid"]
LEARNING = ["tpe", "gp", "cmaes", "nsga2"]


def sampler(option: str, trials: int, seed: int = 0) -> SequentialSampler:
    """As a command line would have it."""
    words = [f"sweep/sampler={option}", f"sweep.sampler.trials={trials}", f"sweep.sampler.seed={seed}"]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        node: Any = OmegaConf.to_container(compose("train", words).sweep, resolve=True)
    made = build(check_node(node, "sweep", ()), Sweep, "sweep", ()).sampler
    assert isinstance(made, SequentialSampler)
    return made


def values(drive: Drive) -> list[float]:
    """In the order in which the cells were asked for."""
    return [hill(cell.values) for cell in drive.asked]


def at_once(drive: Drive) -> Drive:
    """Runs that have one evaluation."""
    search = drive.search()
    while (cell := search.ask()) is not None:
        drive.asked.append(cell)
        name = " ".join(cell.words)
        search.tell(cell, Outcome("finished", None, drive.learn(cell.values, 27), 1.0, 27, name))
    assert search.over
    return drive


@pytest.mark.parametrize("option", DRAWN)
def test_every_way_to_search_goes_on_as_if_it_had_never_stopped(option: str, tmp_path: Path) -> None:
    space = plane(Choice("head", ("mean", "cls")), Interval("size", 8, 64, log=True, whole=True))
    whole = at_once(Drive(sampler(option, 12), space, hill, tmp_path / "whole"))
    parts = [at_once(Drive(sampler(option, total), space, hill, tmp_path / "parts")) for total in (4, 11, 12, 12)]
    assert [len(part.asked) for part in parts] == [4, 7, 1, 0]
    assert [cell for part in parts for cell in part.asked] == whole.asked
    assert len({cell.words for cell in whole.asked}) == 12
    for cell in whole.asked:
        assert 1e-5 <= float(cell.values["lr"]) <= 1e-1
        assert 0 <= float(cell.values["decay"]) <= 1
        assert int(cell.values["size"]) in range(8, 65)
        assert cell.values["head"] in ("mean", "cls")
    other = at_once(Drive(sampler(option, 4, seed=1), space, hill, tmp_path / "other"))
    assert other.asked != whole.asked[:4]


@pytest.mark.parametrize("option", LEARNING)
def test_what_is_said_to_learn_does(option: str, tmp_path: Path) -> None:
    """The last third is better than chance would have it, over some seeds."""
    total, seeds = (15, 2) if option == "gp" else (33, 2)

    def late(option: str, seed: int) -> float:
        drive = at_once(Drive(sampler(option, total, seed), plane(), hill, tmp_path / f"{option}-{seed}"))
        return statistics.fmean(values(drive)[-total // 3 :])

    learnt = statistics.fmean(late(option, seed) for seed in range(seeds))
    blind = statistics.fmean(late("random", seed) for seed in range(seeds))
    assert learnt > blind + 0.1


@pytest.mark.parametrize("shape", [(32, 1), (8, 4), (4, 8), (1, 32)])
def test_quasi_random_cells_cover_the_space_evenly(shape: tuple[int, int], tmp_path: Path) -> None:
    """Whichever way the space is divided into 32 equal parts, each part gets one of 32 cells; random cells do not."""

    def parts(option: str) -> set[tuple[int, int]]:
        space = Space((Interval("x", 0, 1), Interval("y", 0, 1)))
        drive = at_once(Drive(sampler(option, 32), space, lambda *_: 0.0, tmp_path / option))
        points = [(float(cell.values["x"]), float(cell.values["y"])) for cell in drive.asked]
        return {(int(x * shape[0]), int(y * shape[1])) for x, y in points}

    assert len(parts("quasi_random")) == 32
    assert len(parts("random")) < 28


def test_the_names_inside_optuna_that_the_samplers_rely_on(tmp_path: Path) -> None:
    """Optuna 5.0 uses them. The file of a sweep has generations, and no distribution: that would be a pickle."""
    import optuna

    study = optuna.create_study()
    assert study._storage.get_study_system_attrs(study._study_id) == {}
    for option in ("cmaes", "nsga2"):
        at_once(Drive(sampler(option, 25), plane(), hill, tmp_path / option))
        content = (tmp_path / option / "study.jsonl").read_text()
        assert ':generation": 2' in content
        assert "optimizer" not in content


@pytest.mark.parametrize("option", ["random", "tpe"])
def test_a_finite_space_is_searched_to_its_end_and_no_cell_twice(option: str, tmp_path: Path) -> None:
    conditions = {"m": Condition("o", ("sgd",))}
    told = Space((Choice("o", ("adamw", "sgd")), Choice("m", ("1", "2")), Choice("s", ("0", "1", "2"))), (), conditions)
    drive = at_once(Drive(sampler(option, 50), told, lambda *_: 0.5, tmp_path))
    assert {cell.words for cell in drive.asked} == {*told.combinations()}
    assert len(drive.asked) == 9


def test_ties_and_conditions_are_honoured_by_what_optuna_suggests(tmp_path: Path) -> None:
    axes = (Interval("m", 0, 1), Choice("o", ("adamw", "sgd")), Choice("a", ("1", "2")), Choice("b", ("3", "4")))
    told = Space(axes, (("a", "b"),), {"m": Condition("o", ("sgd",))})

    def score(cell: Any, step: int) -> float:
        return float(cell.get("m", 0)) + (cell["b"] == "4")

    drive = at_once(Drive(Tpe(30, 0, 8), told, score, tmp_path))
    cells = [cell.values for cell in drive.asked]
    assert all((cell["a"], cell["b"]) in (("1", "3"), ("2", "4")) for cell in cells)
    assert all(("m" in cell) == (cell["o"] == "sgd") for cell in cells)
    assert statistics.fmean(score(cell, 0) for cell in cells[-8:]) > 1.2


def test_workers_at_the_same_time_are_not_given_the_same_place(tmp_path: Path) -> None:
    drive = Drive(Tpe(24, 0, 4), plane(), lambda cell, step: hill(cell), tmp_path, workers=6).run()
    assert len(drive.finished) == 24
    assert len({cell.words for cell in drive.asked}) == 24


def test_what_failed_is_asked_for_once_by_each_later_driver(tmp_path: Path) -> None:
    first = Drive(Random(6, 0), plane(), lambda *_: 0.5, tmp_path, breaks=lambda cell, step: cell.number == 2).run()
    assert [cell.number for cell in first.asked] == [0, 1, 2, 3, 4, 5]
    again = Drive(Random(6, 0), plane(), lambda *_: 0.5, tmp_path, breaks=lambda cell, step: True).run()
    mended = Drive(Random(6, 0), plane(), lambda *_: 0.5, tmp_path).run()
    assert [cell.number for cell in again.asked] == [2]
    assert [cell.number for cell in mended.asked] == [2]
    assert Drive(Random(6, 0), plane(), lambda *_: 0.5, tmp_path).run().asked == []


@pytest.mark.parametrize(
    ("rerun", "asked"), [("nothing", []), ("failed", [2]), ("stale", [*range(6)]), ("all", [*range(6)])]
)
def test_what_is_asked_for_again_is_what_may_have_to_run_again(rerun: Any, asked: list[int], tmp_path: Path) -> None:
    Drive(Random(6, 0), plane(), lambda *_: 0.5, tmp_path, breaks=lambda cell, step: cell.number == 2).run()
    again = Drive(Random(6, 0), plane(), lambda *_: 0.5, tmp_path, rerun=rerun).run()
    assert [cell.number for cell in again.asked] == asked


DRIVER = """
import sys, time, random
from pathlib import Path
from hone.runs.sweep_file import Outcome
from hone.sweeps.sampler import Aim
from hone.sweeps.samplers.optuna_samplers import Random
from hone.sweeps.space import Interval, Space
from hone.training.pruning import Never
folder, total = Path(sys.argv[1]), int(sys.argv[2])
search = Random(total, 0).search(Space((Interval("x", 0, 1),)), Aim("validation/f1", True), Never(), folder, "failed")
while not search.over:
    cell = search.ask()
    if cell is not None:
        print(cell.number, flush=True)
        time.sleep(random.uniform(0, float(sys.argv[3])))
        search.tell(cell, Outcome("finished", None, 0.5, 1.0, 1, str(cell.number)))
"""


def driver(folder: Path, total: int, pause: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", DRIVER, str(folder), str(total), str(pause)]
    env = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env)


def test_drivers_on_one_study_lose_nothing_and_do_nothing_twice_and_one_is_killed(tmp_path: Path) -> None:
    doomed = driver(tmp_path, 60, 5.0)
    assert doomed.stdout is not None
    held = int(doomed.stdout.readline())  # it has this cell, and will not be done with it
    others = [driver(tmp_path, 60, 0.01) for _ in range(2)]
    doomed.send_signal(signal.SIGKILL)
    doomed.communicate()
    printed = [number for other in others for number in other.communicate(timeout=60)[0].split()]
    assert [other.returncode for other in others] == [0, 0]
    assert sorted(map(int, printed)) == list(range(60))
    assert str(held) in printed, "another driver took it over"
    trials = Study(JsonLines(tmp_path / "study.jsonl")).trials()
    assert [trial.outcome.state if trial.outcome else None for trial in trials] == ["finished"] * 60


def test_a_cell_that_is_at_work_elsewhere_is_left_alone(tmp_path: Path) -> None:
    one, other = (Random(2, 0).search(plane(), AIM, Never(), tmp_path, "failed") for _ in range(2))
    mine, theirs = one.ask(), other.ask()
    assert mine is not None
    assert theirs is not None
    assert mine.number != theirs.number
    assert other.ask() is None
    del one  # its driver is gone, however that came
    taken = other.ask()
    assert taken is not None
    assert taken.number == mine.number


def test_a_study_cut_off_anywhere_is_gone_on_with(tmp_path: Path) -> None:
    at_once(Drive(Random(12, 0), plane(), hill, tmp_path / "whole"))
    content = (tmp_path / "whole" / "study.jsonl").read_bytes()
    chance = random.Random(0)
    for place in range(200):
        cut = tmp_path / str(place)
        cut.mkdir()
        (cut / "study.jsonl").write_bytes(content[: chance.randrange(len(content))])
        search = Random(12, 0).search(plane(), AIM, Never(), cut, "failed")
        cell = search.ask()
        assert cell is not None
        search.tell(cell, Outcome("finished", None, 0.5))
        assert all(json.loads(line) for line in (cut / "study.jsonl").read_text().splitlines())
    assert at_once(Drive(Random(12, 0), plane(), hill, tmp_path / "7")).asked


def test_a_damaged_line_is_named(tmp_path: Path) -> None:
    at_once(Drive(Random(4, 0), plane(), hill, tmp_path))
    file = tmp_path / "study.jsonl"
    lines = file.read_text().splitlines()
    file.write_text("\n".join([*lines[:3], lines[3][:20], *lines[4:]]) + "\n")
    with pytest.raises(UserError, match=r"study.jsonl, line 4: .* Delete that line \(4\)"):
        Random(4, 0).search(plane(), AIM, Never(), tmp_path, "failed")


@pytest.mark.parametrize(
    ("space", "aim", "said"),
    [
        (plane(Choice("seed", ("0", "1"))), AIM, r"axes.seed: None → 0,1"),
        (Space((Interval("lr", 1e-5, 1), plane().axes[1])), AIM, r"axes.lr: tag\(log, .*0.1\)\) → interval"),
        (replace(plane(), fixed=("epochs=9",)), AIM, "fixed.epochs: None → 9"),
        (
            plane(),
            Aim("validation/loss", False),
            "maximize: validation/f1_macro → None; minimize: None → validation/loss",
        ),
    ],
)
def test_another_search_in_the_same_folder_is_a_mistake(space: Space, aim: Aim, said: str, tmp_path: Path) -> None:
    at_once(Drive(Random(2, 0), plane(), hill, tmp_path))
    with pytest.raises(UserError, match=rf"{said}.*sweep.name="):
        Random(2, 0).search(space, aim, Never(), tmp_path, "failed")
    assert at_once(Drive(Tpe(3, 0, 1), replace(plane(), fixed=("tracker=none",)), hill, tmp_path)).asked


def test_several_numbers_are_weighed_against_each_other(tmp_path: Path) -> None:
    early, late = [], []
    for seed in range(3):
        told = Nsga2(50, seed, 10, {"validation/f1_macro": "maximize", "seconds": "minimize"})
        search = told.search(plane(), AIM, Never(), tmp_path / str(seed), "failed")
        off = []
        while (cell := search.ask()) is not None:
            lr, decay = cell.values["lr"], float(cell.values["decay"])
            off.append(abs(math.log10(float(lr)) + 3))
            good = hill({"lr": lr, "decay": "0.3"}) - decay / 10  # both numbers agree on lr, and not on decay
            search.tell(cell, Outcome("finished", None, good, 2 - decay, 1, str(cell.number)))
        early += off[:20]
        late += off[-20:]
    assert statistics.fmean(late) < 0.85 * statistics.fmean(early)


def test_a_number_that_no_run_has_is_a_mistake(tmp_path: Path) -> None:
    search = Nsga2(4, 0, 2, {"second": "minimize"}).search(plane(), AIM, Never(), tmp_path, "failed")
    cell = search.ask()
    assert cell is not None
    search.tell(cell, Outcome("finished", None, 0.5, 1.0))
    with pytest.raises(UserError, match=r"second\. Did you mean seconds\?"):
        search.ask()


def test_stopped_runs_teach_too(tmp_path: Path) -> None:
    """TPE over ASHA: fewer steps than the runs would have taken, and good cells all the same."""

    def learn(cell: Any, step: int) -> float:
        return hill(cell) * (1 - 0.5**step)

    drive = Drive(Tpe(40, 0, 10), plane(), learn, tmp_path, pruner=Asha(3, 0.1), workers=3).run()
    assert drive.steps < 0.5 * 40 * 27
    assert (drive.outcomes[drive.winner].value or 0) > 0.9
    assert len({cell.words for cell in drive.asked}) == 40


@pytest.mark.slow
def test_a_search_by_the_users_door(hone: Hone) -> None:
    told = (
        "train",
        "-m",
        *SMALL,
        "limit=32",
        "sweep=tpe",
        "sweep.name=found",
        "optimizer.lr=tag(log,interval(1e-4,1e-2))",
    )
    few = (*told, "sweep.sampler.startup=2", "batch_size=8,16")
    assert hone(*few, "sweep.sampler.trials=2").code == 0
    first = {run.name: record(run)["finished"] for run in runs()}
    assert len(first) == 2
    more = hone(*few, "sweep.sampler.trials=3")
    assert more.code == 0, more.said
    assert "found: 3 runs (3 finished)" in more.out
    second = {run.name: record(run)["finished"] for run in runs()}
    assert len(second) == 3
    assert first.items() <= second.items()
    other = hone(*few, "sweep.sampler.trials=5", "epochs=2")
    assert other.code == 2
    assert "fixed.epochs: 1 → 2" in other.err
