"""Runs read back from W&B: the same table as from their folders."""

import json
from typing import Any

import pytest

from conftest import SMALL, Hone
from wandb_server.server import Server

TRACKED = ("tracker=wandb", *SMALL[1:])


def told(done: Any) -> dict[str, Any]:
    assert done.code == 0, done.said
    found: dict[str, Any] = json.loads(done.out)
    for run in found["runs"]:
        run["folder"] = run["folder"].rpartition("/")[2]
    return found


@pytest.mark.slow
def test_the_same_table_from_either_place(server: Server, process: Hone, hone: Hone) -> None:
    done = process("train", "-m", *TRACKED, "sweep.name=both", "seed=0,1", "clip_norm=1.0,0.5")
    assert done.code == 0, done.said
    here = told(process("compare", *map(str, runs_of_the_sweep()), "format=json"))
    assert len(here["contrasts"]) == 1
    assert here["contrasts"][0]["by_examples"]
    there = told(process("compare", "wandb:someone/hone/group:both", "format=json"))
    json.dump([here, there], open("/tmp/k6/both.json", "w"))
    assert there == here
    tables = [process("compare", place, "report=page.html") for place in ("wandb:someone/hone",)]
    assert tables[0].code == 0, tables[0].said
    assert not server.state.unknown or {*server.state.unknown} == {"OrganizationCoreWeaveOrganizationID"}


def runs_of_the_sweep() -> list[Any]:
    from conftest import runs

    return runs("outputs/both")
