"""What a run does without, and that it is there as soon as somebody wants it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conftest import SMALL, Hone, only_run, record

MARKED = """
import torch
@torch.compiler.disable
def left_alone(values): return values + 1
@torch.compiler.allow_in_graph
def taken_whole(values): return values * 2
@torch._dynamo.assume_constant_result
def constant(): return 3
"""
COMPILED = """
from torch._dynamo import config
from lightning.fabric.wrappers import OptimizedModule
from transformers import masking_utils
import torch._dynamo.testing, torch._dynamo.utils, torch._dynamo._trace_wrapped_higher_order_op as indexing
def broken(values): return left_alone(values).sin()
def whole(values): return taken_whole(values).sin() * constant()
layer, values = torch.nn.Linear(3, 3), torch.ones(2, 3)
told["same"] = torch.allclose(torch.compile(layer)(values), layer(values), atol=1e-6)
told["whole"] = torch.allclose(torch.compile(whole, fullgraph=True)(values), whole(values))
told["broken"] = torch.allclose(torch.compile(broken)(values), broken(values))
torch._dynamo.reset()
try:
    told["refused"] = not torch.compile(broken, fullgraph=True)(values).numel()
except torch._dynamo.exc.Unsupported:
    told["refused"] = True
told["compiled"] = isinstance(torch.compile(layer), OptimizedModule) and not isinstance(layer, OptimizedModule)
told["one"] = OptimizedModule is torch._dynamo.OptimizedModule and config is sys.modules["torch._dynamo.config"]
told["names"] = masking_utils.TransformGetItemToIndex is indexing.TransformGetItemToIndex
told["spec"] = torch._dynamo.utils.__spec__.origin == torch._dynamo.utils.__file__
told["stepped_back"] = not any("torch._dynamo" in getattr(finder, "answers", ()) for finder in sys.meta_path)
"""
FIRST = "from hone.lean import spare; spare(compiler=True); spare(compiler=True)\n"
HEAVY = ("torch._dynamo.convert_frame", "torch._inductor", "sympy", "scipy.stats")
TRAINED = f"""
from pathlib import Path
from hone.cli import main
def hone(*words):
    sys.argv = ["hone", *words]
    try:
        main()
    except SystemExit as end:
        told["code"] = told.get("code", 0) or end.code or 0
hone("train", *{SMALL}, "name=plain")
run = next(Path("outputs").glob("plain/*"))
hone("train", *{SMALL}, "name=again", "checkpoint=hub", f"checkpoint.path={{run}}/model", "checkpoint.lr=1e-3")
hone("evaluate", f"run={{run}}")
hone("predict", f"run={{run}}", "text=fine")
told["heavy"] = [name for name in {HEAVY} if name in sys.modules]
"""
READ = """
from hone.cli import main
told["codes"] = []
def hone(*words):
    sys.argv = ["hone", *words]
    try:
        main()
    except SystemExit as end:
        told["codes"].append(end.code or 0)
"""
LOADED = "told['heavy'] = [name for name in ('torch', 'transformers', 'datasets') if name in sys.modules]"


def told_by(*parts: str) -> dict[str, Any]:
    """What a process of its own finds."""
    script = "\n".join(["import json, sys", "told = {}", *parts, "json.dump(told, open('told.json', 'w'))"])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(Path("told.json").read_text())
    return found


@pytest.mark.slow
def test_no_command_loads_a_compiler() -> None:
    assert told_by(TRAINED) == {"code": 0, "heavy": []}


def test_what_only_reads_loads_no_torch(hone: Hone) -> None:
    assert hone("train", *SMALL).code == 0
    words = ("sync outputs", "sync outputs dry_run=true", "compare outputs", "train -m seed=0,1 batch_size=none")
    assert told_by(READ, f"for words in {words}: hone(*words.split())", LOADED) == {"codes": [0, 0, 0, 2], "heavy": []}


@pytest.mark.slow
def test_names_and_marks_are_those_of_the_compiler() -> None:
    found = told_by(FIRST, MARKED, "import lightning.fabric, transformers.masking_utils", COMPILED)
    assert all(found.values()), found


@pytest.mark.slow
def test_a_job_that_compiles_after_one_that_does_not() -> None:
    words = ("name=compiled", "compile=true", "checkpoint.hyperparameters={num_hidden_layers:1}")
    found = told_by(TRAINED, f"hone('train', *{SMALL}, *{words})")
    assert found == {"code": 0, "heavy": []}
    assert "layers are compiled" in (only_run("outputs/compiled") / "log.txt").read_text()


@pytest.mark.slow
def test_optimisers_are_there_for_who_wants_them() -> None:
    found = told_by(
        FIRST,
        "import transformers.loss.loss_utils, transformers.loss.loss_for_object_detection as loss, sys",
        "told['heavy'] = [name for name in ('scipy.stats', 'scipy.optimize._linprog') if name in sys.modules]",
        "told['paired'] = loss.linear_sum_assignment([[2.0, 1.0], [1.0, 2.0]])[1].tolist()",
        "import scipy.optimize",
        "told['least'] = bool(scipy.optimize.minimize(lambda x: x[0] ** 2, [1.0]).fun < 1e-6)",
        "told['real'] = loss.linear_sum_assignment is scipy.optimize.linear_sum_assignment",
    )
    assert found == {"heavy": [], "paired": [1, 0], "least": True, "real": True}


@pytest.mark.slow
def test_signals_are_there_for_who_wants_them() -> None:
    found = told_by(
        FIRST,
        "import torchmetrics, scipy.signal",
        "told['heavy'] = [name for name in ('scipy.stats', 'scipy.signal._spline') if name in sys.modules]",
        "told['there'] = float(scipy.signal.windows.hamming(3)[1])",
        "told['file'] = scipy.signal.__file__ is not None",
    )
    assert found == {"heavy": [], "there": 1.0, "file": True}


@pytest.mark.slow
def test_wandb_imports_its_launch_service_for_who_uses_it() -> None:
    tracked = ("tracker=wandb", "tracker.mode=offline", *SMALL[1:])
    found = told_by(
        TRAINED.partition("\nhone(")[0],
        f"hone('train', *{tracked})",
        "told['before'] = 'wandb.sdk.launch' in sys.modules",
        "from wandb.sdk.launch.inputs.internal import StagedLaunchInputs",
        "StagedLaunchInputs.apply = lambda self, run: told.setdefault('asked', run.id)",
        f"hone('train', *{tracked}, 'name=again')",
    )
    assert found == {"code": 0, "before": False, "asked": record(only_run("outputs/again"))["tracker"]["id"]}
