"""What is kept in the cache is made anew when the code behind it has changed."""

import importlib
import inspect
import sysconfig
from pathlib import Path
from types import ModuleType

import pytest

import hone
from hone.core.task import Task
from hone.data.encoded import encode
from hone.data.recipe import code_digest
from hone.tasks.text.text_classification import TextClassification


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package lies where pip puts one."""
    monkeypatch.setattr(hone, "__file__", str(Path(sysconfig.get_path("purelib"), "hone/__init__.py")))


def is_made_anew(task: Task, changed: str, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Whether the results of a task have another name once the source of a module is another one."""
    before, source = code_digest(task, encode), inspect.getsource
    with monkeypatch.context() as patch:

        def edited(module: ModuleType) -> str:
            return source(module) + ("\n# edited" if module.__name__ == changed else "")

        patch.setattr(inspect, "getsource", edited)
        return code_digest(task, encode) != before


@pytest.mark.parametrize(
    "module", ["hone.tasks.text.text_classification", "hone.data.encoded", "hone.tasks.text.shared.texts"]
)
def test_in_a_checkout_a_change_of_our_files_counts(module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_made_anew(TextClassification(), module, monkeypatch)
    assert not is_made_anew(TextClassification(), "hone.training.loop", monkeypatch)


@pytest.mark.usefixtures("installed")
def test_once_installed_the_version_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_made_anew(TextClassification(), "hone.tasks.text.text_classification", monkeypatch)
    before = code_digest(TextClassification(), encode)
    monkeypatch.setattr(hone, "__version__", "99")
    assert code_digest(TextClassification(), encode) != before


@pytest.mark.usefixtures("installed")
def test_a_task_of_somebody_else_counts_in_any_case(monkeypatch: pytest.MonkeyPatch) -> None:
    task = importlib.import_module("prototypes.translation").Translation()
    assert is_made_anew(task, "prototypes.translation", monkeypatch)
