"""What all tests share: folders of their own, no network, and the `hone` command as a function or as a process."""

import atexit
import copy
import gc
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wandb_server.server import Server, serving

ROOT = Path(__file__).parents[1]
PROTOTYPES = ROOT / "tests" / "support" / "prototypes"

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false", "WANDB_SILENT": "true", "COLUMNS": "200"}
os.environ["OMP_NUM_THREADS"] = "1"  # tests may run side by side, and small networks gain nothing from more
os.environ["WANDB_BASE_URL"] = "http://127.0.0.1:9"  # nobody listens there, and nothing may leave this machine
caches = tempfile.TemporaryDirectory(prefix="hone-tests-")  # here, for `datasets` looks for its own when it is imported
atexit.register(caches.cleanup)
os.environ |= {"HONE_CACHE": f"{caches.name}/hone", "HF_HOME": f"{caches.name}/huggingface"}
for word in ("HF_TOKEN", "HYDRA_FULL_ERROR", "HONE_TRUST"):
    os.environ.pop(word, None)
for word in ("API_KEY", "MODE", "PROJECT", "ENTITY", "TAGS", "SWEEP_ID", "RUN_ID"):
    os.environ.pop(f"WANDB_{word}", None)
sys.path.insert(0, str(PROTOTYPES))


@dataclass(frozen=True)
class Outcome:
    """How a command ended and what it said."""

    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


Hone = Callable[..., Outcome]

SMALL = (
    "tracker=none",
    "precision=32-true",
    "dataset.train=96",
    "dataset.validation=32",
    "dataset.test=32",
    "epochs=1",
)
"""A run of the defaults that takes a second."""


_TINY = "{hidden_size: 16, num_hidden_layers: 1, intermediate_size: 16, num_attention_heads: 2}"
TWO_CHECKPOINTS = (
    *SMALL, "limit=8", "batch_size=4", "log_every=1", "save_every=1", f"checkpoint.hyperparameters={_TINY}",
)  # fmt: skip
"""Two steps and two checkpoints, in half a second."""


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Garbage collection walks through all that is imported, again and again: it has nothing to find there."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(autouse=True, scope="session")
def configs_parsed_once() -> Iterator[None]:
    """Hydra parses the same files for every command; a text that was parsed before is copied instead."""
    from omegaconf import OmegaConf

    parse, parsed = OmegaConf.load, {}

    def load(file: Any) -> Any:
        if not hasattr(file, "read"):
            return parse(file)
        start, text = file.tell(), file.read()
        if text not in parsed:
            file.seek(start)  # so that an error names the file
            parsed[text] = parse(file)
        return copy.deepcopy(parsed[text])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OmegaConf, "load", staticmethod(load))
        yield


@pytest.fixture(autouse=True)
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def quick_disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """No machine goes down in the quick tests, and waiting for the disk would take much of their time."""
    if request.node.get_closest_marker("slow") is None:
        monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def hone(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Hone:
    """The command, in this process."""
    from hone.cli import main

    def run(*words: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["hone", *words])
        capfd.readouterr()
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capfd.readouterr()
        return Outcome(int(end.value.code or 0), out, err)

    return run


@pytest.fixture
def process() -> Hone:
    """The command, in a process of its own, as a user runs it."""

    def run(*words: str, **env: str) -> Outcome:
        done = subprocess.run(
            [sys.executable, "-m", "hone", *words],
            capture_output=True,
            text=True,
            timeout=300,
            env={**os.environ, **env},
        )
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A stand-in for W&B's, and a key for it."""
    with serving() as served:
        monkeypatch.setenv("WANDB_BASE_URL", served.address)
        monkeypatch.setenv("WANDB_API_KEY", "0123456789" * 4)
        yield served


def runs(root: str | Path = "outputs") -> list[Path]:
    """The folders of all runs below, oldest first."""
    return sorted(path.parent.resolve() for path in Path(root).glob("**/run.json"))


def only_run(root: str | Path = "outputs") -> Path:
    found = runs(root)
    assert len(found) == 1, found
    return found[0]


def train_in(folder: Path, *words: str) -> Path:
    """Train in a folder, in this process, for fixtures that outlive a test; return the run's folder."""
    from hone.cli import main

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["hone", "train", *words])
        with pytest.raises(SystemExit) as end:
            main()
    assert end.value.code == 0
    return only_run(folder)


def record(folder: Path) -> dict[str, Any]:
    """The content of a run's record, without its seal: what is written back is accepted, as if edited by hand."""
    content = json.loads((folder / "run.json").read_text())
    return {key: value for key, value in content.items() if key != "sha256"}


def journal(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
