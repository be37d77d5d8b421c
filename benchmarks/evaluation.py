"""Evaluation: hone's predictions of a split beside `transformers.Trainer.predict` on the same rows.

A step is the whole split, from its encoded rows to the predictions of all of them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from report import Figure
from turns import Entry, Scene, Stage, compared, play

if TYPE_CHECKING:
    from gate import Gate

ROWS = 600
HONE = Entry("hone", "evaluation.with_hone")
TRAINER = Entry("Trainer", "evaluation.with_trainer")
BAR = 3.0


def measure(stage: Stage, bar: float = BAR) -> list[Figure]:
    scene = Scene("evaluation of 600 rows", "evaluated", 16, 2, (HONE, TRAINER), ((HONE, TRAINER, bar),), rows=ROWS)
    return compared(scene, play(scene, stage))


def short(stage: Stage) -> list[Figure]:
    """The guard."""
    return measure(stage, bar=1.5)


def with_hone(told: dict[str, Any], gate: Gate) -> None:
    """What `hone evaluate` does with a finished run, again and again."""
    from hone.data.batching import Random
    from hone.data.encoded import encode
    from hone.data.module import DataModule
    from hone.data.rows import Rows, load_rows
    from hone.training import fabric as devices
    from hone.training import finished
    from hone.training.evaluation import predict, predictor
    from hone.training.fabric import resolve_precision

    run = finished.load_finished_run(str(_trained(told)), [])
    rows = load_rows(run.source, run.task, None, run.task.facts)
    rows = Rows({"test": rows.splits["test"]}, rows.facts)
    fabric = devices.make_fabric("auto", resolve_precision("auto", "auto"))
    data = DataModule(encode(rows, run.task, run.source)[1], run.task, Random(), 2 * told["batch_size"])
    module = predictor(fabric, run.network, run.task)
    while True:
        assert len(predict(fabric, module, data, "test")["id"]) == ROWS
        gate.step()


def _trained(told: dict[str, Any]) -> Path:
    """The folder of a run of a single step: an evaluation is as fast on bad weights as on good ones."""
    from contenders import hone_words

    words = [*hone_words(told), "epochs=null", "steps=1", "limit=64"]
    command = [sys.executable, "-m", "hone", "train", *words]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(done.stderr)
    return next(Path(told["scratch"]).glob("**/run.json")).parent


def with_trainer(told: dict[str, Any], gate: Gate) -> None:
    """`Trainer.predict` with its defaults: batches of 8."""
    from transformers import DataCollatorWithPadding, Trainer, TrainingArguments

    from contenders import prepared

    model, tokenizer, rows = prepared(told, "test")
    arguments = TrainingArguments(told["scratch"], report_to="none", use_cpu=True, disable_tqdm=True)
    trainer = Trainer(model=model, args=arguments, data_collator=DataCollatorWithPadding(tokenizer))
    while True:
        assert len(trainer.predict(rows).predictions) == ROWS
        gate.step()
