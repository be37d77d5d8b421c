"""`hone compare`: runs become configurations, configurations are tested, and the page holds what the table says."""

import csv
import io
import json
import re
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from comparable import f1_macro, make_run, make_sweep, predictions
from conftest import SMALL, Hone, Outcome, only_run, record
from hone.core.errors import UserError
from hone.reports.failures import group_failures
from hone.reports.importance import importances
from hone.reports.page import write_page
from hone.reports.runs import RunEntry
from hone.reports.significance import compare_seeds


def told(done: Outcome) -> dict[str, Any]:
    assert done.code == 0, done.said
    return json.loads(done.out)


def refused(done: Outcome, *said: str) -> None:
    assert done.code == 2, done.said
    assert "Traceback" not in done.said
    assert done.err.count("hone: ") == 1
    for words in said:
        assert words in done.err


def three_rates(root: Path = Path("outputs/x")) -> None:
    """A good one, one that is as good, and one that is not; three seeds each."""
    for lr, accuracy, noise in ((1e-3, 0.86, 0.01), (3e-4, 0.855, -0.02), (1e-5, 0.55, 0.01)):
        for seed in (0, 1, 2):
            make_run(root / f"{lr}-{seed}", accuracy + noise * [1, -1, 0][seed], seed, lr)


def test_runs_that_differ_in_their_seed_are_one_configuration(hone: Hone) -> None:
    three_rates()
    story = told(hone("compare", "outputs", "format=json"))
    assert story["metric"] == {"name": "validation/f1_macro", "higher_is_better": True}
    assert story["keys"] == {"optimizer.lr": [], "seed": []}
    best, second, last = story["configurations"]
    assert [row["optimizer.lr"] for row in story["configurations"]] == ["0.001", "0.0003", "1e-05"]
    scores = [f1_macro(predictions(0.86 + shift, seed)) for seed, shift in enumerate((0.01, -0.01, 0))]
    assert (best["mean"], best["std"]) == pytest.approx((np.mean(scores), np.std(scores, ddof=1)))
    assert (best["best"], best["worst"]) == (max(scores), min(scores))
    assert best["finished"] == 3
    assert best["low"] < best["mean"] < best["high"]
    assert best["p_seeds"] is None
    assert second["p_seeds"] > 0.05
    assert last["p_seeds"] < 0.05
    assert last["p_examples"] < 0.001
    others = [f1_macro(predictions(0.55 + shift, seed)) for seed, shift in enumerate((0.01, -0.01, 0))]
    alone = compare_seeds(dict(zip("012", scores, strict=True)), dict(zip("012", others, strict=True)))
    assert last["p_seeds"] == pytest.approx(3 * (alone.p or 0)), "three pairs could have been asked about"


def test_a_lead_inside_the_noise_is_called_that(hone: Hone) -> None:
    three_rates()
    done = hone("compare", "outputs")
    assert done.code == 0
    assert "optimizer.lr=0.001 leads with" in done.out
    assert "inside the noise of the seeds" in done.out
    needed = re.search(r"about (\d+) seeds each \((\d+) more\)|more than a thousand", done.out)
    assert needed
    assert "1 of the 2 others may be as good" in done.out


def test_a_clear_lead_is_called_that(hone: Hone) -> None:
    for seed in range(4):
        make_run(Path(f"outputs/good-{seed}"), 0.9 + 0.001 * seed, seed, 1e-3)
        make_run(Path(f"outputs/bad-{seed}"), 0.5 + 0.001 * seed, seed, 1e-5)
    out = hone("compare", "outputs").out
    assert "Its lead over the other one is beyond the noise of the seeds" in out
    assert "the 200 examples are enough to establish its lead over the other one" in out


def test_of_single_seeds_only_the_examples_tell(hone: Hone) -> None:
    make_run(Path("outputs/a"), 0.9, 0, 1e-3)
    make_run(Path("outputs/b"), 0.5, 0, 1e-5)
    done = hone("compare", "outputs/a", "outputs/b")
    assert "is noise of the seeds is unknown" in done.out
    assert "enough to establish its lead over the other one" in done.out
    assert (
        hone("compare", "outputs/a", "outputs/b", "by_example=0", "format=csv").out.splitlines()[2].split(",")[9] == ""
    )


def test_runs_of_other_examples_are_not_compared_by_them(hone: Hone) -> None:
    make_run(Path("outputs/a"), 0.9, 0, 1e-3)
    make_run(Path("outputs/b"), 0.5, 0, 1e-5, data={"name": "tiny", "fingerprint": "d2"})
    assert told(hone("compare", "outputs", "format=json"))["contrasts"][0]["by_examples"] is None


def test_only_what_differs_is_told_and_once(hone: Hone) -> None:
    """Two keys that change together are one difference, under the name that the command has for it."""
    for lr, width in ((1e-3, 8), (3e-4, 16)):
        make_run(Path(f"outputs/{lr}"), 0.8 + lr, 0, lr, config={"head": {"width": width}, "notes": str(lr)})
    story = told(hone("compare", "outputs", "format=json"))
    assert story["keys"] == {"optimizer.lr": ["head.width"]}
    assert "head.width changes along with optimizer.lr" in hone("compare", "outputs").out


def test_a_chosen_metric_goes_the_way_the_runs_say(hone: Hone) -> None:
    three_rates()
    by_loss = told(hone("compare", "outputs", "metric=loss", "format=json"))
    assert by_loss["metric"] == {"name": "validation/loss", "higher_is_better": False}
    assert by_loss["configurations"][0]["mean"] == min(row["mean"] for row in by_loss["configurations"])
    assert by_loss["contrasts"][1]["by_examples"]["leads"] > 0.99
    test = told(hone("compare", "outputs", "metric=test/f1_macro", "format=json"))
    assert "validation/f1_macro" in test["configurations"][0]
    worst = told(hone("compare", "outputs", "higher_is_better=false", "format=json"))
    assert worst["configurations"][0]["optimizer.lr"] == "1e-05"


def test_formats_for_other_programs(hone: Hone) -> None:
    three_rates()
    rows = list(csv.DictReader(io.StringIO(hone("compare", "outputs", "format=csv").out)))
    story = told(hone("compare", "outputs", "format=json"))
    assert [float(row["mean"]) for row in rows] == [row["mean"] for row in story["configurations"]]
    assert rows[0]["p_seeds"] == ""
    lines = hone("compare", "outputs", "format=markdown").out.splitlines()
    assert len(lines) == 5
    assert len({line.count("|") for line in lines}) == 1
    latex = hone("compare", "outputs", "format=latex").out
    assert r"validation/f1\_macro" in latex
    assert latex.count(r"\\") == 4
    assert len({line.count(" & ") for line in latex.splitlines() if "&" in line}) == 1


def test_a_choice_stands_for_the_keys_that_it_brings(hone: Hone) -> None:
    """`head=mean` says more than its class and width; what is typed beside it stays a difference of its own."""
    for place, (head, width, lr) in enumerate((("mean", 8, 1e-3), ("mean", 8, 3e-4), ("cls", 16, 1e-3))):
        words = [f"head={head}", f"optimizer.lr={lr}"]
        config = {"head": {"_target_": head, "width": width}}
        make_run(Path(f"outputs/{place}"), 0.8 + 0.01 * place, 0, lr, config=config, overrides=words)
    story = told(hone("compare", "outputs", "format=json"))
    assert story["keys"] == {"head": ["head._target_", "head.width"], "optimizer.lr": []}
    assert [row["head"] for row in story["configurations"]] == ["cls", "mean", "mean"]


@pytest.mark.parametrize("width", [80, 200])
def test_the_table_fits(hone: Hone, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    three_rates()
    monkeypatch.setenv("COLUMNS", str(width))
    table = [line for line in hone("compare", "outputs").out.splitlines() if "±" in line and "leads" not in line]
    assert len(table) == 3
    assert max(map(len, table)) <= width
    assert all(re.search(r"0\.\d{4} ± 0\.\d{4}", line) for line in table)


def test_what_is_not_finished_does_not_count(hone: Hone) -> None:
    three_rates()
    reason = "RuntimeError: CUDA out of memory"
    make_run(Path("outputs/x/late"), 0.99, 3, 1e-3, state="failed", reason=reason, scores=None)
    best = told(hone("compare", "outputs", "format=json"))["configurations"][0]
    assert (best["runs"], best["finished"]) == (4, 3)
    assert "9 finished, 1 failed" in hone("compare", "outputs").out


def test_a_repeated_run_is_one_witness_unless_its_code_is_another(hone: Hone) -> None:
    make_run(Path("outputs/a"), 0.8, 0)
    make_run(Path("outputs/b"), 0.8, 0, config={"output_root": "elsewhere"})
    assert "1 run repeats another one exactly and is left out" in hone("compare", "outputs").out
    make_run(Path("outputs/c"), 0.7, 0, git={"sha": "f" * 40, "dirty": False})
    story = told(hone("compare", "outputs", "format=json"))
    assert list(story["keys"]) == ["(code)"]
    assert [row["(code)"] for row in story["configurations"]] == ["01234567", "ffffffff"]
    make_run(Path("outputs/d"), 0.7, 0, 1e-5, versions={"torch": "2.14.0"})
    assert "same torch: 2.13.0, 2.14.0" in hone("compare", "outputs/a", "outputs/d").out


def test_folders_are_plain_words(hone: Hone) -> None:
    make_run(Path("outputs/lr=0.1/a"), 0.8, 0)
    make_run(Path("outputs/b"), 0.7, 0, 1e-5)
    story = told(hone("compare", "format=json", "outputs/lr=0.1", "outputs/b"))
    assert len(story["runs"]) == 2
    same = told(hone("compare", "folders=['outputs/lr=0.1',outputs/b]", "format=json"))
    assert same["configurations"] == story["configurations"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", ("nothing to compare", "hone compare DIR")),
        ("nowhere", ("nowhere: does not exist",)),
        ("output", ("Did you mean outputs?",)),
        ("outputs/x/0.001-0/run.json", ("is a file",)),
        ("empty", ("holds no runs",)),
        ("outputs metric=f1_marco", ("Did you mean f1_macro?", "validation/loss")),
        ("outputs fromat=csv", ("format",)),
        ("outputs format=cvs", ("csv",)),
        ("outputs report=x.txt", (".html",)),
        ("outputs report=outputs/x/0.001-0/run.json/x.html", ("is a file, not a folder",)),
        ("outputs broken", ("broken/run.json", "cannot read this file")),
    ],
)
def test_mistakes(hone: Hone, words: str, said: tuple[str, ...]) -> None:
    three_rates()
    Path("empty").mkdir()
    Path("broken").mkdir()
    Path("broken/run.json").write_text('{"state": ')
    refused(hone("compare", *words.split()), *said)


def test_real_runs_are_compared_by_their_own_records(hone: Hone) -> None:
    words = ("limit=48", "batch_size=8", "checkpoint.lr=0.003")
    for seed in (0, 1):
        assert hone("train", *SMALL, *words, f"seed={seed}", f"name=s{seed}").code == 0
    assert "loss" in record(only_run("outputs/s0"))["lower_is_better"]
    assert hone("train", *SMALL, *words, "seed=0", "head=mean", "name=other").code == 0
    for metric in ("f1_macro", "loss", "matthews", "f1_weighted", "accuracy"):
        story = told(hone("compare", "outputs", f"metric={metric}", "format=json"))
        assert len(story["configurations"]) == 2
        tested = story["contrasts"][0]["by_examples"]
        assert tested["examples"] == 32, metric
    assert "head._target_" in story["keys"]["head"]


# Of a sweep


def page_data(path: Path) -> dict[str, Any]:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', path.read_text())
    assert found
    return json.loads(found[1])


def test_a_sweep_is_told_in_its_own_words(hone: Hone) -> None:
    make_sweep(Path("outputs/rates"), runs=12)
    story = told(hone("compare", "outputs/rates", "format=json", "report=made/page.html"))
    assert list(story["keys"]) == ["optimizer.lr", "head", "seed"]
    assert len(story["runs"]) == 19
    assert story["configurations"][0]["finished"] == 3
    data = page_data(Path("made/page.html"))
    assert data["verdict"] == story["verdict"]
    assert data["states"]["failed"] == 3
    assert [failure["state"] for failure in data["failures"]] == ["failed", "failed", "impossible", "pruned"]
    assert data["failures"][0]["runs"] == ["#12 0000000c", "#13 0000000d"], "other numbers, the same cause"
    assert data["failures"][0]["tail"].splitlines()[-1] == "line 29 of the log"
    lines = {command["what"]: command["line"] for command in data["commands"]}
    assert any(line.endswith("seed=0,1,2,3,4") or "seed=0,1,2,3," in line for line in lines.values())
    assert data["budget"][-1]["best"] == pytest.approx(max(run["value"] for run in data["runs"] if run["value"]))
    assert [each["trial"] for each in data["budget"]] == list(range(1, 17))
    assert data["runs"][0]["curves"]["validation/f1_macro"][-1][0] == 40
    assert sum(data["runs"][0]["parts"].values()) == pytest.approx(60)


def test_the_page_is_written_as_the_sweep_goes(tmp_path: Path) -> None:
    """In the blink of an eye, whole, and from files that are half there."""
    folder = make_sweep(tmp_path / "sweep", runs=40, state="running")
    (folder / "00000003" / "run.json").write_text('{"state": "fin')
    (folder / "00000004" / "metrics.jsonl").write_text('{"step": 1, "time": 5}\n{"step": 2, "tra')
    write_page(folder)
    begun = time.perf_counter()
    page = write_page(folder)
    assert time.perf_counter() - begun < 0.5
    assert page == folder / "report.html"
    assert [path.name for path in folder.iterdir() if path.name.startswith(".")] == []
    assert len(page_data(page)["runs"]) == 47
    empty = make_sweep(tmp_path / "empty", runs=0, state="running")
    (empty / "sweep.json").write_text(json.dumps(json.loads((empty / "sweep.json").read_text()) | {"cells": []}))
    assert page_data(write_page(empty))["runs"] == []


def test_the_page_needs_nothing_and_runs_nobodys_code(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script>${x}</title>"
    folder = make_sweep(tmp_path / "sweep", runs=6, name=evil)
    text = write_page(folder).read_text()
    assert "<script>alert" not in text
    assert page_data(folder / "report.html")["title"] == evil
    addresses = set(re.findall(r"""https?://[^"'\s)]+""", text))
    assert addresses <= {"http://www.w3.org/2000/svg"}
    assert not re.search(
        r"<link[^>]+href=\"(?!data:)|\bsrc=|@import|url\(|\bfetch\(|XMLHttpRequest|innerHTML|eval\(", text
    )
    assert "default-src 'none'" in text


def test_what_cannot_be_known_is_no_sweep(tmp_path: Path) -> None:
    (tmp_path / "sweep.json").write_text("[")
    with pytest.raises(UserError, match=r"sweep\.json"):
        write_page(tmp_path)


def test_importance_is_the_share_of_the_variance() -> None:
    """Of a plan in which everything is known: one key moves the score by 2, one by 1, one not at all."""
    rng = np.random.default_rng(0)
    entries = []
    for place in range(64):
        big, small, none = place % 2, place // 2 % 2, place // 4 % 2
        score = 2 * big + small + 0.1 * rng.normal()
        settings = {"big": big, "small": str(small), "none": none, "own": place * 1.7}
        entries.append(RunEntry(str(place), "finished", settings, scores={"validation/x": score}))
    entries.append(
        RunEntry("bad", "failed", {"big": 9, "small": "9", "none": 9, "own": 0}, scores={"validation/x": -50.0})
    )
    found = {each.key: each for each in importances(entries, ["none", "small", "big", "own", "gone"], "validation/x")}
    assert list(found)[:2] == ["big", "small"]
    assert found["big"].share == pytest.approx(4 / 5, abs=0.03)
    assert found["small"].share == pytest.approx(1 / 5, abs=0.05)
    assert found["none"].share == pytest.approx(0, abs=0.02)
    assert found["own"].binned
    assert found["own"].share < 0.1, "what never repeats explains nothing by that"
    assert "gone" not in found


def test_failures_are_grouped_by_what_was_said() -> None:
    reasons = ["OSError: no space on /a/b/c1", "OSError: no space on /d/e/f2", "ValueError: 3", "", "x"]
    states = ["failed", "failed", "failed", "interrupted", "finished"]
    found = group_failures(
        [
            RunEntry(str(place), state, reason=reason)
            for place, (state, reason) in enumerate(zip(states, reasons, strict=True))
        ]
    )
    assert [(failure.state, len(failure.entries)) for failure in found] == [
        ("failed", 2),
        ("failed", 1),
        ("interrupted", 1),
    ]
    assert found[2].cause == "no reason was recorded"
