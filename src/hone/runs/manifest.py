"""The manifest of a run, `manifest.json`: the size and the SHA-256 of its files, so that a damaged one is named.

    {"version": 1, "files": {"config.yaml": {"bytes": …, "sha256": …}, "model/config.json": {…}, …}, "sha256": …}

It is written when the run begins, for what is final by then, and again when it ends. What is not in it is checked in
another way: `run.json` has its own seal, and each checkpoint has a manifest of its own.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Self, final

from hone.core.errors import UserError, damaged, join_names
from hone.core.files import stamp, write_atomically
from hone.core.paths import relative_to_cwd
from hone.runs.folder import Folder
from hone.runs.reading import read_sealed, sealed_text

log = logging.getLogger(__name__)

EXPORTED = "hone-manifest.json"
"""The name of the manifest in an exported folder, which belongs to its user otherwise."""
_VERSION = 1
_RESTORE = "Restore it from a copy, or say verify=false if it was changed on purpose."
_FROM_START = ("config.yaml", "facts.json", "git.diff")
_FROM_END = ("metrics.jsonl", "model", "predictions", "contributions")


@final
@dataclass(frozen=True)
class Manifest:
    """The files that belong together, by their names relative to a folder."""

    path: Path
    files: Mapping[str, Mapping[str, Any]]

    @classmethod
    def load(cls, path: Path) -> Self | None:
        """Read a manifest. Return None if there is none; raise UserError if it is damaged."""
        if not path.exists():
            return None
        content = read_sealed(path, ("version", "files"))
        files = content.get("files")
        if not isinstance(files, dict) or not all(isinstance(stamp, dict) for stamp in files.values()):
            raise damaged(relative_to_cwd(path), "it lists no files")
        return cls(path, files)

    @property
    def root(self) -> Path:
        return self.path.parent

    def names(self, place: str) -> list[str]:
        """Return the names of a file, of the files in a folder, or of all files."""
        return [name for name in self.files if place in ("", name) or name.startswith(f"{place}/")]

    def problem(self, place: str) -> str | None:
        """Name the first file in this place that is not the one that was written, or return None."""
        return next(filter(None, map(self._problem, self.names(place))), None)

    def problem_since(self, place: str) -> str | None:
        """The same, but a file that has not been touched since the last time is not read again."""
        return _cached_problem(self.path, place, _moments(self.root, self.names(place)))

    def unlisted(self, place: str) -> list[str]:
        """Return the names of files in a folder that the run did not write."""
        return [name for name in files_in(self.root, place) if name not in self.files]

    def _problem(self, name: str) -> str | None:
        file = self.root / name
        try:
            same = file.stat().st_size == self.files[name].get("bytes") and stamp(file) == self.files[name]
        except FileNotFoundError:
            return f"{relative_to_cwd(file)}: this file is missing."
        except OSError as error:
            return f"{relative_to_cwd(file)}: cannot read this file ({error.strerror})."
        return None if same else f"{relative_to_cwd(file)}: this file is damaged: it is not the one that was written."


def begin_manifest(folder: Folder) -> None:
    """Write the manifest of a run that begins or goes on: its later files are not final any more."""
    write_manifest(folder.manifest, files_in(folder.path, *_FROM_START))


def complete_manifest(folder: Folder) -> None:
    """Write the manifest of a run that ends, however it ends."""
    write_manifest(folder.manifest, files_in(folder.path, *_FROM_START, *_FROM_END))


def extend_manifest(folder: Folder, places: Iterable[Path]) -> None:
    """Add files that were written after the run had ended. The others are not read again."""
    manifest = Manifest.load(folder.manifest)
    if manifest is not None:
        added = {place.relative_to(folder.path).as_posix(): stamp(place) for place in places}
        _write(folder.manifest, {**manifest.files, **added})


def write_manifest(path: Path, files: Mapping[str, Path]) -> None:
    """Write a manifest of these files, by the names that they have, or will have, beside it."""
    _write(path, {name: stamp(file) for name, file in files.items()})


def require_intact(folder: Folder, *places: str, remedy: str = _RESTORE) -> Manifest | None:
    """Raise UserError if a file in these places ('': any file of the manifest) is damaged or missing. Return the
    manifest, or None if there is none."""
    manifest = Manifest.load(folder.manifest)
    listed = [place for place in places if manifest is not None and manifest.names(place)]
    if len(listed) < len(places):
        without = join_names(place or "the run's files" for place in places if place not in listed)
        log.warning("%s: no manifest has %s, so damage there is not seen.", relative_to_cwd(folder.path), without)
    if manifest is None:
        return None
    for place in listed:
        problem = manifest.problem(place)
        if problem:
            raise UserError(f"{problem} {remedy}")
        if place and (unlisted := manifest.unlisted(place)):
            log.warning("%s: not a file of the run.", relative_to_cwd(folder.path / unlisted[0]))
    return manifest


def require_intact_checkpoint(folder: Path) -> None:
    """Raise UserError if a folder of weights has a manifest, beside it or in it, and a file is not as it says."""
    run = Folder(folder.parent)
    exported, own = Manifest.load(folder / EXPORTED), None
    if folder.name == run.model.name and run.record.is_file():
        own = Manifest.load(run.manifest)
    for manifest, place in ((exported, ""), (own, folder.name)):
        problem = manifest and manifest.problem_since(place)
        if manifest and problem:
            path = relative_to_cwd(manifest.path)
            raise UserError(f"{problem} Restore it from a copy, or delete {path} if it was changed on purpose.")


@lru_cache(maxsize=4096)
def _cached_problem(path: Path, place: str, moments: tuple[Any, ...]) -> str | None:
    """`moments` are part of the cache's key."""
    manifest = Manifest.load(path)
    return manifest.problem(place) if manifest else None


def _moments(root: Path, names: Iterable[str]) -> tuple[Any, ...]:
    stats = [(root / name).stat() if (root / name).exists() else None for name in names]
    return tuple(None if stat is None else (stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)


def files_in(root: Path, *places: str) -> dict[str, Path]:
    """Return files, and the files in folders, by their names relative to `root`; hidden ones, such as drafts, are left
    out."""
    paths = [path for place in places for path in (root / place, *sorted((root / place).rglob("*")))]
    files = [path for path in paths if path.is_file() and not path.name.startswith(".")]
    return {file.relative_to(root).as_posix(): file for file in files}


def _write(path: Path, files: Mapping[str, Any]) -> None:
    write_atomically(path, sealed_text({"version": _VERSION, "files": files}))
