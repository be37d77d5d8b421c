"""Models and data sets as artifacts: the real client against a stand-in for its server, and back."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from conftest import SMALL, Hone, only_run, record
from wandb_server.faults import Fault
from wandb_server.server import Server

TRACKED = ("tracker=wandb", "tracker.log_model=true", *SMALL[1:])


@pytest.mark.slow
def test_a_model_and_its_data_arrive(server: Server, process: Hone) -> None:
    done = process("train", *TRACKED)
    assert done.code == 0, done.said
    told, run = record(only_run()), only_run()
    identity = told["tracker"]["id"]
    own = [each for each in server.state.artifacts.values() if each.type in ("dataset", "model")]
    data, model = sorted(own, key=lambda each: each.type)
    assert (data.type, data.name, data.used_by) == ("dataset", "data-tiny_emotion:v0", [identity])
    assert data.metadata == told["data"]
    assert not data.files
    assert (model.type, model.name, model.made_by) == ("model", f"model-{identity}:v0", identity)
    assert model.aliases == {"best", "latest"}
    assert model.metadata["scores"] == pytest.approx(told["scores"])
    assert model.metadata["data"]["fingerprint"] == told["data"]["fingerprint"]
    assert model.files["model.safetensors"] == (run / "model/model.safetensors").read_bytes()
    assert json.loads(model.files["run/run.json"])["state"] == "finished"


@pytest.mark.slow
def test_a_server_that_takes_no_artifact_ends_no_run(server: Server, process: Hone) -> None:
    server.faults.append(Fault(matching="CreateArtifact", status=403, body="no"))
    done = process("train", *TRACKED, "tracker.finish_timeout=8")
    assert done.code == 0, done.said
    assert server.faults[0].seen
    assert record(only_run())["state"] == "finished"
    assert {run.state for run in server.state.runs.values()} == {"finished"}


@pytest.fixture
def kept(server: Server, process: Hone) -> str:
    """A run whose model lies in W&B and nowhere else; its name there."""
    assert process("train", *TRACKED).code == 0
    run = only_run()
    (run / "model").rename("elsewhere")
    return f"wandb:someone/hone/model-{record(run)['tracker']['id']}"


@pytest.mark.slow
def test_a_model_is_read_back(kept: str, process: Hone) -> None:
    told = record(only_run())
    done = process("evaluate", f"checkpoint={kept}:best", "accelerator=cpu")
    assert done.code == 0, done.said
    scores = json.loads(next(Path("evaluation").rglob("test.json")).read_text())["scores"]
    assert {f"test/{name}": value for name, value in scores.items()} == pytest.approx(
        {name: value for name, value in told["scores"].items() if name.startswith("test/")}
    )
    done = process("predict", f"checkpoint={kept}:v0", "text=how lovely", WANDB_BASE_URL="http://127.0.0.1:9")
    assert done.code == 0, done.said  # a version that is here already needs no server
    assert "label" in json.loads(done.out)
    assert "no manifest" not in done.err
    cached = next(Path(os.environ["HONE_CACHE"], "wandb").rglob("model.safetensors"))
    whole = cached.read_bytes()
    cached.write_bytes(whole[:-1] + bytes([whole[-1] ^ 64]))
    done = process("predict", f"checkpoint={kept}:v0", "text=how lovely", WANDB_BASE_URL="http://127.0.0.1:9")
    assert done.code == 2, done.said
    assert "model/model.safetensors: this file is damaged" in done.err
    assert "it is downloaded again" in done.err
    cached.write_bytes(whole)
    done = process("train", *SMALL, "steps=2", "epochs=null", f"checkpoint={kept}", "name=further")
    assert done.code == 0, done.said
    assert record(only_run("outputs/further"))["checkpoint"]["name"] == kept


@pytest.mark.slow
def test_what_is_not_there_is_told(server: Server, process: Hone) -> None:
    done = process("evaluate", "checkpoint=wandb:someone/hone/model-0:best")
    assert (done.code, done.err.count("\n")) == (2, 1), done.said
    assert "W&B does not have it" in done.err


@pytest.mark.slow
def test_an_offline_run_takes_its_model_along(server: Server, process: Hone) -> None:
    assert process("train", *TRACKED, "tracker.mode=offline").code == 0
    assert all(request.startswith("/sdk/otel") for request in server.state.requests)
    told = record(only_run())["tracker"]
    words = [sys.executable, "-m", "wandb", "sync", told["dir"]]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    own = [each for each in server.state.artifacts.values() if each.type in ("dataset", "model")]
    data, model = sorted(own, key=lambda each: each.type)
    assert (data.used_by, model.made_by, model.aliases) == ([told["id"]], told["id"], {"best", "latest"})
    assert model.files["model.safetensors"] == (only_run() / "model/model.safetensors").read_bytes()
    assert process("compare", f"wandb:someone/hone/{told['id']}").code == 0


@pytest.mark.slow
@pytest.mark.parametrize("adapter", ["none", "lora"])
def test_each_best_model_is_a_version(server: Server, process: Hone, adapter: str) -> None:
    words = ("tracker.log_model=all", f"adapter={adapter}", "evaluate_every=1 steps", "epochs=null", "steps=4")
    done = process("train", *TRACKED[:1], *SMALL[1:-1], *words, "monitor=loss")
    assert done.code == 0, done.said
    told = record(only_run())
    *steps, last = sorted(
        (each for each in server.state.artifacts.values() if each.type == "model"), key=lambda each: each.version or 0
    )
    best = f"step-{told['best']['step']:08d}"
    assert len(steps) > 1
    assert (last.aliases, steps[-1].aliases) == ({"best", "latest"}, {best})
    assert [f"step-{each.metadata['best']['step']:08d}" for each in steps] == [*(min(each.aliases) for each in steps)]
    theirs, ours = steps[-1].files, last.files
    assert theirs.keys() == ours.keys()
    same = {name for name in ours if ours[name] == theirs[name]}
    assert same == ours.keys() - {"run/run.json", "run/manifest.json"}  # the manifest has the record's digest
    assert steps[0].files["model.safetensors"] != ours["model.safetensors"]
    name = f"wandb:someone/hone/{steps[0].collection}:{next(iter(steps[0].aliases))}"
    assert process("evaluate", f"checkpoint={name}", "split=validation").code == 0
