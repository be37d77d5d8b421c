"""Runs that are killed at any moment and gone on with: W&B has every row of the journal in the end, and once.

`make kills N=100` kills a hundred times; the slow tests do it a few times.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import figures
from conftest import ROOT, Hone, Outcome, journal, only_run, record
from hone.tracking.tracker import RunInfo
from hone.tracking.wandb.tracker import WandbTracker
from nursery import PHASES
from wandb_server.server import Server

KILLS = int(os.environ.get("KILLS", "9"))
SEED = int(os.environ.get("KILLS_SEED", "0"))
TRAIN = (
    "train", "precision=32-true", "dataset.train=96", "dataset.validation=32", "dataset.test=32", "epochs=null",
    "steps=24", "log_every=1", "save_every=5", "evaluate_every=6", "resume=auto",
)  # fmt: skip
WAYS = ("online", "offline", "mixed")
CLOCKED = ("seconds", "time", "train/memory_gb", "train/samples_per_second", "train/tokens_per_second")
TARGETS = {
    "before": (1, 0.4), "init": (1, 0.5), "catching up": (1, 0.05), "steps": (8, 0.05), "evaluation": (4, 0.08),
    "checkpoint": (7, 0.03), "conclusion": (1, 0.2), "last row": (1, 0.004),
    "finish": (2, 0.3),
}  # fmt: skip
"""How often each phase begins in a run, and about how many seconds it takes."""


@dataclass
class Nursery:
    """The process that forks, from here."""

    process: subprocess.Popen[str]

    def perform(self, *words: str, kill: dict[str, Any] | None = None, **env: str) -> tuple[Outcome, str | None]:
        """How a command ended, and in which phase it was killed."""
        output = Path("output.txt")
        output.unlink(missing_ok=True)
        told = {"words": words, "env": env, "output": str(output), "kill": kill}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(told) + "\n")
        self.process.stdin.flush()
        said = json.loads(self.process.stdout.readline())
        return Outcome(said["code"], "", output.read_text()), said["phase"]


@dataclass
class Ledger:
    """What was done to the runs."""

    phases: Counter[str] = field(default_factory=Counter)
    plans: int = 0
    runs: list[str] = field(default_factory=list)
    syncs: int = 0

    @property
    def kills(self) -> int:
        return self.phases.total()


@pytest.fixture
def nursery(server: Server, tmp_path: Path) -> Iterator[Nursery]:
    """Warm, and told of the stand-in."""
    offline = ("tracker=wandb", "tracker.mode=offline", "name=warm", "output_root=warm")
    (tmp_path / "warm.json").write_text(json.dumps([*TRAIN, *offline]))
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "tests/support/nursery.py"), str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "{}\n"
    yield Nursery(process)
    process.communicate()


@pytest.mark.slow
def test_nothing_is_lost_or_doubled_by_kills(server: Server, nursery: Nursery) -> None:
    begun, rng, ledger = time.monotonic(), random.Random(SEED), Ledger()
    done, _ = nursery.perform(*TRAIN, "tracker=none", "name=straight")
    assert done.code == 0, done.said
    expected = numbers(only_run("outputs/straight"))
    while ledger.kills < KILLS:
        name = f"run-{len(ledger.runs)}"
        kill_and_go_on(name, nursery, rng, ledger)
        ledger.runs.append(name)
    done, _ = nursery.perform("sync")
    assert done.code == 0, done.said
    faults = {name: found for name in ledger.runs if any(found := faults_of(name, server, expected))}
    lost = sum(len(found[0]) + len(found[1]) for found in faults.values())
    figures.report(
        f"{ledger.kills} kills of {len(ledger.runs)} runs, {ledger.syncs} synced in between, {lost} rows lost or "
        f"doubled, {time.monotonic() - begun:.0f} s; killed {dict(ledger.phases.most_common())}"
    )
    assert not faults
    assert set(server.state.runs) == {record(only_run(f"outputs/{name}"))["tracker"]["id"] for name in ledger.runs}
    assert ledger.phases.keys() <= set(PHASES)


@pytest.mark.slow
def test_a_run_has_its_id_before_w_and_b_hears_of_it(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []

    def dies(tracker: WandbTracker, run: RunInfo) -> None:
        heard.append(tracker.memory["id"])
        assert record(only_run())["tracker"] == {"name": "wandb", "id": heard[0]}
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(WandbTracker, "start", dies)
        for _ in range(2):
            assert hone(*TRAIN, "tracker=wandb").code == 130
    assert heard == [heard[0]] * 2
    assert "W&B failed when the run began" in hone("sync", "dry_run=true").out
    assert hone(*TRAIN, "tracker=wandb").code == 0
    assert record(only_run())["tracker"]["id"] == heard[0]


def kill_and_go_on(name: str, nursery: Nursery, rng: random.Random, ledger: Ledger) -> None:
    """One run, from its first start to its end; between two starts its rows may be sent as they are."""
    way = rng.choice(WAYS)
    for kills in range(30):
        env = {"WANDB_MODE": rng.choice(WAYS[:2]) if way == "mixed" else way}
        env |= {"WANDB_X_FILE_STREAM_TRANSMIT_INTERVAL": str(rng.choice((0.05, 0.3, 15)))}
        kill = None
        if kills < 4 and (kills == 0 or rng.random() < 0.75):
            kill, ledger.plans = planned(ledger.plans, rng), ledger.plans + 1
        done, phase = nursery.perform(*TRAIN, "tracker=wandb", f"name={name}", kill=kill, **env)
        if phase is None:
            assert done.code == 0, done.said
            return
        ledger.phases[phase] += 1
        if rng.random() < 0.4 and any(Path("outputs", name).glob("*/run.json")):
            done, _ = nursery.perform("sync", f"outputs/{name}")
            assert done.code == 0, done.said
            ledger.syncs += 1


def planned(number: int, rng: random.Random) -> dict[str, Any]:
    """At any time in a phase, each phase in its turn; half of the times W&B's own process goes as well."""
    phase = [*TARGETS][number % len(TARGETS)]
    times, seconds = TARGETS[phase]
    return {
        "phase": phase, "nth": rng.randint(1, times), "seconds": rng.uniform(0, seconds), "whole": rng.random() < 0.5,
    }  # fmt: skip


def faults_of(name: str, server: Server, expected: list[dict[str, Any]]) -> tuple[list[Any], list[Any], str]:
    """What its journal has not as an undisturbed run has it, what the server has not as its journal, and how it is."""
    folder = only_run(f"outputs/{name}")
    arrived = server.state.runs[record(folder)["tracker"]["id"]]
    ours, theirs = numbers(folder), [plain(row) for row in arrived.history]
    places = [row["_step"] for row in arrived.history]
    state = "" if (arrived.state, record(folder)["state"]) == ("finished", "finished") else arrived.state
    return (
        difference(ours, expected),
        difference(theirs, ours)
        or ([] if places == [*range(len(ours))] else places)
        or difference([*map(exhibits, arrived.history)], due_exhibits(journal(folder))),
        state,
    )


def difference(found: list[Any], wanted: list[Any]) -> list[str]:
    """What is not as it should be."""
    counts, due = Counter(map(repr, found)), Counter(map(repr, wanted))
    wrong = [f"lost: {row}" for row in due - counts] + [f"doubled: {row}" for row in counts - due]
    return wrong or (["in another order"] if found != wanted else [])


def exhibits(row: dict[str, Any]) -> list[str]:
    """The names of what stands in a row beside numbers."""
    names = [key for key, value in row.items() if isinstance(value, dict)]
    return sorted(name.removeprefix("Custom Chart Tables/").removesuffix("_table") for name in names)


def due_exhibits(rows: list[dict[str, Any]]) -> list[list[str]]:
    """The data in the first row; what was predicted in each row of scores."""
    told = [[f"{split}/{what}" for split in ("validation", "test") if f"{split}/loss" in row
             for what in ("confusion", "predictions")] for row in rows]  # fmt: skip
    told[0] += ["data/labels", "data/splits", *(f"data/lengths/{split}" for split in ("train", "validation", "test"))]
    return [sorted(names) for names in told]


def numbers(folder: Path) -> list[dict[str, str]]:
    return [plain(row) for row in journal(folder)]


def plain(row: dict[str, Any]) -> dict[str, str]:
    """The numbers of a row, without what the clock says and what W&B adds; its JSON has 4 where ours has 4.0."""
    return {
        key: f"{value:.12g}"
        for key, value in sorted(row.items())
        if key not in CLOCKED and not key.startswith("_") and isinstance(value, int | float)
    }
