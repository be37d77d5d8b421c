"""Every signal that asks a run to stop, at every moment of a run: saved at most one step later, and continued."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

import figures
from conftest import SMALL, Hone, only_run, record, runs
from hone.core.signals import Stop
from hone.runs.snapshots import steps_in

WORDS = (*SMALL[:-1], "epochs=null", "steps=6", "save_every=3", "evaluate_every=3", "log_every=1", "resume=auto")
SIGNALS = ("SIGTERM", "SIGUSR1", "SIGUSR2", "SIGHUP", "SIGINT")
PLACES = {
    "loading rows": ("hone.training.prepare", "load_rows"),
    "loading weights": ("hone.training.assemble", "build_network"),
    "training step": ("hone.training.loop", "update"),
    "evaluation": ("hone.training.loop", "predict"),
    "save": ("hone.runs.snapshots", "save_file"),
    "final scoring": ("hone.training.results", "predict"),
    "saving the model": ("hone.training.results", "save_model"),
}
"""The functions in which the signal comes, at their first call: in evaluation and save, that is step 3."""
STEPS = {"training step": {1, 2}, "evaluation": {4}, "save": {4}, "final scoring": {6}, "saving the model": {6}}
"""The newest step that is saved then."""


def send_during(monkeypatch: pytest.MonkeyPatch, place: str, name: str) -> None:
    """Sends the signal while a function is at work, once, in the way of a library: what it raises is caught."""
    module, function = import_module(PLACES[place][0]), PLACES[place][1]
    real = getattr(module, function)
    sent: list[int] = []

    def interrupted(*parts: Any, **named: Any) -> Any:
        if not sent:
            sent.append(1)
            try:
                os.kill(os.getpid(), getattr(signal, name))
            except Exception as error:  # as libraries do around whatever may fail
                raise ValueError("cannot be read") from error
        return real(*parts, **named)

    monkeypatch.setattr(module, function, interrupted)


CASES = [(name, place) for name in SIGNALS for place in PLACES]
QUICK = (("SIGTERM", "loading weights"), ("SIGTERM", "final scoring"))


@pytest.mark.parametrize(
    ("name", "place"), [case if case in QUICK else pytest.param(*case, marks=pytest.mark.slow) for case in CASES]
)
def test_a_run_stops_and_goes_on(name: str, place: str, hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        send_during(patch, place, name)
        stopped = hone("train", *WORDS)
    assert stopped.code == (130 if name == "SIGINT" else 75), stopped.said
    assert "Traceback" not in stopped.said
    assert ("Ctrl-C" if name == "SIGINT" else name) in stopped.err
    if place.startswith("loading"):
        assert not runs(), "there was nothing to save"
        return
    assert record(only_run())["state"] == "preempted"
    assert max(steps_in(only_run() / "checkpoints")) in STEPS[place]
    if name == "SIGTERM" and place == "save":
        assert hone("train", *WORDS).code == 0
        assert record(only_run())["state"] == "finished"


def test_a_signal_of_the_last_step_is_not_forgotten() -> None:
    stop = Stop()
    with stop.listening(), pytest.raises(BaseException, match="SIGUSR1"), stop.deferred():
        os.kill(os.getpid(), signal.SIGUSR1)


def test_what_nohup_ignores_stays_ignored(hone: Hone, monkeypatch: pytest.MonkeyPatch) -> None:
    send_during(monkeypatch, "training step", "SIGHUP")
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        done = hone("train", *WORDS)
    finally:
        signal.signal(signal.SIGHUP, before)
    assert done.code == 0, done.said
    assert record(only_run())["state"] == "finished"


@pytest.mark.slow
def test_the_first_seconds() -> None:
    """From the moment that Python runs the command: before, nobody can answer a signal."""
    codes: Counter[str] = Counter()
    for name in SIGNALS:
        for delay in (0.0, 0.1, 0.5, 1.0, 2.0, 4.0):
            child = subprocess.Popen([sys.executable, "-X", "importtime", "-m", "hone", "train", *WORDS[:-1]],
                                     stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)  # fmt: skip
            assert child.stderr is not None
            while "hone.core.signals" not in child.stderr.readline():
                assert child.poll() is None
            time.sleep(0.05 + delay)
            child.send_signal(getattr(signal, name))
            _, err = child.communicate(timeout=300)
            # A shell has 130 for both: Python ends itself by the signal where it came into code that was compiled then.
            expected = (130, -signal.SIGINT) if name == "SIGINT" else (75,)
            assert child.returncode in expected, (name, delay, child.returncode, err[-500:])
            assert "Traceback" not in err
            codes[f"{name}: {child.returncode}"] += 1
    figures.report(f"{codes.total()} signals in the first seconds: {dict(codes)}")


@pytest.mark.slow
def test_two_processes(process: Hone) -> None:
    """SIGHUP reaches the command alone, which passes it on."""
    for name, delay in (("SIGHUP", 2.0), ("SIGTERM", 12.0)):
        words = ("train", *SMALL[:-1], "epochs=null", "steps=100000", "devices=2", "accelerator=cpu", f"name={name}")
        child = subprocess.Popen([sys.executable, "-m", "hone", *words], stderr=subprocess.PIPE, text=True)
        time.sleep(delay)
        child.send_signal(getattr(signal, name))
        _, err = child.communicate(timeout=120)
        assert child.returncode == 75, err
        assert "Traceback" not in err
        for run in runs(Path("outputs", name)):
            assert record(run)["state"] == "preempted"
