"""Unusual environments: a run goes on, or the command ends with a message. None ends in a traceback."""

import os
import pty
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conftest import Hone, record, runs
from wandb_server.server import Server

TRAIN = "train tracker=none precision=32-true epochs=null steps=1 limit=32 head=mean"
LOOPBACK = {"0100007F", "0000000000000000FFFF00000100007F", "00000000000000000000000001000000"}


def shell(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A script in which `hone` is the command."""
    hone = f"{shlex.quote(sys.executable)} -m hone"
    words = ["bash", "-c", f'hone() {{ {hone} "$@"; }}; {script}']
    env = {**os.environ, **environment}
    return subprocess.run(
        words, capture_output=True, text=True, errors="replace", timeout=300, env=env, stdin=subprocess.DEVNULL
    )


def finished_runs() -> list[str]:
    return [record(folder)["state"] for folder in runs()]


@dataclass(frozen=True)
class Case:
    script: str
    env: Mapping[str, str] = field(default_factory=dict)
    code: int = 0
    said: str = ""


ASCII = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
RUNS = {
    "output that is ASCII": Case(f"hone {TRAIN}", {"PYTHONIOENCODING": "ascii"}),
    "locale C": Case(f"hone {TRAIN}", ASCII),
    "a full standard output": Case(f"hone {TRAIN} >/dev/full", said="hone: standard output is incomplete"),
    "both outputs full": Case(f"hone {TRAIN} >/dev/full 2>&1"),
    "a closed standard output": Case(f"hone {TRAIN} >&-"),
    "all three closed": Case(f"hone {TRAIN} <&- >&- 2>&-"),
    "a closed standard input": Case(f"hone {TRAIN} <&-"),
    "a reader that leaves": Case(f"hone {TRAIN} 2>&1 | head -1; exit ${{PIPESTATUS[0]}}"),
    "no HOME": Case(f"unset HOME XDG_CACHE_HOME HF_HOME HONE_CACHE; hone {TRAIN}"),
    "no git": Case(f"PATH=/nowhere; hone {TRAIN}"),
    "no folder for temporary files": Case(f"TMPDIR=/nowhere/at/all hone {TRAIN}"),
    "no network": Case(f"unset HF_HUB_OFFLINE; unshare -rn {sys.executable} -m hone {TRAIN} tracker=wandb"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", RUNS)
def test_a_run_goes_on(name: str) -> None:
    case = RUNS[name]
    if name == "no network" and shell("unshare -rn true").returncode:
        pytest.skip("this machine does not allow namespaces")
    done = shell(case.script, **case.env)
    assert done.returncode == case.code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert case.said in done.stderr
    assert finished_runs() == ["finished"]
    assert (runs()[0] / "model" / "model.safetensors").is_file()


OTHERS = {
    "help": Case("hone --help | head -1; exit ${PIPESTATUS[0]}"),
    "help of a command": Case("hone train --help | head -1; exit ${PIPESTATUS[0]}"),
    "help on a full disk": Case("hone --help >/dev/full", code=1, said="No space left on device"),
    "help in ASCII": Case("hone --help; hone train --help", ASCII),
    "help without output": Case("hone --help >&-"),
    "a mistake on a full disk": Case("hone trian >/dev/full 2>&1", code=2),
    "a mistake in ASCII": Case("hone train 'optimizer.lr=–'", ASCII, code=2, said="not valid UTF-8"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_a_command_says_what_it_can(name: str) -> None:
    case = OTHERS[name]
    done = shell(case.script, **case.env)
    assert done.returncode == case.code, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert case.said in done.stderr


@pytest.mark.slow
def test_predictions_end_with_their_reader_and_fail_without_room(hone: Hone) -> None:
    assert hone(*TRAIN.split()).code == 0
    (run,) = runs()
    Path("many.jsonl").write_text('{"text": "so é happy –"}\n' * 3000)
    predict = f"hone predict run={run} input=many.jsonl"
    left = shell(f"{predict} | head -1; exit ${{PIPESTATUS[0]}}")
    assert (left.returncode, left.stderr) == (0, "")
    full = shell(f"{predict} >/dev/full")
    assert full.returncode == 1
    assert full.stderr.splitlines()[0] == "hone: the predictions cannot be printed: No space left on device."
    ascii_only = shell(f"{predict} > ascii.jsonl", PYTHONIOENCODING="ascii")
    assert ascii_only.returncode == 0, ascii_only.stderr
    lines = Path("ascii.jsonl").read_bytes().splitlines()
    assert len(lines) == 3000
    assert b'"so \\u00e9 happy \\u2013"' in lines[0]


@pytest.mark.slow
def test_a_terminal_that_is_gone_does_not_end_the_run() -> None:
    """As when a connection breaks: from then on every write to the terminal is an error."""
    parent, child = pty.openpty()
    words = [sys.executable, "-m", "hone", *TRAIN.split(), "steps=40", "log_every=1"]
    command = subprocess.Popen(words, stdin=child, stdout=child, stderr=child)
    os.close(child)
    os.read(parent, 1)
    os.close(parent)
    assert command.wait(timeout=300) == 0
    assert finished_runs() == ["finished"]


CLOCK = """
import time

from torch.optim import AdamW

now, steps = time.time, [0]


class Jumping(AdamW):
    def step(self, *words, **more):
        steps[0] += 1
        if steps[0] == 2:
            time.time = lambda: now() - 86400.0
        return super().step(*words, **more)
"""


@pytest.mark.slow
def test_a_clock_that_jumps_back_ends_nothing(process: Hone) -> None:
    """The run's own clock is another one: it knows how long it took."""
    Path("jumping.py").write_text(CLOCK)
    path = f"{Path.cwd()}:{os.environ.get('PYTHONPATH', '')}"
    words = ("trust=[jumping]", "optimizer.algorithm._target_=jumping.Jumping", "steps=4", "log_every=1", "tracker=csv")
    done = process(*TRAIN.split(), *words, PYTHONPATH=path)
    assert done.code == 0, done.said
    (run,) = runs()
    assert record(run)["state"] == "finished"
    assert record(run)["seconds"] > 0


def listening(command: int) -> set[str]:
    """The addresses at which a process and what it has started wait for somebody."""
    sockets = set()
    for process in family(command):
        try:
            sockets |= {str(link.readlink()) for link in Path(f"/proc/{process}/fd").iterdir()}
        except OSError:
            continue
    lines = [line.split() for name in ("tcp", "tcp6") for line in Path("/proc/net", name).read_text().splitlines()[1:]]
    return {line[1].partition(":")[0] for line in lines if line[3] == "0A" and f"socket:[{line[9]}]" in sockets}


def family(command: int) -> list[int]:
    """A process and its descendants."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    members = [command]
    for member in members:
        members += [child for child, parent in parents.items() if parent == member]
    return members


@pytest.mark.slow
@pytest.mark.parametrize(
    "more",
    [
        pytest.param((), id="a run"),
        pytest.param(("-m", "seed=0,1"), id="a sweep"),
        pytest.param(("devices=2", "batch_size=4"), id="two processes"),
    ],
)
def test_nobody_outside_this_machine_can_connect(more: tuple[str, ...], server: Server) -> None:
    words = [sys.executable, "-m", "hone", *TRAIN.split(), "tracker=wandb", "steps=60", *more]
    command = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    seen: set[str] = set()
    deadline = time.monotonic() + 240
    while command.poll() is None and time.monotonic() < deadline:
        seen |= listening(command.pid)
        time.sleep(0.05)
    if command.poll() is None:
        command.send_signal(signal.SIGTERM)
    out, _ = command.communicate(timeout=60)
    assert command.returncode == 0, out
    assert seen <= LOOPBACK
