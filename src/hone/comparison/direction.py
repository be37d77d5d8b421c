"""Which score decides, and which way it is better: as the user says, as the sweep says, as the runs have it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from hone.comparison.groups import Metric
from hone.comparison.runs import Entry
from hone.core.errors import UserError, listed, nearest


def deciding(entries: Sequence[Entry], asked: str | None, known: Metric | None = None) -> Metric:
    """The metric by which runs are ranked; by default the one that chose their weights."""
    if asked is None and known is not None:
        return known
    name = asked or _usual(entries)
    scores = dict.fromkeys(score for entry in entries for score in entry.scores)
    if asked is not None and scores and name not in scores:
        name = _meant(asked, list(scores))
    return Metric(name, not _lower(name, entries))


def _usual(entries: Sequence[Entry]) -> str:
    counts = Counter(str(entry.best["metric"]) for entry in entries if entry.best.get("metric"))
    if not counts:
        raise UserError(
            f"metric: none of these {len(entries)} runs says by which score it chose its weights, for none has been "
            "evaluated; say metric=validation/… where they have scores."
        )
    return counts.most_common(1)[0][0]


def _meant(asked: str, scores: Sequence[str]) -> str:
    """`f1_macro` for `validation/f1_macro`, where that is what there is."""
    if f"validation/{asked}" in scores:
        return f"validation/{asked}"
    whole = [score for score in scores if score.count("/") == 1]
    raise UserError(
        f"metric={asked}: no run has it.{nearest(asked, [*scores, *_bare(whole)])} There are {listed(whole)}."
    )


def _bare(scores: Sequence[str]) -> list[str]:
    return list(dict.fromkeys(score.partition("/")[2] for score in scores))


def _lower(name: str, entries: Sequence[Entry]) -> bool:
    """As most of the runs that have the score say: `validation/f1/joy` goes the way of f1."""
    base = name.split("/")[1] if "/" in name else name
    having = [entry for entry in entries if name in entry.scores or entry.best.get("metric") == name]
    return sum(base in entry.lower_is_better for entry in having) * 2 > len(having)
