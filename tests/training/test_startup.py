"""What a command imports and how it sets its process up."""

import gc
import importlib
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from conftest import SMALL, Hone, only_run, record
from hone.core.process import import_without_gc

COMMAND = """
import json, sys
from hone.cli import main
seen = {"codes": []}
def hone(*words):
    sys.argv = ["hone", *words]
    try:
        main()
    except SystemExit as end:
        seen["codes"].append(end.code or 0)
"""
REUSED = """
import json, resource, torch
from hone.training.fabric import make_fabric
make_fabric("cpu", "32-true")
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(16_000_000).zero_()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
seen = {"faults": [faults() for _ in range(8)]}
"""
LIBRARY = """
import gc
searched = gc.isenabled()
"""


def seen_by(*parts: str) -> dict[str, Any]:
    """What a process of its own finds."""
    script = "\n".join([*parts, "json.dump(seen, open('seen.json', 'w'))"])
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(Path("seen.json").read_text())
    return seen


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A module that notes whether garbage is searched for while it is imported."""
    Path("a_library.py").write_text(LIBRARY)
    Path("a_broken_library.py").write_text("raise ImportError('broken')")
    monkeypatch.syspath_prepend(str(Path.cwd()))
    importlib.invalidate_caches()
    yield "a_library"
    gc.unfreeze()
    sys.modules.pop("a_library", None)


def test_garbage_is_searched_for_only_when_all_is_imported(library: str) -> None:
    gc.unfreeze()
    assert not import_without_gc(library).searched
    assert gc.isenabled()
    assert gc.get_freeze_count() > 0
    gc.unfreeze()
    assert import_without_gc(library) is sys.modules[library]
    assert gc.get_freeze_count() == 0, "nothing was imported this time"


def test_garbage_is_searched_for_after_a_failed_import(library: str) -> None:
    with pytest.raises(ImportError, match="broken"):
        import_without_gc("a_broken_library")
    assert gc.isenabled()


@pytest.mark.slow
def test_commands_pause_the_search(hone: Hone) -> None:
    words = f"hone('train', *{SMALL}); seen['frozen'] = gc.get_freeze_count(); seen['searched'] = gc.isenabled()"
    seen = seen_by(COMMAND, "import gc", words)
    assert seen["codes"] == [0]
    assert seen["searched"]
    assert seen["frozen"] > 100_000


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
@pytest.mark.slow
def test_freed_memory_is_used_again() -> None:
    """A tensor of 64 MB has 16,000 pages. After a few tensors of that size, further ones fault none of them in."""
    faults = seen_by(REUSED)["faults"]
    assert faults[0] > 1000
    assert faults[-1] < 1000


@pytest.mark.slow
def test_what_only_reads_loads_no_torch(hone: Hone) -> None:
    assert hone("train", *SMALL).code == 0
    words = ("sync outputs", "sync outputs dry_run=true", "compare outputs", "train -m seed=0,1 batch_size=none")
    loaded = "seen['heavy'] = [name for name in ('torch', 'transformers', 'datasets') if name in sys.modules]"
    seen = seen_by(COMMAND, f"for words in {words}: hone(*words.split())", loaded)
    assert seen == {"codes": [0, 0, 0, 2], "heavy": []}


@pytest.mark.slow
def test_wandb_imports_its_launch_service_for_who_uses_it() -> None:
    tracked = ("tracker=wandb", "tracker.mode=offline", *SMALL[1:])
    seen = seen_by(
        COMMAND,
        f"hone('train', *{tracked})",
        "seen['before'] = 'wandb.sdk.launch' in sys.modules",
        "from wandb.sdk.launch.inputs.internal import StagedLaunchInputs",
        "StagedLaunchInputs.apply = lambda self, run: seen.setdefault('asked', run.id)",
        f"hone('train', *{tracked}, 'name=again')",
    )
    assert seen == {"codes": [0, 0], "before": False, "asked": record(only_run("outputs/again"))["tracker"]["id"]}
