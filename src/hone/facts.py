"""What the model must know of the data: frozen, crossing from data to model once, saved as JSON with the run."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final


@final
@dataclass(frozen=True)
class Facts:
    """Names, counts and sizes that a task found in the training rows; a task uses the fields it needs."""

    kind: str
    labels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict)

    def save(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Facts:
        return cls.of(json.loads(path.read_text(encoding="utf-8")))

    @classmethod
    def of(cls, saved: Mapping[str, Any]) -> Facts:
        return cls(saved["kind"], tuple(saved["labels"]), tuple(saved["counts"]), saved["numbers"])
