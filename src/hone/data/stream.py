"""Training rows that are read as they are needed: checked and shuffled on the way, never all held at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, final

import numpy as np

from hone.core.task import Task
from hone.data.incoming import Incoming
from hone.data.source import Source
from hone.data.survey import Survey, canonical_chunks, survey

Row = dict[str, Any]


@final
@dataclass(frozen=True, eq=False)
class Stream:
    """The same rows in every epoch; the order is a function of the random stream it is given."""

    incoming: Incoming
    source: Source
    task: Task
    survey: Survey
    limit: int | None

    @property
    def size(self) -> int:
        """How many rows an epoch has."""
        return self.survey.usable if self.limit is None else min(self.survey.usable, self.limit)

    def rows(self) -> Iterator[Row]:
        """The usable rows in the order of the files; of these a limit takes the first."""
        return islice(self._usable(), self.limit)

    def epoch(self, rng: np.random.Generator) -> Iterator[Row]:
        """Every row once."""
        return shuffled(self.rows(), self.source.shuffle_buffer, rng)

    def _usable(self) -> Iterator[Row]:
        for chunk in canonical_chunks(self.incoming, self.source, self.task):
            bad = {fault.row for fault in self.task.find_faults(chunk, self.survey.facts)}
            yield from (row for place, row in enumerate(chunk.to_list()) if place not in bad)


def open_stream(source: Source, task: Task, limit: int | None) -> Stream:
    """The training rows of a source, looked through once."""
    incoming = source.stream()
    return Stream(incoming, source, task, survey(incoming, source, task), limit)


def shuffled(rows: Iterable[Row], size: int, rng: np.random.Generator) -> Iterator[Row]:
    """Holds `size` rows: each further one takes the place of one drawn at random, which comes out."""
    source = iter(rows)
    held = list(islice(source, size))
    for place, row in zip(_places(len(held), rng), source, strict=False):
        yield held[place]
        held[place] = row
    yield from (held[place] for place in rng.permutation(len(held)))


def _places(size: int, rng: np.random.Generator) -> Iterator[int]:
    """Random places without end; drawn in bulk, which is far cheaper."""
    while True:
        yield from rng.integers(max(size, 1), size=1024).tolist()
