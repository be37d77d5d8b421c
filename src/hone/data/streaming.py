"""Training rows that are read as they are needed: checked and shuffled on the way, never all held at once."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import count, islice
from typing import Any, final

import numpy as np
from datasets import Dataset
from datasets.exceptions import DatasetsError

from hone.core import cache, seeds
from hone.core.columns import row_lengths
from hone.core.errors import RunError, UserError
from hone.core.paths import cache_key
from hone.core.task import Facts, Task
from hone.data.bad_rows import Tally, report_bad_rows
from hone.data.canonical import label_names, to_canonical
from hone.data.plan import Feed, Plan, Planned, Pool
from hone.data.recipe import code, options
from hone.data.source import Incoming, Source
from hone.data.sources.broken_lines import require_whole

log = logging.getLogger(__name__)

UNREADABLE = (OSError, ValueError, NotImplementedError, DatasetsError)
"""What readers of files and of the network raise."""


@final
@dataclass(frozen=True)
class Survey:
    """`usable` rows make up an epoch; `told` says what is wrong with the others."""

    facts: Facts
    rows: int
    usable: int
    told: str


def survey(incoming: Incoming, source: Source, task: Task) -> Survey:
    """From the cache or by reading everything once; bad rows end the command unless they are to be left out."""
    recipe = [dict(source.columns), label_names(incoming, source), options(task), code(task, survey)]

    def make(file: str | None) -> Dataset:
        log.info("%s: reading all training rows once, to know their number and labels", source.name)
        found = json.dumps(asdict(_look(incoming, source, task)))
        return cache.store_rows(Dataset.from_dict({"survey": [found]}), file)

    kept = json.loads(cache.load_or_make("surveys", cache_key(incoming.stamp, recipe), make)["survey"][0])
    found = Survey(Facts.of(kept.pop("facts")), **kept)
    report_bad_rows(found.rows - found.usable, found.rows, found.told, "train", source)
    return found


def canonical_chunks(incoming: Incoming, source: Source, task: Task) -> Iterator[Dataset]:
    """The rows under the names of their roles, numbered from the first file's first."""
    first = 0
    for raw in incoming.chunks():
        yield to_canonical(raw, "train", source, task, first)
        first += len(raw)


def _look(incoming: Incoming, source: Source, task: Task) -> Survey:
    names = label_names(incoming, source)
    tally, facts = Tally(), None
    try:
        for chunk in canonical_chunks(incoming, source, task):
            before = facts or Facts(task.find_facts(chunk, names).kind)  # the first rows tell the kind of problem
            known = task.add_facts(before, chunk, names)
            usable = tally.sift(chunk, task.find_faults(chunk, known))
            facts = known if usable is chunk else task.add_facts(before, usable, names)
    except UNREADABLE as error:
        if incoming.file is not None:
            require_whole(incoming.file, "")
        raise UserError(f"{source.name}: the training rows cannot be read: {error.__cause__ or error}") from error
    if facts is None:
        raise UserError(f"{source.name}: the train split is empty.")
    return Survey(facts, tally.rows, tally.rows - tally.bad, tally.told(source))


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


_WINDOW = 1024
"""Rows encoded together: enough for a tokenizer to be quick, few enough to be ready at once."""


@final
class Streamed(Feed):
    """Every process reads and encodes all rows, so that each knows what the others do; `plan` lacks its lengths."""

    def __init__(self, stream: Stream, task: Task, plan: Plan) -> None:
        self.stream, self.task, self.plan = stream, task, plan
        self.measured = plan.measure(stream.size)
        step = plan.batch_size * plan.world * plan.accumulate
        together = step * plan.batching.span
        self.window = together * max(1, _WINDOW // together)

    @property
    def steps_per_epoch(self) -> int:
        return self.measured[1]

    def batches(self, epoch: int) -> int:
        return self.measured[0]

    def steps(self, first: int) -> Iterator[tuple[int, Planned]]:
        start, skip = divmod(first - 1, self.steps_per_epoch)
        steps = (step for epoch in count(start) for step in self.epoch(epoch, skip if epoch == start else 0))
        return enumerate(steps, start=first)

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[Planned]:
        """Steps that were done before are counted off their rows, which are read but not encoded."""
        with _no_mistake_any_more(self.stream):
            for place, rows in enumerate(self._windows(epoch)):
                _, steps = self.plan.measure(len(rows))
                if skip < steps:
                    pool = self._encoded(rows)
                    planned = replace(self.plan, lengths=pool.lengths).epoch(epoch, place)
                    yield from ((micros, pool) for micros in planned[skip:])
                skip = max(skip - steps, 0)

    def beginning(self) -> Pool:
        return self._encoded(list(islice(self.stream.rows(), 64)))

    def _windows(self, epoch: int) -> Iterator[Sequence[Row]]:
        found, rows = 0, self.stream.epoch(seeds.stream(self.plan.seed, "shuffle", epoch))
        while window := list(islice(rows, self.window)):
            found += len(window)
            yield window
        if found != self.stream.size:
            raise RunError(f"{self.stream.source.name}: {self.stream.size} rows before the training, now {found}.")

    def _encoded(self, rows: Sequence[Row]) -> Pool:
        encoded = Dataset.from_dict(self.task.encode({role: [row[role] for row in rows] for role in rows[0]}))
        if len(encoded) != len(rows):
            raise UserError("dataset.streaming=true: the task makes several rows of one, and their number is unknown.")
        ready = encoded.with_format("arrow")
        return Pool(ready, np.asarray(row_lengths(ready)))


@contextmanager
def _no_mistake_any_more(stream: Stream) -> Iterator[None]:
    """What goes wrong during the training ends a run that is worth keeping."""
    try:
        yield
    except (*UNREADABLE, UserError) as error:
        raise RunError(f"{stream.source.name}: the training rows cannot be read any more: {error}") from error
