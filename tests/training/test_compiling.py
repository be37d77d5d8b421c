"""Compiled layers: the losses of layers in Python, few compilations, and names that nobody can tell apart."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_resume import everything, fit_until

from conftest import SMALL, Hone, journal, only_run
from harness import NO_DROPOUT, Training, distance
from hone.data.batching import Random

pytestmark = pytest.mark.filterwarnings("default")  # the compiler has some of its own, and PyTorch knows of them

TINY = {"num_hidden_layers": 2, "hidden_size": 32, "intermediate_size": 32, **NO_DROPOUT}


def compilations() -> int:
    from torch._dynamo.utils import counters

    return counters["stats"]["unique_graphs"]


@pytest.fixture(autouse=True)
def nothing_compiled_yet() -> None:
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{}, {"batching": Random(pack=False)}, {"gradient_checkpointing": True}])
def test_losses_are_those_of_python(tmp_path: Path, changes: dict[str, Any]) -> None:
    plain = Training(tmp_path / "a", hyperparameters=TINY, evaluate_every=7, **changes).start().fit()
    started = Training(tmp_path / "b", hyperparameters=TINY, evaluate_every=7, compile=True, **changes).start()
    tried = compilations()
    started.fit()
    assert compilations() > tried
    assert started.losses == pytest.approx(plain.losses, abs=1e-4)
    assert distance(started.weights, plain.weights) < 1e-3
    assert everything(started).keys() == everything(plain).keys()


@pytest.mark.slow
def test_more_layers_and_more_widths_compile_nothing_more(tmp_path: Path) -> None:
    counts = []
    for layers, epochs in ((1, 1.0), (5, 4.0)):
        torch._dynamo.reset()
        before = compilations()
        told = {"hyperparameters": {**TINY, "num_hidden_layers": layers}, "epochs": epochs, "compile": True}
        Training(tmp_path / str(layers), **told).start().fit()
        counts.append(compilations() - before)
    assert 1 < counts[0] <= counts[1] <= counts[0] + 6 <= 16, counts


@pytest.mark.slow
def test_it_goes_on(tmp_path: Path) -> None:
    """Dropout is on: what is compiled draws it from the step's seed as Python does."""
    told = {"hyperparameters": {"num_hidden_layers": 1}, "epochs": 1.0, "compile": True}
    straight = Training(tmp_path / "a", **told).start().fit()
    fit_until(Training(tmp_path / "b", **told).start(), 5)
    resumed = Training(tmp_path / "b", **told).start().fit()
    assert resumed.losses == straight.losses[5:]
    assert distance(resumed.weights, straight.weights) < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_through_the_command(adapter: str, hone: Hone) -> None:
    small = (
        *SMALL,
        f"adapter={adapter}",
        f"checkpoint.hyperparameters={TINY}".replace("'", "").replace(" ", ""),
        "log_every=1",
    )
    assert hone("train", *small, "name=plain").code == 0
    done = hone("train", *small, "name=compiled", "compile=true")
    assert done.code == 0, done.said
    plain, compiled = only_run("outputs/plain"), only_run("outputs/compiled")
    assert "2 layers are compiled" in (compiled / "log.txt").read_text()
    ours, theirs = ([row["train/loss"] for row in journal(run) if "train/loss" in row] for run in (plain, compiled))
    assert theirs == pytest.approx(ours, abs=1e-4)
    for file in ("model/model.safetensors", "checkpoints/step-00000006/weights.safetensors"):
        assert load_file(compiled / file).keys() == load_file(plain / file).keys()


@pytest.mark.slow
def test_without_a_compiler_it_trains_and_says_so(process: Hone, tmp_path: Path) -> None:
    done = process("train", *SMALL, "compile=true", PATH="", TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "cache"))
    assert done.code == 0, done.said
    assert done.said.count("compile=true: nothing can be compiled on this machine") == 1
    assert "the run continues uncompiled" in done.said
    assert "Traceback" not in done.said


def test_a_network_without_layers_of_its_own_says_so(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hone.models.layers._find_layer_lists", lambda *parts: {})
    done = hone("train", *SMALL, "compile=true")
    assert done.code == 0, done.said
    assert "compile=true: no layers were recognised" in done.err
