"""Breaks hone on purpose, one place at a time, and counts the tests that notice: `python mutants.py FOLDER`.

Each mutant is a copy of the source with one change. The process imports the libraries once and forks for each mutant,
so that a mutant costs seconds. It must not import hone itself.
"""

import importlib
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
LIBRARIES = ("torch", "transformers", "datasets", "lightning.fabric", "hydra", "pandas", "safetensors.torch", "wandb")
RESUME = "tests/training/test_resume.py::test_resumes_to_the_bit_after_many_stops"
IGNORED = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
"""The libraries are imported before pytest could rewrite the asserts of those that are its plugins."""
SNAPSHOTS = "tests/runs/test_snapshots.py"


@dataclass(frozen=True)
class Mutant:
    """A change of one place in the source, and the test that must fail because of it."""

    what: str
    file: str
    before: str
    after: str
    test: str


MUTANTS = (
    Mutant(
        "a step is not seeded", "training/loop.py",
        'seeds.seed_everything(settings.seed, "step", step.number, fabric.global_rank)', "seed", RESUME,
    ),
    Mutant(
        "the loader is off by one after a resume", "training/loop.py",
        "steps_made(data, progress.step + 1,",
        "steps_made(data, progress.step + 1 + (progress.step > 0),", RESUME,
    ),
    Mutant(
        "the optimiser's state is not restored", "training/state.py",
        'self.optimizer.load_state_dict(unflatten(tensors.get("optimizer", {}), state["optimizer"]))',
        "unflatten", RESUME,
    ),
    Mutant(
        "the average of the weights is not restored", "training/state.py",
        'self.average.load(tensors.get("average", {}))', "tensors", RESUME,
    ),
    Mutant(
        "the schedule is not restored", "training/state.py",
        'self.scheduler.load_state_dict({**self.scheduler.state_dict(), **state["scheduler"]})', "state", RESUME,
    ),
    Mutant(
        "the best evaluation is forgotten", "training/progress.py",
        'snapshot.state["best"]', "None", RESUME,
    ),
    Mutant(
        "files are not synced before the rename", "core/files.py",
        "os.fsync(descriptor)", "descriptor",
        f"{SNAPSHOTS}::test_everything_is_durable_before_it_is_named",
    ),
    Mutant(
        "the old checkpoints are deleted before the new one is saved", "runs/snapshots.py",
        "make_folder(self.folder, parents=False)",
        "shutil.rmtree(self.folder, ignore_errors=True); self.folder.mkdir()",
        f"{SNAPSHOTS}::test_a_half_written_one_is_no_checkpoint",
    ),
    Mutant(
        "the best checkpoint is rotated away", "runs/snapshots.py",
        "kept = {*newest, *(self._best_of(step) for step in newest)}", "kept = {*newest}",
        f"{SNAPSHOTS}::test_keeps_the_two_newest_and_the_best_of_each",
    ),
    Mutant(
        "digests are not compared", "runs/snapshots.py",
        "!= written", "== {}",
        f"{SNAPSHOTS}::test_damage_is_never_believed",
    ),
    Mutant(
        "rows of the journal are logged twice after a resume", "runs/journal.py",
        '(row["step"] or 0) <= step', '(row["step"] or 0) <= step + 1',
        "tests/training/test_resume.py::test_what_was_logged_before_the_first_checkpoint_is_not_logged_twice",
    ),
)  # fmt: skip


def main(scratch: Path) -> int:
    """Try every mutant; the exit code is the number of those that no test noticed."""
    for name in LIBRARIES:
        importlib.import_module(name)
    assert "hone" not in sys.modules
    missed = []
    for number, mutant in enumerate(MUTANTS):
        begun = time.perf_counter()
        source = write(mutant, scratch / str(number))
        caught = run(source, mutant.test, scratch / f"{number}.txt")
        print(f"{'caught' if caught else 'MISSED'}  {mutant.what}  ({time.perf_counter() - begun:.0f} s)", flush=True)
        missed += [] if caught else [mutant]
    print(f"{len(MUTANTS) - len(missed)} of {len(MUTANTS)} mutants caught", flush=True)
    for test in sorted({mutant.test for mutant in MUTANTS}):
        assert not run(ROOT / "src", test, scratch / "sound.txt"), f"{test} fails without a mutant too"
    return len(missed)


def write(mutant: Mutant, folder: Path) -> Path:
    """Copy the source with the change; the change must fit exactly one place."""
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    (folder / "conf").symlink_to(ROOT / "conf")
    path = folder / "src" / "hone" / mutant.file
    text = path.read_text(encoding="utf-8")
    assert text.count(mutant.before) == 1, f"{mutant.file} has {text.count(mutant.before)} × {mutant.before}"
    path.write_text(text.replace(mutant.before, mutant.after), encoding="utf-8")
    return folder / "src"


def run(source: Path, test: str, output: Path) -> bool:
    """Return whether the test fails on this source. Anything but a failure or a success is an error here."""
    child = os.fork()
    if child == 0:
        code = 3
        try:
            code = run_here(source, test, output)
        finally:  # whatever happens, the child must not go on as if it were the parent
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert code in (0, 1), f"the test did not run (exit code {code}):\n{output.read_text(encoding='utf-8')[-3000:]}"
    return code == 1


def run_here(source: Path, test: str, output: Path) -> int:
    """Run a test in this process on this source."""
    import pytest

    with output.open("w") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    os.chdir(ROOT)
    os.environ["PYTHONPATH"] = str(source)
    sys.path.insert(0, str(source))
    code = int(pytest.main([test, "-q", "-x", "-p", "no:cacheprovider", "-p", "no:xdist", *IGNORED]))
    import hone

    return code if Path(hone.__file__ or "").is_relative_to(source) else 3


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
