"""The rules of the house that a machine can see."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from conftest import ROOT
from hone.config.tree import CONF

SOURCE = ROOT / "src" / "hone"
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
ONLY_IN = {"hydra": "command", "omegaconf": "command", "wandb": "tracking/wandb", "ray": "sweeps", "submitit": "sweeps"}


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def named(path: Path) -> str:
    return str(path.relative_to(SOURCE))


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_library_stays_in_its_package(path: Path) -> None:
    tops = {name.partition(".")[0] for name in imports(path)}
    assert not [name for name in tops & ONLY_IN.keys() if not named(path).startswith(f"{ONLY_IN[name]}/")]


@pytest.mark.parametrize("path", sorted((SOURCE / "tasks").glob("*.py")), ids=named)
def test_tasks_know_their_contract_and_not_each_other(path: Path) -> None:
    assert {name for name in imports(path) if name.startswith("hone.tasks")} <= {"hone.core.task"}


def test_every_class_is_final_or_is_built_upon() -> None:
    classes = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    bases = {ast.unparse(base).partition("[")[0] for node in classes for base in node.bases}
    for node in classes:
        final = any(ast.unparse(decorator) == "final" for decorator in node.decorator_list)
        assert final != (node.name in bases), node.name


@pytest.mark.parametrize("path", FILES, ids=named)
def test_a_file_begins_with_what_it_is_and_ends_soon(path: Path) -> None:
    assert ast.get_docstring(TREES[path]) or path.name == "__init__.py"
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 300
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.FunctionDef):
            assert (node.end_lineno or 0) - node.lineno < 36, node.name


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda path: str(path.relative_to(CONF)))
def test_every_key_of_the_first_pages_has_its_comment(path: Path) -> None:
    """A config says what it is in its first line, and a page of words says what each word means."""
    first, *lines = path.read_text(encoding="utf-8").splitlines()
    assert first.startswith("#") or "#" in path.read_text(encoding="utf-8")
    if path.parent == CONF:
        keys = [line for line in lines if line[:1].isalpha() and not line.startswith(("defaults:", "hydra:"))]
        assert all(" # " in line for line in keys)
