"""Runs read back from W&B: the same table as from their folders."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from conftest import SMALL, Hone, journal, only_run, runs
from wandb_server.server import Server

TRACKED = ("tracker=wandb", *SMALL[1:])


def told(done: Any) -> dict[str, Any]:
    assert done.code == 0, done.said
    found: dict[str, Any] = json.loads(done.out)
    for run in found["runs"]:
        run["folder"] = run["folder"].rpartition("/")[2]
    return found


@pytest.mark.slow
def test_the_same_table_from_either_place(server: Server, process: Hone) -> None:
    done = process("train", "-m", *TRACKED, "sweep.name=both", "seed=0,1", "clip_norm=1.0,0.5")
    assert done.code == 0, done.said
    here = told(process("compare", *map(str, runs("outputs/both")), "format=json"))
    assert len(here["contrasts"]) == 1
    assert here["contrasts"][0]["by_examples"]
    there = told(process("compare", "wandb:someone/hone/group:both", "format=json"))
    assert there == here
    assert process("compare", "wandb:someone/hone", "report=page.html").code == 0
    steps = [row["step"] for row in journal(runs("outputs/both")[0])]
    assert any(steps == [row["step"] for row in journal(folder)] for folder in fetched())
    assert not server.state.unknown or {*server.state.unknown} == {"OrganizationCoreWeaveOrganizationID"}


def fetched() -> list[Path]:
    """Those with a journal: other tests fetch others, and the cache is all tests' own."""
    kept = runs(Path(os.environ["HONE_CACHE"]) / "wandb/someone/hone/runs")
    return [folder for folder in kept if (folder / "metrics.jsonl").is_file()]


@pytest.mark.slow
def test_a_run_that_was_killed_is_told_by_what_w_and_b_heard(server: Server, process: Hone) -> None:
    assert process("train", *TRACKED).code == 0
    (run,) = server.state.runs.values()
    run.files = {name: content for name, content in run.files.items() if not name.startswith("hone/")}
    run.summary = {name: value for name, value in run.summary.items() if name.startswith("best/")}
    run.exit_code = 1
    found = told(process("compare", "wandb:someone/hone", "format=json"))
    (entry,) = found["runs"]
    assert (entry["state"], entry["reason"], entry["folder"]) == ("failed", "W&B calls it failed", only_run().name)
    server.state.run("other", "hone", "someone")
    done = process("compare", "wandb:someone/hone/other")
    assert (done.code, "hone made none of the runs there" in done.err) == (2, True), done.said


@pytest.mark.slow
def test_names_too_long_for_the_server_are_cut_and_groups_stay_apart(server: Server, process: Hone) -> None:
    for end in "ab":
        assert process("train", *TRACKED, f"name={'long-' * 28}{end}").code == 0
    groups = {run.about["groupName"] for run in server.state.runs.values()}
    assert len(groups) == 2
    assert {len(name) for name in groups} == {128}
    found = told(process("compare", f"wandb:someone/hone/group:{'long-' * 28}a", "format=json"))
    assert [entry["folder"] for entry in found["runs"]] == [only_run(f"outputs/{'long-' * 28}a").name]
