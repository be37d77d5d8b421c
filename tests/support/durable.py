"""Which content and which names a crash of the machine could lose, by the calls that `strace -y` has seen."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path


@dataclass
class Disk:
    """Follows the calls below a folder. A path waits while its content, or the names in it, may not be on the disk."""

    place: Path
    existing: set[str]
    waiting: set[str] = field(default_factory=set)

    def follow(self, calls: Iterable[str]) -> Counter[str]:
        """Fails if a name that is no draft is given to content that waits, or if in the end anything but a draft waits.
        Returns how often each call was seen."""
        seen: Counter[str] = Counter()
        for call in calls:
            names, files = re.findall(r'"([^"]+)"', call), re.findall(r"<([^<>]+)>", call)
            paths = [path for path in (*names, *files) if Path(path).is_relative_to(self.place)]
            if paths:
                kind = "rename" if call.startswith("rename") else call.partition("(")[0]
                seen[kind] += 1
                self._take(kind, "O_CREAT" in call, paths)
        lost = {path for path in self.waiting if Path(path).exists() and not self._is_draft(path)}
        assert not lost, f"a crash afterwards may lose {lost}"
        return seen

    def _take(self, kind: str, creates: bool, paths: list[str]) -> None:
        if kind == "rename":
            self._rename(*paths[:2])
        elif kind == "mkdir" or (kind == "openat" and creates):
            self._name(paths[-1])
        elif kind in ("write", "pwrite64", "ftruncate"):
            self.waiting.add(paths[0])
        elif kind in ("fsync", "fdatasync"):
            self.waiting.discard(paths[0])

    def _name(self, path: str) -> None:
        if path not in self.existing:
            self.waiting.add(str(Path(path).parent))
            self.existing.add(path)

    def _rename(self, old: str, new: str) -> None:
        inside = {path for path in self.waiting if Path(path).is_relative_to(old)}
        assert self._is_draft(new) or not inside, f"{new} is named before {inside} is on the disk"
        self.waiting = (self.waiting - inside) | {new + path.removeprefix(old) for path in inside}
        self.existing.discard(new)
        self._name(new)

    def _is_draft(self, path: str) -> bool:
        return any(part.startswith(".") for part in Path(path).relative_to(self.place).parts)


def is_sync_of_folder(call: str) -> bool:
    match = re.match(r"fsync\(\d+<([^<>]+)>", call)
    return match is not None and Path(match[1]).is_dir()
