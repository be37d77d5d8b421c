"""The checkpoints of a run. Each is written to a draft folder, synced, and renamed; each is verified before it is used.

    checkpoints/step-00000400/weights.safetensors  optimizer.safetensors  state.json  manifest.json

The manifest has the size and the SHA-256 of every other file and is written last. No file is a pickle.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from safetensors.torch import load_file, save_file
from torch import Tensor

from hone.core.errors import RunError, one_line
from hone.core.files import draft_of, make_folder, remove_drafts, stamp, storing, sync

log = logging.getLogger(__name__)

_KEPT = 2
"""The number of newest checkpoints to keep."""


@final
@dataclass(frozen=True)
class Snapshot:
    """The state of a training at one step: named tensors by file, and everything else in `state`."""

    step: int
    tensors: Mapping[str, Mapping[str, Tensor]]
    state: Mapping[str, Any]


@final
class Snapshots:
    """The step folders of one run. The two newest are kept, and the best step that each of them refers to."""

    def __init__(self, folder: Path, identity: str) -> None:
        self.folder = folder
        self.identity = identity

    def save(self, snapshot: Snapshot) -> None:
        """Write a snapshot. It is durable once this returns; until then the earlier ones stay untouched."""
        size = sum(tensor.nbytes for tensors in snapshot.tensors.values() for tensor in tensors.values())
        with storing(self._place(snapshot.step), size):
            make_folder(self.folder, parents=False)
            remove_drafts(self.folder)
            draft = draft_of(self.folder / "draft")
            try:
                self._write(snapshot, draft)
            except BaseException:
                shutil.rmtree(draft, ignore_errors=True)  # it may fill the disk, and the run's record needs some bytes
                raise
            self._rotate()

    def _write(self, snapshot: Snapshot, draft: Path) -> None:
        draft.mkdir()
        for name, tensors in snapshot.tensors.items():
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, draft / f"{name}.safetensors")
        (draft / "state.json").write_text(json.dumps(dict(snapshot.state)), encoding="utf-8")
        files = {file.name: stamp(file) for file in sorted(draft.iterdir())}
        manifest = {"step": snapshot.step, "identity": self.identity, "files": files}
        (draft / "manifest.json").write_text(json.dumps(manifest, indent=2), encoding="utf-8")
        # The content must reach the disk before the rename does, or a crash could leave a name with empty files.
        for file in (*(draft / name for name in files), draft / "manifest.json", draft):
            sync(file)
        place = self._place(snapshot.step)
        shutil.rmtree(place, ignore_errors=True)
        draft.rename(place)
        sync(self.folder)

    def newest(self) -> Snapshot | None:
        """Return the newest undamaged snapshot, or None if there is none at all. If all are damaged, raise RunError."""
        steps = self._steps()
        for place in sorted(self.folder.glob("*")):
            if _step_of(place) is None and not place.name.startswith("."):
                log.warning("%s is not used: it is no checkpoint of this run", place)
        for step in reversed(steps):
            snapshot = self.load(step)
            if snapshot is not None:
                return snapshot
        if steps:
            raise RunError(f"{self.folder}: all {len(steps)} checkpoints are damaged; start a new run.")
        return None

    def load(self, step: int) -> Snapshot | None:
        """Return the snapshot of a step, or None (with a warning) if its files are not those that were written."""
        place = self._place(step)
        problem = self._problem(place)
        if problem:
            log.warning("%s is not used: %s", place, problem)
            return None
        state = json.loads((place / "state.json").read_text(encoding="utf-8"))
        names = json.loads((place / "manifest.json").read_text(encoding="utf-8"))["files"]
        tensors = {Path(name).stem: load_file(place / name) for name in sorted(names) if name.endswith(".safetensors")}
        return Snapshot(step, tensors, state)

    def _problem(self, place: Path) -> str | None:
        """Describe what is wrong with a step folder, or return None."""
        try:
            manifest = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
            if manifest["identity"] != self.identity:
                return f"it belongs to another run ({manifest['identity']})"
            if manifest["step"] != _step_of(place):
                return f"it is the checkpoint of step {manifest['step']}"
            if not {"state.json", "weights.safetensors"} <= manifest["files"].keys():
                return "its manifest does not list its files"
            for name, written in manifest["files"].items():
                if stamp(place / name) != written:
                    return f"{name} is not the file that was written"
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
            return f"manifest.json or a file in it cannot be read ({one_line(error)})"
        return None

    def _rotate(self) -> None:
        """Delete all snapshots but the newest, and the best step that each of these refers to."""
        steps = self._steps()
        newest = steps[-_KEPT:]
        kept = {*newest, *(self._best_of(step) for step in newest)}
        for step in steps:
            if step not in kept:
                shutil.rmtree(self._place(step), ignore_errors=True)

    def _best_of(self, step: int) -> int:
        try:
            state = json.loads((self._place(step) / "state.json").read_text(encoding="utf-8"))
            return int((state.get("best") or {}).get("step", step))
        except (OSError, ValueError, AttributeError, TypeError):
            return step

    def _steps(self) -> list[int]:
        return steps_in(self.folder)

    def _place(self, step: int) -> Path:
        return self.folder / f"step-{step:08d}"


def steps_in(folder: Path) -> list[int]:
    """Return the steps that have a folder. Its snapshot may be damaged. Entries with any other name are left alone."""
    return sorted(step for step in map(_step_of, folder.glob("*")) if step is not None)


def _step_of(place: Path) -> int | None:
    """Return the step of a checkpoint's folder, or None for anything else."""
    match = re.fullmatch(r"step-(\d{8,})", place.name)
    return int(match[1]) if match and place.is_dir() else None
