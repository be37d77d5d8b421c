"""Training rows that are read as they are needed: surveyed once, then checked, shuffled and encoded on the way."""

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
from hone.core.errors import RunError, UserError
from hone.core.paths import cache_key
from hone.core.task import Facts, Task
from hone.data.bad_rows import BadRowSummary, report_bad_rows
from hone.data.canonical import label_names, to_canonical
from hone.data.encoded_rows import EncodedRows
from hone.data.media.file import encode_with_media
from hone.data.plan import Feed, PlannedStep, StepPlan
from hone.data.recipe import code_digest, task_options
from hone.data.source import RawStream, Source
from hone.data.sources.broken_lines import require_objects, require_readable_rows

log = logging.getLogger(__name__)

UNREADABLE = (OSError, ValueError, NotImplementedError, DatasetsError)
"""The errors that readers of files and of the network raise."""
_WINDOW = 1024
"""How many rows are encoded together: enough for a fast tokenizer, few enough for the first step to start soon."""

CanonicalRow = dict[str, Any]


@final
@dataclass(frozen=True)
class StreamSurvey:
    """What one pass over a stream showed: the facts, the numbers of all and of usable rows, and what is wrong."""

    facts: Facts
    rows: int
    usable: int
    problems: str
    """A description of the bad rows."""


@final
@dataclass(frozen=True, eq=False)
class Stream:
    """The usable training rows of a source. Every epoch has the same rows, in an order that a random stream decides."""

    incoming: RawStream
    source: Source
    task: Task
    survey: StreamSurvey
    limit: int | None

    @property
    def size(self) -> int:
        """The number of rows in an epoch."""
        return self.survey.usable if self.limit is None else min(self.survey.usable, self.limit)

    def rows(self) -> Iterator[CanonicalRow]:
        """Yields the usable rows in the order of the files; a limit takes the first of them."""
        return islice(self._usable_rows(), self.limit)

    def epoch(self, rng: np.random.Generator) -> Iterator[CanonicalRow]:
        """Yields every row once, shuffled."""
        return shuffle_buffered(self.rows(), self.source.shuffle_buffer, rng)

    def _usable_rows(self) -> Iterator[CanonicalRow]:
        for chunk in iter_canonical(self.incoming, self.source, self.task):
            bad = {fault.row for fault in self.task.find_faults(chunk, self.survey.facts)}
            yield from (row for place, row in enumerate(chunk.to_list()) if place not in bad)


def open_stream(source: Source, task: Task, limit: int | None) -> Stream:
    """Opens the training rows of a source and surveys them."""
    incoming = source.stream()
    return Stream(incoming, source, task, survey_rows(incoming, source, task), limit)


def survey_rows(incoming: RawStream, source: Source, task: Task) -> StreamSurvey:
    """Returns a survey from the cache, or reads all rows once. Bad rows raise UserError unless they are left out."""
    recipe = [
        dict(source.columns), label_names(incoming, source), task_options(task), code_digest(task, survey_rows),
    ]  # fmt: skip

    def make(file: str | None) -> Dataset:
        log.info("%s: reading all training rows once, to know their number and labels", source.name)
        text = json.dumps(asdict(_read_survey(incoming, source, task)))
        return cache.store_rows(Dataset.from_dict({"survey": [text]}), file)

    fields = json.loads(cache.load_or_make("surveys", cache_key(incoming.stamp, recipe), make)["survey"][0])
    survey = StreamSurvey(Facts.of(fields.pop("facts")), **fields)
    report_bad_rows(survey.rows - survey.usable, survey.rows, survey.problems, "train", source)
    return survey


def iter_canonical(incoming: RawStream, source: Source, task: Task) -> Iterator[Dataset]:
    """Yields chunks of canonical rows, numbered from the first row of the first file."""
    first = 0
    for raw in incoming.iter_chunks():
        yield to_canonical(raw, "train", source, task, first)
        first += len(raw)


def _read_survey(incoming: RawStream, source: Source, task: Task) -> StreamSurvey:
    names = label_names(incoming, source)
    summary, facts = BadRowSummary(), None
    if incoming.file is not None:
        require_objects(incoming.file, "")
    try:
        for chunk in iter_canonical(incoming, source, task):
            before = facts or Facts(task.find_facts(chunk, names).kind)  # the first rows show the kind of problem
            with_chunk = task.add_facts(before, chunk, names)
            usable = summary.drop_bad_rows(chunk, task.find_faults(chunk, with_chunk))
            # Bad rows must not count in the facts, so they are found again where some were dropped.
            facts = with_chunk if usable is chunk else task.add_facts(before, usable, names)
    except UNREADABLE as error:
        if incoming.file is not None:
            require_readable_rows(incoming.file, "")
        raise UserError(f"{source.name}: the training rows cannot be read: {error.__cause__ or error}") from error
    if facts is None:
        raise UserError(f"{source.name}: the train split is empty.")
    return StreamSurvey(facts, summary.rows, summary.rows - summary.bad, summary.describe(source))


def shuffle_buffered(rows: Iterable[CanonicalRow], size: int, rng: np.random.Generator) -> Iterator[CanonicalRow]:
    """Shuffles rows within a buffer of `size`: each new row replaces a random one, which is yielded."""
    source = iter(rows)
    buffer = list(islice(source, size))
    # `zip` takes the place before the row: one more place is drawn when the rows end, before the last permutation.
    for place, row in zip(_random_places(len(buffer), rng), source, strict=False):
        yield buffer[place]
        buffer[place] = row
    yield from (buffer[place] for place in rng.permutation(len(buffer)))


def _random_places(size: int, rng: np.random.Generator) -> Iterator[int]:
    """Yields random places without end. They are drawn in bulk, which is far faster."""
    while True:
        yield from rng.integers(max(size, 1), size=1024).tolist()


@final
class StreamFeed(Feed):
    """Feeds the rows of a stream. Every process reads and encodes all rows, so that all plan the same batches.

    `plan` has no lengths: each window of rows brings its own.
    """

    def __init__(self, stream: Stream, task: Task, plan: StepPlan) -> None:
        self.stream, self.task, self.plan = stream, task, plan
        self.batches_per_epoch, self._steps_per_epoch = plan.count_for_rows(stream.size)
        # A window is a whole number of spans of steps, so that no batch lacks rows in the middle of an epoch.
        rows = plan.batch_size * plan.world * plan.accumulate * plan.batching.span
        self.window = rows * max(1, _WINDOW // rows)

    @property
    def steps_per_epoch(self) -> int:
        return self._steps_per_epoch

    def count_batches(self, epoch: int) -> int:
        return self.batches_per_epoch

    def steps(self, first: int) -> Iterator[tuple[int, PlannedStep]]:
        start, skip = divmod(first - 1, self.steps_per_epoch)
        steps = (step for epoch in count(start) for step in self.epoch(epoch, skip if epoch == start else 0))
        return enumerate(steps, start=first)

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[PlannedStep]:
        """Yields the steps of an epoch without the first `skip`; windows before these are read but not encoded."""
        with _errors_end_the_run(self.stream):
            for place, rows in enumerate(self._windows(epoch)):
                _, steps = self.plan.count_for_rows(len(rows))
                if skip < steps:
                    encoded = self._encode(rows)
                    planned = replace(self.plan, lengths=encoded.lengths).epoch(epoch, place)
                    yield from (PlannedStep(passes, encoded, epoch) for passes in planned[skip:])
                skip = max(skip - steps, 0)

    def sample_rows(self) -> EncodedRows:
        return self._encode(list(islice(self.stream.rows(), 64)))

    def _windows(self, epoch: int) -> Iterator[Sequence[CanonicalRow]]:
        seen, rows = 0, self.stream.epoch(seeds.stream(self.plan.seed, "shuffle", epoch))
        while window := list(islice(rows, self.window)):
            seen += len(window)
            yield window
        if seen != self.stream.size:
            raise RunError(f"{self.stream.source.name}: {self.stream.size} rows before the training, now {seen}.")

    def _encode(self, rows: Sequence[CanonicalRow]) -> EncodedRows:
        encoded = encode_rows(rows, self.task)
        if len(encoded.lengths) != len(rows):
            raise UserError(
                "dataset.streaming=true: the task makes several rows from one, so their number is unknown in advance."
            )
        return encoded


def encode_rows(rows: Sequence[CanonicalRow], task: Task) -> EncodedRows:
    """Encodes some rows of a stream."""
    canonical = {role: [row[role] for row in rows] for role in rows[0]}
    encoded = Dataset.from_dict(encode_with_media(task, canonical))
    return EncodedRows.of(encoded, Dataset.from_dict(canonical) if task.media else None, task)


@contextmanager
def _errors_end_the_run(stream: Stream) -> Iterator[None]:
    """Turns errors in the data into RunError: the survey found none, and the run so far is worth keeping."""
    try:
        yield
    except (*UNREADABLE, UserError) as error:
        raise RunError(f"{stream.source.name}: the training rows can no longer be read: {error}") from error
