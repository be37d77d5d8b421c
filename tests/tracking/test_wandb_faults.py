"""W&B's server in every kind of trouble: no training fails or waits, one line says what to do, no row is lost."""

import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import trustme

from conftest import ROOT, SMALL, Hone, Outcome, journal, only_run, record, runs
from wandb_server.faults import NEVER, PROXY, Fault
from wandb_server.server import Server

LIMITS = ("tracker.init_timeout=4", "tracker.finish_timeout=4")
TRACKED = ("tracker=wandb", *SMALL[1:-1], "epochs=null", "steps=24", "log_every=1", "evaluate_every=12", *LIMITS)
LOG = 0.2
"""Seconds that a row may keep the training waiting, and 15 before it begins; as `clocked.py` takes the time."""


class Clocked:
    """A run, and how long each call of its tracker took at most."""

    def __init__(self, *words: str, **env: str) -> None:
        program = [sys.executable, str(ROOT / "tests/support/clocked.py"), "train", *TRACKED, *words]
        done = subprocess.run(
            program, capture_output=True, text=True, timeout=120, stdin=subprocess.DEVNULL,
            env={**os.environ, "HONE_CLOCK": "clock.json", **env},
        )  # fmt: skip
        self.outcome = Outcome(done.returncode, done.stdout, done.stderr)
        self.took: Mapping[str, float] = json.loads(Path("clock.json").read_text())

    def require_unharmed(self) -> None:
        assert self.outcome.code == 0, self.outcome.said
        assert record(only_run())["state"] == "finished"
        assert len([row for row in journal(only_run()) if "train/loss" in row]) == 24
        assert self.took["start"] < 15
        assert self.took["log"] < LOG, self.took
        assert self.took["finish"] + self.took["after finish"] < 4 + 3, self.took
        assert "Enter your choice" not in self.outcome.said

    def warnings(self) -> list[str]:
        """As W&B's tracker gives them; the terminal breaks them into lines."""
        said = " ".join(self.outcome.err.split())
        return [part for part in said.split("warning: ")[1:] if "W&B" in part]


def require_one_remedy(run: Clocked) -> None:
    (warning,) = run.warnings()
    assert "hone sync outputs" in warning
    assert "sent" not in record(only_run())["tracker"]


def require_synced(server: Server, process: Hone) -> None:
    """The fault is over; what the server has then is what the journal has."""
    server.faults.clear()
    if server.gone.is_set():
        server.come()
    done = process("sync", WANDB_BASE_URL=server.address, WANDB_API_KEY="0123456789" * 4)
    assert done.code == 0, done.said
    require_arrived(server)


def require_arrived(server: Server) -> None:
    assert record(only_run())["tracker"]["sent"]
    arrived = server.state.runs[record(only_run())["tracker"]["id"]]
    rows = journal(only_run())
    assert [row["step"] for row in arrived.history] == [row["step"] for row in rows]
    assert [row.get("train/loss") for row in arrived.history] == [row.get("train/loss") for row in rows]
    assert arrived.state == "finished"


AT_THE_START: dict[str, Fault] = {
    "401": Fault(".", 401, '{"errors": [{"message": "permission denied"}]}'),
    "403": Fault(".", 403),
    "404": Fault(".", 404),
    "429": Fault(".", 429, headers={"Retry-After": "1"}),
    "500": Fault(".", 500),
    "a proxy's page": Fault(".", 200, PROXY),
    "a proxy's error": Fault(".", 502, PROXY),
    "no answer": Fault(".", delay=NEVER),
    "hung up": Fault(".", drop=True),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", AT_THE_START.values(), ids=AT_THE_START)
def test_a_fault_at_the_start(fault: Fault, server: Server, process: Hone) -> None:
    fault.seen = 0
    server.faults.append(fault)
    run = Clocked()
    assert fault.seen
    run.require_unharmed()
    assert record(only_run())["tracker"]["mode"] == "offline"
    require_one_remedy(run)
    require_synced(server, process)


def address_without(server: Server) -> str:
    server.leave()
    return server.address


def address_nobody_vouches_for(server: Server) -> str:
    """Of a server whose certificate is its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                context.wrap_socket(connection, server_side=True).close()

    threading.Thread(target=serve, daemon=True).start()
    return f"https://127.0.0.1:{listener.getsockname()[1]}"


UNREACHABLE: dict[str, tuple[Callable[[Server], str], str]] = {
    "nobody listens": (address_without, "connection refused"),
    "no such name": (lambda server: "http://nobody.invalid", "nobody.invalid"),
    "TLS on a plain port": (lambda server: server.address.replace("http:", "https:"), "HTTP response to HTTPS client"),
    "a certificate of its own": (address_nobody_vouches_for, "certificate signed by unknown authority"),
}
"""The address, and what W&B's own log must say."""


@pytest.mark.slow
@pytest.mark.parametrize(("address", "sign"), UNREACHABLE.values(), ids=UNREACHABLE)
def test_no_server_at_the_start(address: Callable[[Server], str], sign: str, server: Server, process: Hone) -> None:
    run = Clocked(WANDB_BASE_URL=address(server))
    logs = [path.read_text() for path in Path("outputs/wandb").rglob("debug-internal.log")]
    assert any(sign in log for log in logs), logs
    run.require_unharmed()
    assert record(only_run())["tracker"]["mode"] == "offline"
    require_one_remedy(run)
    require_synced(server, process)


@pytest.mark.slow
def test_a_slow_server_is_waited_for(server: Server) -> None:
    slow = Fault("Viewer|UpsertBucket", delay=1.5)
    server.faults.append(slow)
    run = Clocked("tracker.init_timeout=10", "tracker.finish_timeout=20")
    assert slow.seen
    assert run.outcome.code == 0, run.outcome.said
    assert 1.5 < run.took["start"] < 15
    assert run.warnings() == []
    assert record(only_run())["tracker"]["sent"]


@pytest.mark.slow
@pytest.mark.parametrize("required", [False, True])
def test_without_a_key_nobody_is_asked_for_one(required: bool, server: Server, process: Hone) -> None:
    words = ("tracker.mode=online", f"tracker.required={required}")
    nothing = {"WANDB_API_KEY": "", "NETRC": "/dev/null", "HOME": str(Path.cwd())}
    run = Clocked(*words, **nothing)
    if required:
        assert run.outcome.code == 2
        assert run.outcome.err.count("tracker.required=true") == 1
        assert runs() == []
        return
    run.require_unharmed()
    require_one_remedy(run)
    require_synced(server, process)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["401", "500", "a proxy's page"])
def test_required_a_fault_is_a_mistake(name: str, server: Server) -> None:
    fault = AT_THE_START[name]
    fault.seen = 0
    server.faults.append(fault)
    run = Clocked("tracker.required=true")
    assert fault.seen
    assert run.outcome.code == 2
    assert run.outcome.err.count("tracker.required=true") == 1
    assert "Traceback" not in run.outcome.said
    assert runs() == []


PASSING: dict[str, Fault] = {
    "500": Fault("file_stream", 500, times=1),
    "429": Fault("file_stream", 429, headers={"Retry-After": "1"}, times=1),
    "hung up": Fault("file_stream", drop=True, times=1),
    "late": Fault("file_stream", delay=3.0, times=1),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
def test_a_fault_that_passes_costs_nothing(fault: Fault, server: Server, process: Hone) -> None:
    """The first rows are refused; how soon W&B tries again is its own matter."""
    fault.seen = 0
    server.faults.append(fault)
    run = Clocked("tracker.finish_timeout=10")
    assert fault.seen == 1
    assert run.outcome.code == 0, run.outcome.said
    assert run.took["log"] < LOG
    if not run.warnings():
        require_arrived(server)
        return
    require_one_remedy(run)
    require_synced(server, process)


LASTING: dict[str, Fault] = {
    "401": Fault("file_stream", 401),
    "403 at the end": Fault("file_stream", 403, after=1),
    "404 at the end": Fault("file_stream", 404, after=1),
    "a proxy's page": Fault("file_stream", 200, PROXY),
    "no answer": Fault("file_stream", delay=NEVER),
    "gone": Fault("file_stream", leave=True),
    "gone at the end": Fault("file_stream", leave=True, after=1),
    "files refused": Fault("storage", 403),
}


@pytest.mark.slow
@pytest.mark.parametrize("fault", LASTING.values(), ids=LASTING)
def test_a_fault_that_lasts(fault: Fault, server: Server, process: Hone) -> None:
    fault.seen = 0
    server.faults.append(fault)
    run = Clocked()
    assert fault.seen
    run.require_unharmed()
    assert record(only_run())["tracker"]["mode"] == "online"
    require_one_remedy(run)
    require_synced(server, process)


@pytest.mark.slow
def test_rows_that_are_refused_after_others_were_taken(server: Server, process: Hone) -> None:
    """W&B sends rows every 15 s, so that this run has to last longer than that."""
    fault = Fault("file_stream", 401, rows=1)
    server.faults.append(fault)
    run = Clocked(HONE_PACE="0.8")
    (before,) = server.state.runs.values()
    assert fault.seen
    assert 0 < len(before.history) < len(journal(only_run()))
    run.require_unharmed()
    require_one_remedy(run)
    require_synced(server, process)


def test_the_stand_in_goes_and_comes_back(server: Server) -> None:
    """Or the tests above would say nothing."""
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    def ask() -> Any:
        with urlopen(f"{server.address}/here", timeout=5) as answer:
            return json.loads(answer.read())

    assert ask() == {}
    server.faults += [Fault("/here", 503, times=1, after=1), Fault("/here", delay=0.3, times=1, after=1)]
    assert ask() == {}
    with pytest.raises(HTTPError, match="503"):
        ask()
    begun = time.monotonic()
    assert ask() == {}
    assert time.monotonic() - begun > 0.3
    server.faults.append(Fault("/here", leave=True))
    for _ in range(2):
        with pytest.raises((URLError, ConnectionError)):
            ask()
    server.faults.clear()
    server.come()
    assert ask() == {}
