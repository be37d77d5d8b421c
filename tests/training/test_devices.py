"""Other precisions, several processes, other people's trainers."""

import os
import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from lightning.fabric import Fabric
from lightning.fabric.utilities.warnings import PossibleUserWarning
from safetensors.torch import load_file
from transformers import ViTConfig, ViTModel

from conftest import SMALL, Hone, journal, only_run, record
from harness import Training, distance
from hone.training.fabric import make_fabric
from hone.training.module import Module
from hone.training.optim.optimizers import Optimizer
from hone.training.precision import mean_width, resolve_precision

WORDS = (
    "tracker=none", "accelerator=cpu", "dataset.train=70", "dataset.validation=30", "dataset.test=10", "steps=20",
    "epochs=null", "+checkpoint.hyperparameters={hidden_dropout_prob:0.0,attention_probs_dropout_prob:0.0}",
    "log_every=1",
)  # fmt: skip


def model(name: str) -> dict[str, torch.Tensor]:
    return load_file(only_run(f"outputs/{name}") / "model/model.safetensors")


@pytest.mark.slow
def test_two_processes_are_one_with_twice_the_batch(process: Hone) -> None:
    """70 rows in batches of 8 end in one of 6: shared unevenly, and the weights count rows all the same."""
    one = process("train", *WORDS, "precision=32-true", "batch_size=8", "name=one")
    two = process("train", *WORDS, "precision=32-true", "batch_size=4", "devices=2", "strategy=ddp", "name=two")
    assert one.code == 0, one.said
    assert two.code == 0, two.said
    assert two.out.count("best *") == 1, "only the first process speaks"
    ours, theirs = model("one"), model("two")
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in ours if "key.bias" not in name) < 1e-4
    scores = record(only_run("outputs/one"))["scores"]
    assert record(only_run("outputs/two"))["scores"] == pytest.approx(scores, abs=1e-3)


@pytest.mark.slow
def test_a_process_may_have_nothing_to_evaluate(process: Hone) -> None:
    """Six rows are one batch, which one of the two processes has."""
    words = ("precision=32-true", "batch_size=4", "devices=2", "dataset.validation=6", "dataset.test=6", "steps=4")
    done = process("train", *WORDS, *words)
    assert done.code == 0, done.said


@pytest.mark.slow
def test_a_mistake_among_processes_is_still_one_message(process: Hone) -> None:
    wrong = process("train", *WORDS, "devices=2", "monitor=nonsense")
    assert wrong.code == 2
    assert "monitor=nonsense" in wrong.err
    assert "Traceback" not in wrong.err


FAULTY = """
import math
import torch
from hone.training import loop
passes = loop.run_passes

def faulty(fabric, state, step, targets):
    if fabric.global_rank == {rank} and step.number == 5 and not state.retries.total:
        {fault}
    return passes(fabric, state, step, targets)

loop.run_passes = faulty
"""
"""Imported by each process when it starts: a fault in one of them."""


@pytest.mark.slow
@pytest.mark.parametrize("rank", [0, 1])
def test_one_process_without_memory_is_one_message(rank: int, process: Hone, tmp_path: Path) -> None:
    """The others wait for it in the middle of a pass, so that they cannot agree on smaller ones."""
    fault = 'raise torch.OutOfMemoryError("CUDA out of memory.")'
    (tmp_path / "sitecustomize.py").write_text(FAULTY.format(rank=rank, fault=fault))
    done = process("train", *WORDS, "batch_size=4", "devices=2", PYTHONPATH=path_with(tmp_path))
    assert done.code == 1
    assert done.err.splitlines()[-1].startswith("hone: Out of memory in step 5, with 4 examples")
    assert "Traceback" not in done.said
    assert record(only_run())["reason"].startswith("Out of memory in step 5")


@pytest.mark.slow
def test_all_processes_go_back_if_one_of_them_must(process: Hone, tmp_path: Path) -> None:
    fault = "return passes(fabric, state, step, targets) * math.nan"
    (tmp_path / "sitecustomize.py").write_text(FAULTY.format(rank=1, fault=fault))
    words = ("batch_size=4", "devices=2", "save_every=3", "on_nonfinite=retry")
    done = process("train", *WORDS, *words, PYTHONPATH=path_with(tmp_path))
    assert done.code == 0, done.said
    assert [row["step"] for row in journal(only_run()) if "train/loss" in row] == [*range(1, 21)]
    assert record(only_run())["retries"] == 1


def path_with(folder: Path) -> str:
    return os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))


def test_a_machine_with_srun_is_like_any_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lightning advises to start with `srun` wherever that command exists, unless it is given its environment."""
    program = tmp_path / "srun"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for precision in ("32-true", "bf16-mixed", "bf16-true"):
            assert make_fabric("cpu", precision).world_size == 1
    with pytest.warns(PossibleUserWarning, match="`srun` command is available"):
        Fabric(accelerator="cpu", devices=1)


def test_bf16_through_the_command(hone: Hone) -> None:
    done = hone("train", *WORDS, "precision=bf16-mixed")
    assert done.code == 0, done.said
    assert all(tensor.dtype == torch.float32 for tensor in load_file(only_run() / "model/model.safetensors").values())


def test_fp16_clips_whatever_the_optimiser_can_do_itself(tmp_path: Path) -> None:
    """The fused one could also unscale the gradients, for which Fabric does not clip."""
    both = []
    for fused in (True, False):
        algorithm = partial(torch.optim.AdamW, fused=fused)
        optimizer = Optimizer(algorithm, 1e-3, weight_decay=0.01)
        shape = {"optimizer": optimizer, "precision": "16-mixed", "clip_norm": 0.5}
        both.append(Training(tmp_path / str(fused), **shape).start().fit())
    norms = [[row["train/grad_norm"] for row in run.notebook.rows if "train/grad_norm" in row] for run in both]
    assert norms[0] == pytest.approx(norms[1], rel=1e-2)
    assert max(norms[0]) > 0.5, "something was clipped"
    assert distance(both[0].weights, both[1].weights) < 1e-3


WIDE = "checkpoint.hyperparameters={hidden_size:192,intermediate_size:768,num_hidden_layers:1,num_attention_heads:2}"


@pytest.mark.parametrize(
    ("able", "words", "precision"),
    [
        ("avx512_bf16", (WIDE,), "bf16-mixed"),
        pytest.param("avx512_bf16", (), "32-true", marks=pytest.mark.slow),
        pytest.param("avx2", (WIDE,), "32-true", marks=pytest.mark.slow),
    ],
    ids=["wide", "narrow", "wide, emulated"],
)
def test_auto_is_bf16_where_the_processor_is_made_for_it_and_the_network_wide(
    able: str, words: tuple[str, ...], precision: str, hone: Hone, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {able: True})
    small = (*SMALL, "epochs=null", "steps=1", "limit=16", *words, "precision=auto")
    done = hone("train", *small)
    assert done.code == 0, done.said
    assert record(only_run())["precision"] == precision
    assert precision in done.out
    assert precision in hone("plan", *small, "plan.time=false").out
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": True})
    wide = torch.nn.Linear(512, 512)
    assert resolve_precision("auto", "cpu", wide) == "bf16-mixed"
    assert resolve_precision("auto", "cpu", torch.nn.Linear(64, 64)) == "32-true"
    assert resolve_precision("auto", "cpu", wide, before="32-true") == "32-true", "a run goes on as it began"


def vit(width: int) -> Any:
    config = ViTConfig(
        hidden_size=width, num_hidden_layers=4, num_attention_heads=4, intermediate_size=2 * width, image_size=28,
        patch_size=4, num_channels=1,
    )  # fmt: skip
    return ViTModel(config)


def test_the_mean_width_is_that_of_the_matrices() -> None:
    square = torch.nn.Sequential(torch.nn.Embedding(1000, 5), torch.nn.Linear(48, 48), torch.nn.LayerNorm(48))
    assert mean_width(square) == 48
    assert mean_width(vit(64)) < 80 < 200 < mean_width(vit(384))


@pytest.mark.slow
def test_emulated_bf16_is_warned_of(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict)
    done = hone("train", *WORDS, "precision=bf16-mixed")
    assert done.code == 0, done.said
    assert "precision=bf16-mixed: this hardware only emulates bf16" in done.err


@pytest.mark.filterwarnings("ignore")  # a stock trainer has advice to give
def test_the_module_trains_under_a_stock_trainer(tmp_path: Path) -> None:
    import lightning

    ready = Training(tmp_path).start()
    module = Module(ready.network, ready.data.task, ready.module.layer_map, ready.module.recipe, ready.module.scheduler)
    trainer = lightning.Trainer(
        fast_dev_run=3, accelerator="cpu", enable_progress_bar=False, enable_model_summary=False, logger=False
    )
    before = ready.weights
    trainer.fit(module, datamodule=ready.data)
    assert trainer.global_step == 3
    assert trainer.callback_metrics["validation/f1_macro"] >= 0
    assert any(not torch.equal(before[name], weight) for name, weight in ready.weights.items())
    trainer.test(module, datamodule=ready.data, verbose=False)
    assert "test/accuracy" in trainer.callback_metrics
