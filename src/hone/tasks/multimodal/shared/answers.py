"""The answers that people gave to a question: how data sets write them, and which of them a network may choose."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from datasets import Dataset

from hone.core.columns import read_column
from hone.core.task import Facts, Fault
from hone.tasks.metrics.vqa import normalise_answer, score_answers

_WORD = re.compile(r"\w+")
_BEGINNING = 2
"""How many words of a question say of which kind it is."""
_BEGINNINGS = 1000
"""The most kinds of questions for which the usual answer is kept."""


def read_answers(value: Any) -> list[str]:
    """Return the answers of a row, normalised: a text, a list of them, or what VQA v2 has, with a text in `answer`."""
    if isinstance(value, Mapping):
        value = value.get("answer")
    values = value if isinstance(value, list) else [value]
    texts = [each.get("answer") if isinstance(each, Mapping) else each for each in values]
    answers = [normalise_answer(text) for text in texts if isinstance(text, str)]
    return [answer for answer in answers if answer]


def answer_faults(rows: Dataset) -> Iterator[Fault]:
    """Yield the rows without an answer."""
    for row, value in enumerate(read_column(rows, "answers")):
        if value is None:
            yield Fault(row, "answers", "the answers are missing")
        elif not read_answers(value):
            yield Fault(row, "answers", f"expected an answer or a list of answers, not {str(value)[:40]!r}")


def find_answers(rows: Dataset, most: int, names: tuple[str, ...] | None) -> Facts:
    """Return the `most` frequent answers of the rows, or those with these names, and how often people gave them; and
    the usual answer to questions that begin with the same words, by its place."""
    counts: Counter[str] = Counter()
    scores: dict[str, Counter[str]] = defaultdict(Counter)
    for question, value in _iter_rows(rows):
        answers = read_answers(value)
        counts.update(answers)
        if isinstance(question, str):
            scores[beginning_of(question)].update(score_answers(answers))
    frequent = [answer for answer, _ in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:most]]
    labels = tuple(dict.fromkeys(map(normalise_answer, names))) if names is not None else tuple(frequent)
    usual = _usual_answers(scores, labels)
    return Facts("answers", labels, tuple(counts[label] for label in labels), usual)


def beginning_of(question: str) -> str:
    """Return the words that say of which kind a question is, such as "how many"."""
    return " ".join(_WORD.findall(question.lower())[:_BEGINNING])


def _usual_answers(scores: Mapping[str, Counter[str]], labels: Sequence[str]) -> dict[str, float]:
    """Return the place of the answer with the highest score for each beginning, the most frequent beginnings first."""
    places = {label: place for place, label in enumerate(labels)}
    common = sorted(scores, key=lambda beginning: (-scores[beginning].total(), beginning))[:_BEGINNINGS]
    usual = {}
    for beginning in common:
        within = [(answer, score) for answer, score in scores[beginning].items() if answer in places]
        if within:
            usual[beginning] = float(places[max(within, key=lambda pair: (pair[1], pair[0]))[0]])
    return usual


def _iter_rows(rows: Dataset) -> Iterable[tuple[Any, Any]]:
    return zip(read_column(rows, "question"), read_column(rows, "answers"), strict=True)
