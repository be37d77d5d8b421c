"""The types of config values. A value is checked against its annotation: a `Share` needs no range check in the code.

`hone.config.signatures` reads the annotations from the source, before the annotated class is imported. So this module
must not import anything heavy.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Annotated, Literal, final

from annotated_types import Ge, Gt, Le, Lt, Predicate

from hone.core.durations import Duration


@final
@dataclass(frozen=True)
class Words:
    """How messages describe a type that has its own check."""

    text: str


def _is_duration(value: object) -> bool:
    try:
        Duration.parse(value)
    except ValueError:
        return False
    return True


def _is_extent(value: object) -> bool:
    return _is_duration(value) and Duration.parse(value).amount > 0 and Duration.parse(value).unit != "percent"


def _is_place(value: str) -> bool:
    """Return whether a file system accepts the path. Every id of the Hugging Face Hub passes too."""
    expanded = os.path.expanduser(value)  # noqa: PTH111 (Path.expanduser raises for an unknown user)
    fits = len(expanded) < 4096 and all(len(os.fsencode(part)) < 256 for part in PurePath(expanded).parts)
    return bool(value.strip()) and fits and "\0" not in value and not expanded.startswith("~")


def _is_folder_name(value: str) -> bool:
    path = PurePath(value)
    return _is_place(value) and not path.is_absolute() and bool(path.parts) and ".." not in path.parts


def _is_project(value: str) -> bool:
    return _is_line(value) and len(value) <= 128 and not set(value) & set("/\\#?%:")


def _is_tag(value: str) -> bool:
    return _is_line(value) and len(value) <= 64


def _is_line(value: str) -> bool:
    return bool(value.strip()) and value.isprintable()


Count = Annotated[int, Ge(1)]
Index = Annotated[int, Ge(0)]
Positive = Annotated[float, Gt(0)]
NotNegative = Annotated[float, Ge(0)]
Share = Annotated[float, Ge(0), Le(1)]
PartialShare = Annotated[float, Ge(0), Lt(1)]
ProperShare = Annotated[float, Gt(0), Lt(1)]
KeptShare = Annotated[float, Gt(0), Le(1)]
Factor = Annotated[int, Ge(2)]
Length = Annotated[
    str | int | float,
    Predicate(_is_duration),
    Words('a duration ("500 steps", "2 epochs", "10_000 examples", "10%")'),
]
Extent = Annotated[
    str | int | float,
    Predicate(_is_extent),
    Words('a duration above 0 that is not a share ("500 steps", "2 epochs", "10_000 examples")'),
]
Place = Annotated[str, Predicate(_is_place), Words("a path that a file system accepts")]
Line = Annotated[str, Predicate(_is_line), Words("one line of text")]
Project = Annotated[
    str,
    Predicate(_is_project),
    Words("a name that W&B accepts: 1 to 128 characters, none of them one of / \\ # ? % :"),
]
Tag = Annotated[str, Predicate(_is_tag), Words("1 to 64 characters")]
FolderName = Annotated[str, Predicate(_is_folder_name), Words("a folder name that stays inside output_root")]

ExactPrecision = Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true"]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true"]
Strategy = Literal["auto", "ddp"]
Accelerator = Literal["auto", "cpu", "cuda", "mps"]
Kind = Literal["auto", "single_label", "multi_label", "regression"]
ClassWeights = Literal["balanced"] | list[Positive] | dict[str, Positive] | None
BleuTokens = Literal["13a", "intl", "char", "zh", "ja-mecab", "ko-mecab", "none"]
Labels = list[str] | Place | None
OnBadRow = Literal["error", "skip"]
OnNonfinite = Literal["stop", "skip", "retry"]
Pooling = Literal["auto", "cls", "mean", "max", "last", "attention"]
FixedPooling = Literal["auto", "cls", "mean", "max", "last"]
Switch = Literal["auto"] | bool
Split = Literal["train", "validation", "test"]
Splits = Mapping[Split, str | None]
ColumnsByRole = Mapping[str, str | list[str] | None]
Workers = Literal["auto"] | Count
StepWorkers = Literal["auto"] | Index
Rerun = Literal["failed", "stale", "all", "nothing"]
Documents = Literal["lines", "paragraphs", "files"]
Objectives = Mapping[str, Literal["maximize", "minimize"]]
