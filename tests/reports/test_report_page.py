"""Everything that a sweep's page offers works: its commands run as they are printed, and its sentences hold."""

import json
import random
import re
import shlex
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from comparable import make_run, make_sweep
from conftest import Hone, only_run, record
from hone.config.job import Invocation, Job
from hone.config.settings import TrainSettings
from hone.reports.page import write_page
from hone.runs.identity import with_absolute_paths

WORDS = {"joy": ("glad", "sunny", "party"), "anger": ("rage", "shout", "slam"), "fear": ("dark", "shake", "hide")}
LOCAL = (
    "dataset=local", "dataset.path=my data", "tracker=none", "precision=32-true", "epochs=1", "batch_size=8",
    "head=mean",
)  # fmt: skip


def page_data(path: Path) -> dict[str, Any]:
    data = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text())
    assert data
    return json.loads(data[1])


def commands(path: Path) -> dict[str, str]:
    return {command["what"]: command["line"] for command in page_data(path)["commands"]}


def write_data(folder: Path) -> None:
    folder.mkdir()
    draw = random.Random(0)
    for split, rows in (("train", 48), ("validation", 24), ("test", 12)):
        labels = [list(WORDS)[row % 3] for row in range(rows)]
        lines = [json.dumps({"text": " ".join(draw.choices(WORDS[label], k=5)), "label": label}) for label in labels]
        (folder / f"{split}.jsonl").write_text("\n".join(lines) + "\n")


def words_of(line: str) -> list[str]:
    """A printed command without its first word, as a shell splits it."""
    first, *words = shlex.split(line)
    assert first == "hone"
    return words


def checked(hone: Hone, line: str) -> list[Job]:
    """The runs that a command of the page would start: composed and checked as ever, but not trained."""
    jobs: list[Job] = []

    def sweep(request: Any) -> int:
        jobs.extend(request.make(cell).job for cell in request.sweep.sampler.preview(request.space))
        return 0

    def run(settings: TrainSettings, parts: Mapping[str, Any], invocation: Invocation) -> None:
        jobs.append(Job(settings, with_absolute_paths({**asdict(settings), **parts}), invocation))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hone.sweeps.start.check_and_run", sweep)
        patch.setattr("hone.commands.train.main", run)
        done = hone(*words_of(line))
    assert done.code == 0, f"{line}\n{done.said}"
    return jobs


@pytest.mark.slow
def test_every_command_of_a_sweep_over_local_files_runs(hone: Hone) -> None:
    """The data set lies in a folder whose name needs quotes, and the sweep's folder does, too."""
    write_data(Path("my data"))
    done = hone("train", "-m", *LOCAL, "sweep.name='rates, first'", "optimizer.lr=1e-3,3e-3", "seed=0")
    assert done.code == 0, done.said
    page = Path("outputs/rates, first/report.html")
    trained = {record(path.parent)["identity"]: path.parent for path in page.parent.glob("*/run.json")}
    again, wider, alone, best, wrong, export = commands(page).values()

    assert {job.identity for job in checked(hone, again)} == {*trained}
    more = checked(hone, wider)
    assert len(more) == 2 * 3, "two seeds more for each of two rates"
    assert {job.identity for job in more} > {*trained}
    assert {job.invocation.sweep for job in more} == {page.parent.absolute()}
    [repeated] = checked(hone, best)
    rest = checked(hone, alone)
    assert {(job.settings.seed, job.config["optimizer"]["lr"]) for job in rest} == {
        (seed, repeated.config["optimizer"]["lr"]) for seed in (1, 2)
    }
    for job in (*more, *rest, repeated):
        assert job.config["dataset"]["path"] == str(Path("my data").absolute())
    chosen = trained[repeated.identity]
    for line in (wrong, export):
        done = hone(*words_of(line))
        assert done.code == 0, f"{line}\n{done.said}"
    assert (chosen / "evaluation" / "test.json").is_file()
    assert (chosen / "export" / "README.md").is_file()


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "most"), [("0,1", 10), ("0", 2)])
def test_more_seeds_for_the_best_train_the_same_run(hone: Hone, seeds: str, most: int) -> None:
    """One more seed is a run, several are a sweep; either trains on the same data with the same settings."""
    write_data(Path("my data"))
    assert hone("train", "-m", *LOCAL, "sweep.name=x", "optimizer.lr=1e-3,3e-3", f"seed={seeds}").code == 0
    what, line = next(
        each for each in commands(Path("outputs/x/report.html")).items() if "best configuration" in each[0]
    )
    count = int(re.findall(r"Train (\d+) more seed", what)[0])
    assert 1 <= count <= most
    assert ("more seeds" in what) == (count > 1) == ("-m" in words_of(line))
    before = {*Path("outputs").glob("**/run.json")}
    assert hone(*words_of(line)).code == 0
    made = [record(path.parent) for path in {*Path("outputs").glob("**/run.json")} - before]
    assert len(made) == count
    assert {run["data"]["fingerprint"] for run in made} == {record(next(iter(before)).parent)["data"]["fingerprint"]}


def test_one_more_seed_is_one_run(tmp_path: Path) -> None:
    """A clear difference between two noisy configurations that one more seed would settle."""
    folder = make_sweep(tmp_path / "sweep", runs=12)
    printed = commands(write_page(folder))
    for what, line in printed.items():
        counts = re.findall(r"(\d+) more (seeds?)", what)
        assert all((count == "1") == (noun == "seed") for count, noun in counts)
        if "best configuration only" in what:
            assert ("-m" in words_of(line)) == (counts[0][0] != "1")


def test_a_command_with_a_secret_says_what_to_put_in(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "sweep", runs=6)
    story = json.loads((folder / "sweep.json").read_text())
    (folder / "sweep.json").write_text(json.dumps(story | {"command": "hone train -m tracker.api_key=*** seed=0,1"}))
    assert any("replace *** with the secret" in what for what in commands(write_page(folder)))


def test_a_sweep_of_another_sampler_is_not_offered_wider(tmp_path: Path) -> None:
    folder = make_sweep(tmp_path / "sweep", runs=12)
    assert any("every configuration" in what for what in commands(write_page(folder)))
    story = json.loads((folder / "sweep.json").read_text()) | {"sampler": "tpe"}
    (folder / "sweep.json").write_text(json.dumps(story))
    assert not any("every configuration" in what for what in commands(write_page(folder)))


def compared(hone: Hone, *words: str) -> dict[str, Any]:
    done = hone("compare", "outputs", "format=json", *words)
    assert done.code == 0, done.said
    return json.loads(done.out)


def make_flat(value: float, baseline: float, lrs: tuple[float, ...] = (1e-2, 1e-3, 1e-4, 1e-5)) -> None:
    for lr in lrs:
        scores = {"validation/f1_macro": value, "validation/loss": 1.0}
        best = {"step": 40, "metric": "validation/f1_macro", "value": value}
        make_run(
            Path(f"outputs/{lr}"), 0.8, 0, lr, scores=scores, best=best, baseline={"validation/f1_macro": baseline}
        )


def test_a_tie_is_no_lead(hone: Hone) -> None:
    make_flat(0.75, 0.2)
    said = compared(hone)["verdict"]
    assert said[0] == "All 4 configurations tie at 0.7500: none leads."
    assert "exactly the same validation/f1_macro" in said[1]
    assert not any("lead over" in line for line in said)


def test_a_tie_for_the_lead_names_those_that_tie(hone: Hone) -> None:
    make_flat(0.75, 0.2, (1e-2, 1e-3))
    make_flat(0.25, 0.2, (1e-4,))
    said = compared(hone)["verdict"]
    assert said[0] == "2 configurations tie for the lead with 0.7500: optimizer.lr=0.001, optimizer.lr=0.01."
    assert said[1].startswith("How much of their lead over the other one is noise")


def test_runs_that_learned_nothing_are_reported(hone: Hone) -> None:
    make_flat(0.2, 0.2)
    assert (
        "All 4 finished runs collapsed: no score is better than the baseline of 0.2000" in compared(hone)["verdict"][1]
    )
    make_flat(0.8, 0.2, (1e-1,))
    assert "4 of 5 finished runs are no better than a model that ignores its input." in compared(hone)["verdict"]


def test_scores_that_are_not_numbers_are_reported(hone: Hone) -> None:
    for seed in (0, 1):
        make_run(Path(f"outputs/{seed}"), 0.8, seed, scores={"validation/f1_macro": None})
    assert compared(hone)["verdict"] == [
        "None of the 2 finished runs has validation/f1_macro: the score is missing or is not a number (NaN)."
    ]


def test_a_sweep_in_which_all_runs_failed_says_so(hone: Hone) -> None:
    for seed in (0, 1):
        make_run(Path(f"outputs/{seed}"), 0.8, seed, state="failed", reason="the loss is nan", scores=None)
    assert "All runs ended without a result (2 failed)." in compared(hone)["verdict"][1]


def test_several_objectives_have_a_pareto_front(hone: Hone) -> None:
    objectives = {"validation/f1_macro": "maximize", "seconds": "minimize"}
    config = {"sweep": {"sampler": {"objectives": objectives}}}
    for lr, accuracy, seconds in ((1e-2, 0.9, 90.0), (1e-3, 0.8, 30.0), (1e-4, 0.7, 60.0), (1e-5, 0.6, 10.0)):
        make_run(Path(f"outputs/{lr}"), accuracy, 0, lr, seconds=seconds, config=config)
    said = compared(hone, "report=page.html")["verdict"][-1]
    assert said.startswith("3 runs are on the Pareto front of seconds (minimize) and validation/f1_macro (maximize): ")
    assert "optimizer.lr=0.0001" not in said
    assert re.findall(r"lr=(\S+)", said) == ["1e-05", "0.001", "0.01"]
    front = page_data(Path("page.html"))["front"]
    assert [name for name, _ in front["objectives"]] == sorted(objectives)
    assert len(front["runs"]) == 3


def test_a_default_is_named(hone: Hone) -> None:
    """A run that does not choose a head has the default head, whatever the others choose."""
    make_run(Path("outputs/a"), 0.8, 0, overrides=["head=mean"], choices={"head": "mean"}, config={"head": {"w": 1}})
    make_run(Path("outputs/b"), 0.7, 1, overrides=[], choices={"head": "auto"}, config={"head": {"w": 2}})
    assert [row["head"] for row in compared(hone)["configurations"]] == ["mean", "auto"]


def test_all_screens_show_the_same_p_values(hone: Hone) -> None:
    """`hone compare`, `hone sweep status` and the page read the same runs and test the same rivals."""
    folder = make_sweep(Path("outputs/rates"), runs=42)
    table = hone("compare", str(folder)).out
    status = hone("sweep", "status", str(folder)).out
    assert "< 0.001" in table
    assert table in status
    story = json.loads(hone("compare", str(folder), "format=json").out)
    groups = page_data(folder / "report.html")["groups"]
    for name in ("p_seeds", "p_examples"):
        assert [group[name] for group in groups] == [
            value if value is None else pytest.approx(value, rel=1e-4)
            for value in (row[name] for row in story["configurations"])
        ]


def test_a_single_run_has_a_page(hone: Hone) -> None:
    make_run(Path("outputs/a"), 0.8, 0)
    assert only_run().name == "a"
    assert compared(hone, "report=page.html")["verdict"][0].startswith("Only one configuration has a score")
    assert page_data(Path("page.html"))["title"] == "outputs"
