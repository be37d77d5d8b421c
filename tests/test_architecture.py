"""The rules of the code base that a machine can check."""

import ast
import re
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from conftest import ROOT
from hone.config.tree import CONF

SOURCE = ROOT / "src" / "hone"
ORDER = ("core", "runs", "config", "tracking", "data", "models", "tasks", "reports", "training", "sweeps", "commands")
"""A file imports from its own package and from packages to its left."""
FLAT = {"__init__.py", "__main__.py", "cli.py"}
FILES = sorted(SOURCE.rglob("*.py"))
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in FILES}
ONLY_IN = {
    "hydra": ("config", "sweeps/hydra"),
    "omegaconf": ("config", "sweeps/hydra"),
    "wandb": ("tracking/wandb",),
    "ray": ("sweeps/launchers",),
    "submitit": ("sweeps/launchers",),
    "optuna": ("sweeps/samplers", "sweeps/study.py"),
}
WITHOUT_TORCH = ("config", "tracking", "runs")
SHORT = {
    "core/paths.py": "used by packages that share nothing else",
    "data/sources/own_split.py": "two kinds of source share it, and other sources do not need it",
    "training/parts.py": "the parts of a run, which the config's check reads",
    "training/prefetch.py": "one function",
    "tasks/metrics/ranks.py": "the two metrics that import torch",
    "commands/compare.py": "a command is its own file, however thin",
    "commands/sweep.py": "a command is its own file, however thin",
    "commands/train.py": "a command is its own file, however thin",
}
"""Files of fewer than 40 lines, and why they are files."""
VAGUE = {"told", "known", "found", "said"}
"""Names that say nothing about what they hold."""


def named(path: Path) -> str:
    return path.relative_to(SOURCE).as_posix()


def package_of(path: Path) -> str:
    return named(path).partition("/")[0]


def imports(path: Path) -> Iterator[str]:
    """The modules a file imports, lazily or not; `from hone.core import seeds` is `hone.core.seeds`."""
    for node in ast.walk(TREES[path]):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            modules = {f"{node.module}.{alias.name}" for alias in node.names}
            inner = modules & MODULES.keys()
            yield from inner
            if len(inner) < len(modules):
                yield node.module or ""


def module_of(path: Path) -> str:
    return ".".join(["hone", *path.relative_to(SOURCE).with_suffix("").parts]).removesuffix(".__init__")


MODULES = {module_of(path): path for path in FILES}


def test_imports_run_in_one_direction() -> None:
    wrong = [
        (named(path), name)
        for path in FILES
        if named(path) not in FLAT
        for name in imports(path)
        if name.startswith("hone.") and name.split(".")[1] not in ORDER[: ORDER.index(package_of(path)) + 1]
    ]
    assert wrong == []


def test_no_file_imports_itself_through_others() -> None:
    edges = {path: {MODULES[name] for name in imports(path) if name in MODULES} - {path} for path in FILES}
    while leaves := [path for path, targets in edges.items() if not targets & edges.keys()]:
        for path in leaves:
            del edges[path]
    assert sorted(map(named, edges)) == []


def test_only_entry_points_are_outside_the_packages() -> None:
    assert {named(path) for path in FILES if path.parent == SOURCE} == FLAT
    assert {package_of(path) for path in FILES if path.parent != SOURCE} == set(ORDER)


def test_a_library_stays_in_its_package() -> None:
    wrong = [
        (named(path), library)
        for path in FILES
        for library in {name.partition(".")[0] for name in imports(path)} & ONLY_IN.keys()
        if not named(path).startswith(ONLY_IN[library])
    ]
    assert wrong == []


def test_torch_is_not_loaded_to_read_a_run_or_check_a_config() -> None:
    loading = {
        named(path)
        for path in FILES
        if package_of(path) in WITHOUT_TORCH
        and "torch" in {name.partition(".")[0] for node in TREES[path].body for name in names_of(node)}
    }
    assert loading == {"runs/snapshots.py"}


def names_of(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module or ""] if isinstance(node, ast.ImportFrom) else []


TASKS = [
    path for path in FILES if re.fullmatch(r"tasks/(text|vision|audio|multimodal)/(?!__init__)\w+\.py", named(path))
]


def test_a_task_imports_no_other_task() -> None:
    tasks = {module_of(task) for task in TASKS}
    assert [(named(path), tasks & set(imports(path))) for path in TASKS if tasks & set(imports(path))] == []


def test_no_file_is_named_like_a_module_of_the_standard_library() -> None:
    stems = {path.stem for path in FILES if not path.stem.startswith("__")}
    folders = {path.parent.name for path in FILES if path.parent != SOURCE}
    assert (stems | folders) & sys.stdlib_module_names == set()


def test_every_class_is_final_or_is_built_upon() -> None:
    classes = [node for tree in TREES.values() for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
    bases = {ast.unparse(base).partition("[")[0] for node in classes for base in node.bases}
    for node in classes:
        final = any(ast.unparse(decorator) == "final" for decorator in node.decorator_list)
        assert final != (node.name in bases), node.name


def test_a_class_name_is_used_once() -> None:
    """But for the classes that a config names: there the group says which `linear` or `random` is meant."""
    configs = "\n".join(path.read_text(encoding="utf-8") for path in CONF.rglob("*.yaml"))
    targets = set(re.findall(r"_target_: (hone\.[\w.]+)", configs))
    names = Counter(
        node.name
        for path, tree in TREES.items()
        for node in tree.body
        if isinstance(node, ast.ClassDef) and f"{module_of(path)}.{node.name}" not in targets
    )
    assert {name for name, count in names.items() if count > 1} == set()


def test_a_file_begins_with_what_it_is() -> None:
    assert [named(path) for path in FILES if not ast.get_docstring(TREES[path])] == []


def test_a_file_ends_soon_and_is_worth_being_one() -> None:
    lines = {path: len(path.read_text(encoding="utf-8").splitlines()) for path in FILES}
    assert {named(path): count for path, count in lines.items() if count > 300} == {}
    crumbs = {named(path) for path, count in lines.items() if count < 40 and path.name not in FLAT}
    assert crumbs == SHORT.keys()


def test_a_function_fits_on_a_screen() -> None:
    functions = [
        (named(path), node)
        for path, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]
    assert [(name, node.name) for name, node in functions if (node.end_lineno or 0) - node.lineno >= 36] == []


def test_variables_say_what_they_hold() -> None:
    wrong = [
        (named(path), node.lineno, name)
        for path, tree in TREES.items()
        for node, name in names_given(tree)
        if name in VAGUE
    ]
    assert wrong == []


def names_given(tree: ast.AST) -> Iterator[tuple[ast.Name | ast.arg, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node, node.id
        elif isinstance(node, ast.arg):
            yield node, node.arg


def test_every_key_of_a_command_has_its_comment() -> None:
    """The page of a command says what each key means."""
    lines = [(path.name, line) for path in CONF.glob("*.yaml") for line in path.read_text("utf-8").splitlines()[1:]]
    keys = [(name, line) for name, line in lines if line[:1].isalpha() and not line.startswith(("defaults:", "hydra:"))]
    assert [key for key in keys if " # " not in key[1]] == []
