"""The types that config values are checked against: a signature that says `Share` needs no range check in its body.

They are read from the source of a class before it is imported (see `signatures`), so this file stays light.
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
    """What messages call a type that has a check of its own."""

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
    """Whether a file system could hold it, which goes for hub ids too."""
    expanded = os.path.expanduser(value)  # noqa: PTH111 (that of Path raises where there is no such user)
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
Factor = Annotated[int, Ge(2)]
Length = Annotated[
    str | int | float,
    Predicate(_is_duration),
    Words('a duration ("500 steps", "2 epochs", "10_000 examples", "10%")'),
]
Extent = Annotated[
    str | int | float,
    Predicate(_is_extent),
    Words('a duration above 0 that is no share ("500 steps", "2 epochs", "10_000 examples")'),
]
Place = Annotated[str, Predicate(_is_place), Words("a path that a file system can hold")]
Line = Annotated[str, Predicate(_is_line), Words("a word or more in one line")]
Project = Annotated[
    str,
    Predicate(_is_project),
    Words("a name that W&B takes: 1 to 128 characters, none of them one of / \\ # ? % :"),
]
Tag = Annotated[str, Predicate(_is_tag), Words("1 to 64 characters")]
FolderName = Annotated[str, Predicate(_is_folder_name), Words("a name for a folder, with no way out of output_root")]

ExactPrecision = Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true"]
Precision = Literal["auto", "32-true", "bf16-mixed", "16-mixed", "bf16-true", "64-true"]
Strategy = Literal["auto", "ddp"]
Accelerator = Literal["auto", "cpu", "cuda", "mps"]
Kind = Literal["auto", "single_label", "multi_label", "regression"]
ClassWeights = Literal["balanced"] | list[Positive] | dict[str, Positive] | None
BleuTokens = Literal["13a", "intl", "char", "zh", "ja-mecab", "ko-mecab", "none"]
Labels = list[str] | Place | None
OnBadRow = Literal["error", "skip"]
Pooling = Literal["auto", "cls", "mean", "max", "last", "attention"]
FixedPooling = Literal["auto", "cls", "mean", "max", "last"]
Switch = Literal["auto"] | bool
Split = Literal["train", "validation", "test"]
Splits = Mapping[Split, str | None]
ColumnsByRole = Mapping[str, str | list[str] | None]
Workers = Literal["auto"] | Count
Rerun = Literal["failed", "stale", "all", "nothing"]
Documents = Literal["lines", "paragraphs", "files"]
Objectives = Mapping[str, Literal["maximize", "minimize"]]
