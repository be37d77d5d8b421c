"""Compares the memory that `hone plan` estimates with what `hone train` takes, in a short run of each scene.

    python benchmarks/memory.py [SCENE …] [--data FOLDER]

FOLDER holds train.jsonl and validation.jsonl with `text` and a numbered `label`; the default is built-in texts.
The peak of the whole process is measured, including its evaluations and what it stores. Exits with 1 where an estimate
is off by more than a fifth. The constants of `hone/commands/plan/memory.py` were fitted to some of these scenes.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import rows

STEPS = 12
WITHIN = 0.2
RUN = ("tracker=none", "epochs=null", f"steps={STEPS}", "evaluate_every=null")
LONG = "dataset.path={long}"
TWEETS = "dataset.path={tweets}"
MINILM = ("dataset=local", "checkpoint=hub", "checkpoint.path={checkpoint}", "optimizer.lr=1e-4")
GPT2 = (
    "dataset=local", LONG, "task=causal_lm", "task.block_size=128", "checkpoint=scratch",
    "checkpoint.architecture=gpt2", "checkpoint.tokenizer={checkpoint}",
    "checkpoint.hyperparameters={{n_embd:256,n_layer:4,n_head:4}}",
)  # fmt: skip
SCENES: dict[str, tuple[str, ...]] = {
    "default": (),
    "batch-16": (*MINILM, TWEETS),
    "batch-64": (*MINILM, TWEETS, "batch_size=64"),
    "long": (*MINILM, LONG),
    "long-padded-fp32": (*MINILM, LONG, "batch.pack=false", "batch.split=false", "precision=32-true"),
    "recomputed": (*MINILM, LONG, "batch_size=64", "gradient_checkpointing=true"),
    "lora": (*MINILM, TWEETS, "adapter=lora", "batch_size=32"),
    "averaged": (*MINILM, TWEETS, "optimizer.ema=0.99", "precision=32-true"),
    "bf16-weights": (*MINILM, TWEETS, "optimizer=adamw_bf16", "precision=bf16-true"),
    "causal-lm": GPT2,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenes", nargs="*", metavar="SCENE", help=f"some of {', '.join(SCENES)}; default: all")
    parser.add_argument("--data", type=Path, help="a folder with train.jsonl and validation.jsonl")
    args = parser.parse_args()
    if unknown := set(args.scenes) - set(SCENES):
        parser.error(f"{', '.join(sorted(unknown))}: no such scene; the scenes are {', '.join(SCENES)}.")
    if args.data and (fault := rows.find_fault(args.data, ("train", "validation"), STEPS)):
        parser.error(fault)
    print(f"{'':18}{'estimated':>10}{'measured':>10}   ratio")
    with tempfile.TemporaryDirectory() as scratch:
        places = prepare(Path(scratch), args.data)
        ratios = [compare_scene(name, places) for name in args.scenes or SCENES]
    sys.exit(any(abs(ratio - 1) > WITHIN for ratio in ratios))


def prepare(root: Path, data: Path | None) -> dict[str, Any]:
    """Make what the placeholders in the scenes' arguments stand for."""
    os.environ["HONE_CACHE"] = str(root / "cache")
    return {
        "root": root,
        "tweets": data.resolve() if data else rows.write_tweets(root / "tweets", 3000),
        "long": rows.write_long(root / "long", 1000),
        "checkpoint": rows.find_minilm() or rows.make_minilm_lookalike(root / "checkpoint"),
    }


def compare_scene(name: str, places: dict[str, Any]) -> float:
    words = [*RUN, *(word.format(**places) for word in SCENES[name]), f"output_root={places['root']}/runs"]
    plan = run_hone(places["root"] / "plan.json", "plan", *words, "plan.time=false", "plan.format=json")[0]
    expected = float(json.loads(plan)["memory"]["total"])
    _, measured = run_hone(places["root"] / "train.txt", "train", *words)
    ratio = expected / measured
    print(f"{name:18}{expected / 1e6:7.0f} MB{measured / 1e6:7.0f} MB{ratio:8.2f}", flush=True)
    return ratio


def run_hone(output: Path, *words: str) -> tuple[str, int]:
    """Run a command and return its standard output and its peak memory."""
    command = [sys.executable, "-m", "hone", *words]
    with output.open("w") as out, tempfile.TemporaryFile("w+") as noise:
        process = subprocess.Popen(command, stdout=out, stderr=noise)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        noise.seek(0)
        if process.returncode:
            sys.exit(f"{' '.join(command)} ended with {process.returncode}:\n{noise.read()[-3000:]}")
    return output.read_text(), usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
