"""Malformed data never crashes and never trains silently: it is reported before the first step, with its place."""

import pytest

from conftest import Outcome
from forked import run_forked
from malformed import MALFORMED, TRAINS
from mistakes import refused, store, trains

STEP = ("train", "tracker=none", "epochs=null", "steps=1", "batch_size=4", "evaluate_every=null", "dataset=local")
QUICK = ["null first-jsonl", "5,000 levels-jsonl", "Latin-1-jsonl", "text 1 among numbers-jsonl", "label 1e30-csv"]
CASES = [f"{name}-{form}" for name, malformation in MALFORMED.items() for form in malformation.formats.split()]


def train_on(case: str, *words: str) -> Outcome:
    name, _, form = case.rpartition("-")
    store({f"a.{form}": MALFORMED[name].content(form)})
    return run_forked(*STEP, f"dataset.path=a.{form}", *MALFORMED[name].words.split(), *words)


def check(case: str) -> None:
    name, _, form = case.rpartition("-")
    answer = MALFORMED[name].answer(form)
    done = train_on(case)
    if answer == TRAINS:
        trains(done)
    else:
        refused(done, f"a.{form}", *answer.split("|"))


@pytest.mark.parametrize("case", QUICK)
def test_malformed_rows_are_reported(case: str) -> None:
    check(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", [case for case in CASES if case not in QUICK])
def test_every_malformation_is_reported_or_harmless(case: str) -> None:
    check(case)
