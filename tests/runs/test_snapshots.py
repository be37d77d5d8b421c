"""Checkpoints on disk: whole or not at all, verified before use, and never fewer than needed."""

import os
import random
from pathlib import Path
from typing import Any

import pytest
import torch

from hone.core.errors import RunError
from hone.runs import snapshots
from hone.runs.snapshots import Snapshot, Snapshots


def save(store: Snapshots, step: int, best: int | None = None) -> None:
    tensors = {"weights": {"w": torch.full((64,), float(step))}, "optimizer": {"0/exp_avg": torch.ones(64)}}
    store.save(Snapshot(step, tensors, {"best": {"step": best} if best else None}))


def steps(folder: Path) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in folder.iterdir())


def test_keeps_the_two_newest_and_the_best_of_each(tmp_path: Path) -> None:
    store = Snapshots(tmp_path, "me")
    for step, best in ((1, 1), (2, 1), (3, 3), (4, 3), (5, 3)):
        save(store, step, best)
        assert {step, best} <= set(steps(tmp_path))
    assert steps(tmp_path) == [3, 4, 5]
    save(store, 6, 6)
    assert steps(tmp_path) == [3, 5, 6], "5 still remembers 3 as its best"


def test_a_half_written_one_is_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever call of a save is the last one, the checkpoint before is found again, and drafts go away."""
    calls = [(os, "fsync"), (os, "open"), (Path, "rename"), (Path, "write_text"), (snapshots, "save_file")]
    for module, name in calls:
        for survived in range(6):
            folder = tmp_path / f"{name}{survived}"
            store = Snapshots(folder, "me")
            save(store, 1)
            with monkeypatch.context() as patch:
                died = dies_after(patch, module, name, survived)
                try:
                    save(store, 2)
                except InterruptedError:
                    assert store.newest().step in (1, 2)
                else:
                    assert not died, "a save that lost a call cannot have gone well"
            save(store, 3)
            assert store.newest().step == 3
            assert not list(folder.glob(".draft*"))


def dies_after(patch: pytest.MonkeyPatch, module: Any, name: str, survived: int) -> list[int]:
    """Lets a function work so many times and then raise, as a full disk or a kill would; tells whether it did."""
    real, calls, died = getattr(module, name), [], []

    def fails(*words: Any, **named: Any) -> Any:
        calls.append(1)
        if len(calls) > survived:
            died.append(1)
            raise InterruptedError(name)
        return real(*words, **named)

    patch.setattr(module, name, fails)
    return died


def test_everything_is_durable_before_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    sync, rename = os.fsync, Path.rename
    monkeypatch.setattr(
        os, "fsync", lambda file: (told.append(str(Path(f"/proc/self/fd/{file}").readlink())), sync(file))[1]
    )
    monkeypatch.setattr(Path, "rename", lambda path, target: (told.append("rename"), rename(path, target))[1])
    save(Snapshots(tmp_path, "me"), 1)
    before, after = told[: told.index("rename")], told[told.index("rename") + 1 :]
    names = [Path(path).name for path in before]
    assert {"weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"} <= set(names)
    assert names.index("manifest.json") > names.index("weights.safetensors")
    assert str(tmp_path) in after


@pytest.mark.parametrize("file", ["weights.safetensors", "optimizer.safetensors", "state.json", "manifest.json"])
def test_damage_is_never_believed(tmp_path: Path, file: str) -> None:
    store = Snapshots(tmp_path, "me")
    save(store, 1)
    save(store, 2)
    victim = tmp_path / "step-00000002" / file
    whole, rng = victim.read_bytes(), random.Random(0)
    for _ in range(60):
        spoilt = bytearray(whole)
        if rng.random() < 0.5:
            spoilt[rng.randrange(len(spoilt))] ^= 1 << rng.randrange(8)
        else:
            del spoilt[rng.randrange(len(spoilt)) :]
        victim.write_bytes(bytes(spoilt))
        found = store.newest()
        harmless = file == "manifest.json" and found.step == 2
        assert found.step == 1 or harmless
        assert float(found.tensors["weights"]["w"][0]) == found.step
    victim.unlink()
    assert store.newest().step == 1


def test_shards_of_two_steps_do_not_mix(tmp_path: Path) -> None:
    store = Snapshots(tmp_path, "me")
    save(store, 1)
    save(store, 2)
    one, two = (tmp_path / f"step-0000000{step}/weights.safetensors" for step in (1, 2))
    two.write_bytes(one.read_bytes())
    assert store.newest().step == 1


def test_another_runs_checkpoint_is_not_used(tmp_path: Path) -> None:
    save(Snapshots(tmp_path, "me"), 1)
    with pytest.raises(RunError, match="damaged"):
        Snapshots(tmp_path, "you").newest()


def test_an_empty_folder_is_a_fresh_start(tmp_path: Path) -> None:
    assert Snapshots(tmp_path / "none", "me").newest() is None
