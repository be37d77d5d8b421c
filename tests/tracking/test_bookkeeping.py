"""What `run.json` stores for trackers: any tracker can go on with its own run, and nobody else needs to know how."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import pytest

from hone.core.errors import UserError
from hone.runs.record import require_run
from hone.tracking.bookkeeping import Stored, TrackedRun, incomplete, stored_for
from hone.tracking.exhibits import Exhibit
from hone.tracking.tracker import NoTracker, RunInfo, Several, Tracker

INFO = RunInfo("a", "a", "g", "", {}, Path(), Path())


class Elsewhere(Tracker):
    """A tracker with a server of its own."""

    name: ClassVar[str] = "elsewhere"

    def __init__(self, takes_all: bool = True) -> None:
        self.takes_all = takes_all
        self.calls: list[str] = []

    def reserve(self) -> None:
        self.memory = self.memory or {"key": f"{self.name}-1"}

    def start(self, run: RunInfo) -> None:
        self.calls.append("start")
        self.memory = {**self.memory, "open": True}

    def catch_up(self, rows: Sequence[Mapping[str, Any]]) -> None: ...

    def log(self, number: int, row: Mapping[str, Any]) -> None: ...

    def exhibit(self, name: str, exhibit: Exhibit, step: int | None = None) -> None: ...

    def page(self, name: str, html: str) -> None: ...

    def finish(self, state: str, exit_code: int, summary: Mapping[str, Any]) -> None:
        self.calls.append("finish")
        if self.takes_all:
            self.memory = {**self.memory, "sent": True}

    def advice(self) -> str | None:
        return None


@final
class Another(Elsewhere):
    """And one more."""

    name: ClassVar[str] = "another"


def lived(tracker: Tracker, stored: Stored = None) -> list[Stored]:
    """What is stored, one after the other, while a run begins and ends."""
    seen: list[Stored] = []
    tracked = TrackedRun(tracker, incomplete(stored), seen.append)
    tracked.begin(INFO)
    tracked.end("finished", 0, {})
    return seen


def test_an_id_is_stored_before_the_run_is_opened() -> None:
    seen = lived(Elsewhere())
    assert seen[0] == {"name": "elsewhere", "key": "elsewhere-1"}
    assert seen[-1] == {"name": "elsewhere", "key": "elsewhere-1", "open": True, "sent": True}


def test_a_run_goes_on_with_what_was_stored() -> None:
    again = lived(Elsewhere(takes_all=False), {"name": "elsewhere", "key": "mine", "sent": True})
    assert again[0] == {"name": "elsewhere", "key": "mine"}, "from here on not all of it is there"
    assert again[-1] == {"name": "elsewhere", "key": "mine", "open": True}


def test_each_of_several_has_its_own() -> None:
    (*_, both) = lived(Several(one=Elsewhere(), two=Another(takes_all=False), three=NoTracker()))
    assert stored_for(both, "elsewhere") == {"key": "elsewhere-1", "open": True, "sent": True}
    assert stored_for(both, "another") == {"key": "another-1", "open": True}
    (*_, alone) = lived(Another(), both)
    assert stored_for(alone, "elsewhere") == {"key": "elsewhere-1", "open": True}, "it misses what came since"
    assert stored_for(alone, "another") == {"key": "another-1", "open": True, "sent": True}
    assert lived(NoTracker(), alone)[-1] == incomplete(alone)
    assert lived(NoTracker()) == [None] * 3


def test_one_that_fails_can_be_synced_later(caplog: pytest.LogCaptureFixture) -> None:
    class Failing(Elsewhere):
        def start(self, run: RunInfo) -> None:
            raise OSError("no server")

    (*_, stored) = lived(Several(one=Failing()))
    assert stored == {"name": "elsewhere", "key": "elsewhere-1"}
    assert "Failing failed (no server)" in caplog.text


def test_scores_that_come_later_go_to_those_that_have_the_rest(tmp_path: Path) -> None:
    from hone.runs.folder import Folder

    (*_, both) = lived(Several(one=Elsewhere(), two=Another(takes_all=False)))
    has_all, lacks_some = Elsewhere(), Another()
    seen: list[Stored] = []
    TrackedRun(Several(one=has_all, two=lacks_some), both, seen.append).amend(INFO, Folder(tmp_path), "finished", {})
    assert has_all.calls == ["start", "finish"]
    assert not lacks_some.calls
    assert (stored_for(seen[0], "elsewhere") or {}).get("sent") is None, "a kill now must not lose the scores"
    assert (stored_for(seen[-1], "elsewhere") or {})["sent"]
    assert (stored_for(seen[-1], "another") or {})["amended"]


def test_a_config_is_checked_without_a_download(monkeypatch: pytest.MonkeyPatch) -> None:
    from hone.tracking.wandb import models

    monkeypatch.setattr(models, "download_model", lambda text: pytest.fail("it was downloaded"))
    require_run("wandb:someone/hone/model-1a2b3c4d:best")
    with pytest.raises(UserError, match="expected wandb:entity/project/name:alias"):
        require_run("wandb:someone/hone")
    with pytest.raises(UserError, match="no run there"):
        require_run("nowhere")
