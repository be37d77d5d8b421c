"""A torchvision that was built for another torch: transformers and Lightning could not be imported beside it."""

import os
from pathlib import Path

import pytest

from conftest import SMALL, Hone, only_run

PROBLEM = "operator torchvision::nms does not exist"


@pytest.fixture
def packages(tmp_path: Path) -> str:
    """A path with such a torchvision on it."""
    installed = tmp_path / "packages"
    (installed / "torchvision").mkdir(parents=True)
    (installed / "torchvision" / "__init__.py").write_text(f"raise RuntimeError({PROBLEM!r})\n")
    (installed / "torchvision-0.28.0.dist-info").mkdir()
    metadata = "Metadata-Version: 2.1\nName: torchvision\nVersion: 0.28.0\n"
    (installed / "torchvision-0.28.0.dist-info" / "METADATA").write_text(metadata)
    return os.pathsep.join(filter(None, [str(installed), os.environ.get("PYTHONPATH")]))


@pytest.mark.slow
def test_it_is_ignored_with_a_warning(packages: str, process: Hone) -> None:
    done = process("train", *SMALL, "limit=16", PYTHONPATH=packages)
    assert done.code == 0, done.said
    log = (only_run() / "log.txt").read_text()
    assert log.count("torchvision 0.28.0 beside torch 2.") == log.count(PROBLEM) == 1
    assert " ".join(done.err.split()).count("torchvision 0.28.0 beside torch 2.") == 1


def test_help_does_not_look_for_it(packages: str, process: Hone) -> None:
    done = process("train", "--help", PYTHONPATH=packages)
    assert done.code == 0
    assert "torchvision" not in done.said
