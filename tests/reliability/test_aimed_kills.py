"""Runs whose patience ends the training, killed around that decision and while the best weights are scored."""

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from forks import attempt, result
from hone.training import results
from hone.training.progress import RunProgress

pytestmark = pytest.mark.slow

LAST = -1
"""The call at the last step of the undisturbed run."""
AIMS: dict[str, tuple[Any, str, bool, int]] = {
    "before the evaluation": (RunProgress, "evaluated", False, 2),
    "after the evaluation that ends the training": (RunProgress, "evaluated", True, LAST),
    "before the checkpoint of that step": (RunProgress, "save", False, LAST),
    "after the checkpoint of that step": (RunProgress, "save", True, LAST),
    "with the best weights loaded": (RunProgress, "choose_best", True, 1),
    "during the final scoring": (results, "predict", True, 1),
    "after the final scoring": (RunProgress, "concluded", True, 1),
    "before the model is saved": (results, "save_model", False, 1),
    "after the model is saved": (results, "save_model", True, 1),
}
"""The function at which a run is killed, whether that is after it, and at which call."""


def killing(owner: Any, name: str, after: bool, call: int) -> Callable[[], None]:
    """Returns what makes a process kill itself at a call of a function."""

    def aim() -> None:
        function, calls = getattr(owner, name), []

        def deadly(*parts: Any, **named: Any) -> Any:
            calls.append(1)
            if len(calls) == call and not after:
                os.kill(os.getpid(), signal.SIGKILL)
            value = function(*parts, **named)
            if len(calls) == call:
                os.kill(os.getpid(), signal.SIGKILL)
            return value

        setattr(owner, name, deadly)

    return aim


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    root = tmp_path_factory.mktemp("straight")
    assert os.waitpid(attempt(root), 0)[1] == 0, Path("output.txt").read_text()[-2000:]
    return result(root)


@pytest.mark.parametrize("place", AIMS)
def test_an_early_stop_is_decided_once(tmp_path: Path, straight: dict[str, Any], place: str) -> None:
    """Killed at the place, and if the next start comes there again, then too."""
    owner, name, after, call = AIMS[place]
    steps = [row["step"] for row in straight["journal"] if "train/loss" in row]
    evaluations = [row["step"] for row in straight["journal"] if "validation/loss" in row]
    assert steps[-1] == evaluations[-1] < straight["steps"], "patience ends it"
    if call == LAST:
        call = len(evaluations) if name == "evaluated" else len(steps)
    for start in range(2):
        status = os.waitpid(attempt("killed", killing(owner, name, after, call)), 0)[1]
        assert os.WIFSIGNALED(status) or start, Path("output.txt").read_text()[-2000:]
    assert os.waitpid(attempt("killed"), 0)[1] == 0, Path("output.txt").read_text()[-2000:]
    ended = result("killed")
    assert [name for name in straight if ended.get(name) != straight[name]] == []
