"""Runs and sweeps as they lie on disk, without a training: quick enough to be made by the hundred."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from hone.core.contributions import Contributions
from hone.core.metric import MEAN_LOSS
from hone.runs.identity import identity_of
from hone.tasks.metrics.classes import single_label_metrics

LABELS = ["joy", "rage", "fear"]
BEGUN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def stamp(minutes: float) -> str:
    return (BEGUN + timedelta(minutes=minutes)).isoformat(timespec="seconds")


def predictions(accuracy: float, seed: int, rows: int = 200) -> dict[str, Any]:
    """The truth is the same for all; which rows are easy, too."""
    label = np.random.default_rng(7).integers(3, size=rows)
    easy = np.random.default_rng(8).random(rows) * 0.7 + np.random.default_rng(100 + seed).random(rows) * 0.3
    right = easy.argsort().argsort() < accuracy * rows
    prediction = np.where(right, label, (label + 1) % 3)
    loss = np.where(right, 0.2, 1.7) + 0.01 * easy
    return {"id": np.arange(rows), "label": label, "prediction": prediction, "loss": loss, "targets": np.ones(rows)}


def f1_macro(records: dict[str, Any]) -> float:
    scores = []
    for each in range(3):
        right = np.sum((records["label"] == each) & (records["prediction"] == each))
        scores.append(2 * right / max(np.sum(records["label"] == each) + np.sum(records["prediction"] == each), 1))
    return float(np.mean(scores))


def make_run(folder: Path, accuracy: float = 0.8, seed: int = 0, lr: float = 1e-3, **changes: Any) -> Path:
    """A finished run, or what `changes` of its record make of it; `config` adds to its config."""
    folder.mkdir(parents=True)
    minutes = changes.pop("minutes", seed)
    config = {
        "dataset": {"_target_": "hone.data.x", "rows": 10},
        "optimizer": {"lr": lr},
        "task": {"kind": "auto"},
        "seed": seed,
        "output_root": str(folder.parent),
        **changes.pop("config", {}),
    }
    records = predictions(accuracy, seed)
    scores = {f"{split}/f1_macro": f1_macro(records) for split in ("validation", "test")}
    scores |= {f"{split}/loss": float(records["loss"].mean()) for split in ("validation", "test")}
    record = {
        "id": folder.name,
        "identity": identity_of(config),
        "state": "finished",
        "reason": None,
        "started": stamp(minutes),
        "finished": stamp(minutes + 1),
        "seconds": 60.0,
        "command": f"hone train optimizer.lr={lr} seed={seed}",
        "overrides": [f"optimizer.lr={lr}", f"seed={seed}"],
        "git": {"sha": "0123456789abcdef", "dirty": False},
        "versions": {"torch": "2.13.0"},
        "data": {"name": "tiny", "fingerprint": "d1"},
        "checkpoint": {"name": "tiny", "fingerprint": "c1"},
        "steps": 40,
        "best": {"step": 40, "metric": "validation/f1_macro", "value": scores["validation/f1_macro"]},
        "scores": scores,
        "lower_is_better": ["loss"],
        **changes,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "facts.json").write_text(
        json.dumps({"kind": "single_label", "labels": LABELS, "counts": [1, 1, 1], "numbers": {}})
    )
    (folder / "log.txt").write_text("".join(f"line {line} of the log\n" for line in range(30)))
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in journal(accuracy, seed, minutes)))
    if record["state"] == "finished":
        (folder / "predictions").mkdir()
        for split in ("validation", "test"):
            pq.write_table(pa.table(records), folder / "predictions" / f"{split}.parquet")
            metrics = {"loss": MEAN_LOSS, **single_label_metrics(LABELS)}
            Contributions.of(metrics, records).save(folder / "contributions" / f"{split}.parquet", truth="the same")
    return folder


def journal(accuracy: float, seed: int, minutes: float) -> list[dict[str, Any]]:
    begun, rng = (BEGUN + timedelta(minutes=minutes)).timestamp(), np.random.default_rng(seed)
    rows = []
    for step in range(2, 41, 2):
        share = 1 - np.exp(-step / 12)
        at = {"step": step, "epoch": step / 20, "time": begun + 5 + step}
        rows.append({**at, "train/loss": float(1.6 - 1.2 * accuracy * share + 0.05 * rng.normal())})
        if step % 8 == 0:
            score = float(accuracy * share + 0.01 * rng.normal())
            rows.append({**at, "validation/f1_macro": score, "validation/loss": float(1.4 - accuracy * share)})
    return rows


def make_sweep(folder: Path, runs: int = 12, state: str = "finished", name: str = "") -> Path:
    """Learning rates, heads and three seeds; the last cells failed, were pruned, are impossible, still run or wait."""
    folder.mkdir(parents=True)
    cells = [_cell(folder, number) for number in range(runs)]
    cells += [_lost(folder, runs + place, how) for place, how in enumerate(_LOST)]
    about = {
        "version": 1,
        "name": name or folder.name,
        "command": "hone train -m optimizer.lr=0.01,0.001,0.0003 head=mean,cls seed=0,1,2",
        "keys": ["optimizer.lr", "head", "seed"],
        "sampler": "grid",
        "metric": "validation/f1_macro",
        "higher_is_better": True,
        "started": stamp(0),
        "seconds": 60.0 * runs,
        "state": state,
        "cells": cells,
    }
    (folder / "sweep.json").write_text(json.dumps(about))
    return folder


def _values(number: int) -> dict[str, str]:
    rates = ["0.01", "0.001", "0.0003", "0.0001", "3e-05"]
    return {
        "optimizer.lr": rates[number // 6] if number < 30 else f"{0.0123 / (number // 3):.3g}",
        "head": ["mean", "cls"][number // 3 % 2],
        "seed": str(number % 3),
    }


def _cell(folder: Path, number: int) -> dict[str, Any]:
    values = _values(number)
    name = f"{number:08x}"
    rng = np.random.default_rng(number)
    accuracy = 0.9 - 0.09 * abs(np.log10(float(values["optimizer.lr"])) + 3) - 0.02 * (values["head"] == "cls")
    make_run(
        folder / name,
        accuracy=float(accuracy + 0.01 * rng.normal()),
        seed=int(values["seed"]),
        lr=float(values["optimizer.lr"]),
        minutes=number,
        identity=name,
    )
    record = json.loads((folder / name / "run.json").read_text())
    return _row(number, values, "finished", value=record["best"]["value"], seconds=60.0, folder=name)


_LOST = (
    ("failed", "RuntimeError: CUDA out of memory. Tried to allocate 20.00 MiB"),
    ("failed", "RuntimeError: CUDA out of memory. Tried to allocate 48.50 MiB"),
    ("failed", "RunError: the loss is nan at step 12"),
    ("pruned", "behind the median at step 8"),
    ("impossible", "head=cls needs a first token, and gpt2 has none"),
    ("running", ""),
    ("waiting", ""),
)


def _lost(folder: Path, number: int, how: tuple[str, str]) -> dict[str, Any]:
    state, reason = how
    values, name = _values(number), f"{number:08x}"
    if state in ("failed", "pruned", "running"):
        make_run(
            folder / name, seed=int(values["seed"]), minutes=number, identity=name, state=state, reason=reason,
            scores=None, finished=None if state == "running" else stamp(number + 1),
            best={"step": 8, "metric": "validation/f1_macro", "value": 0.31},
        )  # fmt: skip
    return _row(number, values, state, reason=reason, folder=name)


def _row(number: int, values: dict[str, str], state: str, **more: Any) -> dict[str, Any]:
    words = [f"{key}={value}" for key, value in values.items()]
    about = {"identity": f"{number:08x}", "number": number, "words": words, "values": values, "state": state}
    return about | {"reason": None, "value": None, "seconds": None, "folder": None} | more
