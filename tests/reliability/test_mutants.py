"""The tests of resume and of checkpoints notice when what they guard is broken."""

import subprocess
import sys
from pathlib import Path

import pytest

MUTANTS = Path(__file__).with_name("mutants.py")


@pytest.mark.slow
def test_every_mutant_of_the_source_is_caught(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, MUTANTS, tmp_path], capture_output=True, text=True, check=False)
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
