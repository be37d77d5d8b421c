"""Evaluation: hone's predictions for a split against `transformers.Trainer.predict` on the same rows.

A step is the whole split, from its encoded rows to all predictions.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from report import Figure
from turns import Entry, Scene, Setup, compare, play

if TYPE_CHECKING:
    from gate import Gate

ROWS = 600
HONE = Entry("hone", "evaluation.with_hone")
TRAINER = Entry("Trainer", "evaluation.with_trainer")
BAR = 3.0


def measure(setup: Setup, bar: float = BAR) -> list[Figure]:
    scene = Scene("evaluation of 600 rows", "evaluated", 16, 2, (HONE, TRAINER), ((HONE, TRAINER, bar),), rows=ROWS)
    return compare(scene, play(scene, setup))


def short(setup: Setup) -> list[Figure]:
    """Guard against regressions."""
    return measure(setup, bar=1.5)


def with_hone(settings: dict[str, Any], gate: Gate) -> None:
    """Repeat what `hone evaluate` does with a finished run."""
    from hone.data.batching import Random
    from hone.data.encoded import encode
    from hone.data.module import DataModule
    from hone.data.rows import Rows, load_rows
    from hone.training.evaluation import predict, predictor
    from hone.training.fabric import make_fabric
    from hone.training.finished import load_finished_run
    from hone.training.precision import resolve_precision

    run = load_finished_run(str(_train(settings)), [])
    rows = load_rows(run.source, run.task, None, run.task.facts)
    rows = Rows({"test": rows.splits["test"]}, rows.facts)
    fabric = make_fabric("auto", resolve_precision("auto", "auto", run.network))
    data = DataModule(encode(rows, run.task, run.source)[1], run.task, Random(), 2 * settings["batch_size"])
    module = predictor(fabric, run.network, run.task)
    while True:
        assert len(predict(fabric, module, data, "test")["id"]) == ROWS
        gate.step()


def _train(settings: dict[str, Any]) -> Path:
    """Return the folder of a run of a single step: an evaluation is as fast with bad weights as with good ones."""
    from contenders import hone_arguments

    words = [*hone_arguments(settings), "epochs=null", "steps=1", "limit=64"]
    command = [sys.executable, "-m", "hone", "train", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return next(Path(settings["scratch"]).glob("**/run.json")).parent


def with_trainer(settings: dict[str, Any], gate: Gate) -> None:
    """`Trainer.predict` with its defaults: batches of 8."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    from contenders import prepare

    model, tokenizer, rows = prepare(settings, "test")
    arguments = TrainingArguments(settings["scratch"], report_to="none", use_cpu=True, disable_tqdm=True)
    trainer = Trainer(model=model, args=arguments, data_collator=DataCollatorWithPadding(tokenizer))
    while True:
        assert len(trainer.predict(rows).predictions) == ROWS
        gate.step()
