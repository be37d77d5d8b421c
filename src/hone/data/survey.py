"""One look at all rows of a stream before the training: how many there are, what their labels are, which cannot work.

Nothing is kept but counts, so it takes time and no memory; the cache remembers it until the files change.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import final

from datasets import Dataset
from datasets.exceptions import DatasetsError

from hone.core import cache
from hone.core.cache import key
from hone.core.errors import UserError
from hone.core.task import Facts, Task
from hone.data.canonical import canonical, label_names
from hone.data.incoming import Incoming
from hone.data.recipe import code, options
from hone.data.source import Source
from hone.data.tally import Tally, judge
from hone.data.unreadable import require_whole

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
        return cache.store(Dataset.from_dict({"survey": [found]}), file)

    kept = json.loads(cache.remember("surveys", key(incoming.stamp, recipe), make)["survey"][0])
    found = Survey(Facts.of(kept.pop("facts")), **kept)
    judge(found.rows - found.usable, found.rows, found.told, "train", source)
    return found


def canonical_chunks(incoming: Incoming, source: Source, task: Task) -> Iterator[Dataset]:
    """The rows under the names of their roles, numbered from the first file's first."""
    first = 0
    for raw in incoming.chunks():
        yield canonical(raw, "train", source, task, first)
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
