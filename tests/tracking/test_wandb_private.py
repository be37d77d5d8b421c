"""What hone uses of W&B's client that the client does not promise: each fails here by its name when it is gone."""

import importlib
import inspect
import re
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest
import wandb

from hone.tracking.wandb import workarounds

NAMES = [(place, name) for place, names in workarounds.PRIVATE_NAMES.items() for name in names]


@pytest.mark.parametrize(("place", "name"), NAMES)
def test_a_private_name_is_where_it_was(place: str, name: str) -> None:
    module, _, owner = place.rpartition(".")
    source = inspect.getsource(getattr(importlib.import_module(module), owner))
    assert re.search(rf"\b{name}\b", source), f"wandb {wandb.__version__}: {owner} has no {name} any more"


def test_every_private_name_is_listed() -> None:
    """No other file of ours may use one, and this file only those in the list."""
    listed = {name for _, name in NAMES}
    own = inspect.getsource(workarounds).partition("class _SilentApi")[2]
    used = set(re.findall(r"(?:run|service|_proc|setup\(\))\.(_[a-z]\w+)", own)) | {
        workarounds._ASK,
        *workarounds.SETTINGS,
    }
    assert used <= listed
    for path in Path(workarounds.__file__).parent.glob("*.py"):
        if path.name != "workarounds.py":
            assert not re.findall(r"(?:\brun|api|wandb|artifact)\._[a-z]\w+", path.read_text()), path.name


def test_a_run_asks_the_silent_api() -> None:
    run = SimpleNamespace()
    workarounds.ask_nothing(run)
    api = wandb.Run._public_api(run)  # type: ignore[arg-type]
    assert type(api).__module__ == workarounds.__name__
    theirs = importlib.import_module("wandb.apis.public.api").Api
    for name in ("_expected_artifact_type", "_set_artifact_save_handle"):
        words = dict.fromkeys(list(inspect.signature(getattr(theirs, name)).parameters)[1:], "")
        assert getattr(api, name)(**words) is None


def test_the_launch_service_is_asked_only_if_it_was_imported(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []
    monkeypatch.setattr(wandb.Run, "_detect_and_apply_job_inputs", asked.append)
    monkeypatch.delitem(sys.modules, "wandb.sdk.launch", raising=False)
    workarounds.launch_nothing()
    run = SimpleNamespace()
    wandb.Run._detect_and_apply_job_inputs(run)  # type: ignore[arg-type]
    assert not asked
    monkeypatch.setitem(sys.modules, "wandb.sdk.launch", SimpleNamespace())
    wandb.Run._detect_and_apply_job_inputs(run)  # type: ignore[arg-type]
    assert asked == [run]


def test_the_service_is_gone_when_it_is_abandoned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the client's own teardown, which ends a service only as long as a server answers."""
    settings = wandb.Settings(console="off", silent=True, **workarounds.SETTINGS)
    wandb.init(mode="offline", dir=str(tmp_path), reinit="create_new", settings=settings)
    service = wandb.setup()._connection._proc._process  # type: ignore[union-attr]
    assert service.poll() is None
    with monkeypatch.context() as patch:
        patch.setattr(wandb, "teardown", lambda: None)
        workarounds.abandon()
    gone = service.poll()
    with suppress(Exception, SystemExit):
        wandb.teardown()
    assert gone is not None, "nothing has ended it"
