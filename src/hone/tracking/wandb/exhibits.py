"""Tables and charts in W&B, and `exhibits.jsonl`, which stores them in case they have to be sent again.

An exhibit waits for the journal's next row and becomes part of that row."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np

from hone.core.files import drafted
from hone.runs.journal import read_rows
from hone.tracking.exhibits import Bars, Exhibit, Files, Histogram, Matrix, Table

_KINDS: Mapping[str, type[Exhibit]] = {cls.__name__: cls for cls in (Table, Bars, Histogram, Matrix, Files)}
"""The kinds of exhibits by their names in `exhibits.jsonl`."""

_PRESETS: Mapping[type[Exhibit], tuple[str, tuple[str, ...]]] = {
    Bars: ("wandb/bar/v0", ("label", "value")),
    Matrix: ("wandb/confusion_matrix/v1", ("Actual", "Predicted", "nPredictions")),
}
"""W&B's own charts, and the columns that they expect."""


@final
@dataclass(frozen=True)
class NumberedExhibit:
    """An exhibit, and the number of the journal's row that it is part of."""

    number: int
    name: str
    exhibit: Exhibit
    step: int | None


@final
class ExhibitFile:
    """`exhibits.jsonl`: append-only like the journal, except for `rewind`."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def add(self, numbered: NumberedExhibit) -> None:
        """Append an exhibit to the file."""
        line = {**vars(numbered), "kind": type(numbered.exhibit).__name__, "exhibit": vars(numbered.exhibit)}
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line, default=_plain) + "\n")

    def rewind(self, number: int) -> None:
        """Drop the exhibits that a run resumed after this many rows will show again. Those without a step stay."""
        kept = [line for line in self._lines() if line["number"] < number or line["step"] is None]
        if self.path.is_file():
            with drafted(self.path) as draft:
                draft.write_text("".join(json.dumps(line) + "\n" for line in kept), encoding="utf-8")

    def read(self) -> Iterator[NumberedExhibit]:
        """Yield the exhibits in the order of their rows; of two with the same name in one row, the later one."""
        newest = {(line["number"], line["name"]): line for line in self._lines()}
        for (number, name), line in sorted(newest.items(), key=lambda item: item[0][0]):
            yield NumberedExhibit(number, name, _KINDS[line["kind"]](**line["exhibit"]), line["step"])

    def _lines(self) -> list[dict[str, Any]]:
        return [line for line in read_rows(self.path) if "number" in line]


def define_axes(run: Any) -> None:
    """Draw curves over our own steps; the other counters can be chosen as the axis too."""
    for axis in ("step", "epoch", "examples", "seconds", "time"):
        run.define_metric(axis, hidden=True)
    run.define_metric("*", step_metric="step", summary="none")


def log_exhibit(run: Any, folder: Path, number: int | None, name: str, exhibit: Exhibit, step: int | None) -> None:
    """Log an exhibit of the run in a folder. Its newest table is also in the summary, where W&B's pages look for it,
    even under a chart."""
    import wandb

    if isinstance(exhibit, Files):
        _log(run, number, name, list(_media(exhibit, folder)), step)
    elif isinstance(exhibit, Histogram):
        bins = (np.asarray(exhibit.counts), np.asarray(exhibit.edges))
        _log(run, number, name, wandb.Histogram(np_histogram=bins), step)
    elif type(exhibit) in _PRESETS:
        preset, columns = _PRESETS[type(exhibit)]
        table, fields = _table(columns, exhibit), dict(zip(columns, columns, strict=True))
        _log(run, number, name, wandb.plot_table(preset, table, fields, {"title": name}, split_table=True), step)
        run.summary[f"Custom Chart Tables/{name}_table"] = table
    else:
        table = _table(exhibit.table().columns, exhibit)
        _log(run, number, name, table, step)
        run.summary[name] = table


def log_page(run: Any, number: int | None, name: str, html: str) -> None:
    import wandb

    _log(run, number, name, wandb.Html(html, inject=False), None)


def _media(files: Files, folder: Path) -> Iterator[Any]:
    """Yield the files that are still there as W&B's media."""
    import wandb

    make = {"image": wandb.Image, "audio": wandb.Audio, "video": wandb.Video}[files.kind]
    for name, caption in zip(files.names, files.captions, strict=True):
        if (folder / name).is_file():
            yield make(str(folder / name), caption=caption)


def _table(columns: Sequence[str], exhibit: Exhibit) -> Any:
    import wandb

    return wandb.Table(columns=list(columns), data=list(map(list, exhibit.table().rows)), allow_mixed_types=True)


def _log(run: Any, number: int | None, name: str, value: Any, step: int | None) -> None:
    run.log({name: value} | ({} if step is None else {"step": step}), step=number, commit=False)


def _plain(value: Any) -> Any:
    """Turn one of numpy's numbers into Python's."""
    return value.item()
