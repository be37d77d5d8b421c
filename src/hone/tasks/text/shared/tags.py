"""Tags of words: which there are, which rows have unusable ones, and how well they are predicted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from datasets import Dataset
from transformers import PretrainedConfig

from hone.core.columns import read_column
from hone.core.errors import UserError, did_you_mean, join_names
from hone.core.metric import Metric
from hone.core.task import Facts, Fault
from hone.tasks.metrics import classes
from hone.tasks.metrics import spans as entities
from hone.tasks.metrics.scalars import WORD_ACCURACY
from hone.tasks.targets.classes import class_name, class_names
from hone.tasks.targets.kinds import label_names


def find_tags(rows: Dataset, names: tuple[str, ...] | None, kind: str, known: Facts | None = None) -> Facts:
    """The tags that occur, beside those that are known, and how often; `kind` auto is decided by how they look."""
    counts = Counter(dict(zip(known.labels, known.counts, strict=True)) if known else {})
    lists = [row for row in read_column(rows, "label") if isinstance(row, list)]
    counts.update(class_name(tag) for row in lists for tag in row if tag is not None)
    labels = class_names(counts, names)
    if names is None and entities.mark_spans(labels):
        labels = tuple(sorted(labels, key=lambda tag: (tag != "O", entities.read_tag(tag)[::-1])))
    return Facts(_kind(kind, labels), labels, tuple(counts[name] for name in labels))


def recall_tags(config: PretrainedConfig, kind: str) -> Facts:
    """What a network that was trained elsewhere says of its tags."""
    labels = label_names(config)
    return Facts(_kind(kind, labels), labels, (1,) * len(labels))


def _kind(kind: str, labels: tuple[str, ...]) -> str:
    return ("spans" if entities.mark_spans(labels) else "tags") if kind == "auto" else kind


def require_scheme(facts: Facts) -> None:
    """Raises UserError where tags that shall mark spans do not."""
    odd = entities.odd_tags(facts.labels)
    if odd:
        raise UserError(
            f"task.kind=spans: {join_names(odd, 5)} marks no span; expected O and B-…, I-… (or E-, S-, L-, U-). "
            f"For tags that stand for themselves say task.kind=tags."
        )


def split_words(words: Any) -> list[str]:
    """A list of words as it is, a text at its blanks."""
    return words.split() if isinstance(words, str) else list(words)


def word_faults(rows: Dataset) -> Iterator[Fault]:
    """Rows without words, or with something else among them."""
    for row, words in enumerate(read_column(rows, "words")):
        problem = _word_problem(words)
        if problem:
            yield Fault(row, "words", problem)


def _word_problem(words: Any) -> str | None:
    if words is None:
        return "the words are missing"
    if not isinstance(words, list | str):
        return f"expected a list of words, not {words!r}"
    odd = [word for word in words if not isinstance(word, str)]
    if odd:
        return "a word is missing" if odd[0] is None else f"expected words, not {odd[0]!r}"
    return None if "".join(words).strip() else "there are no words"


def tag_faults(rows: Dataset, facts: Facts) -> Iterator[Fault]:
    """Rows whose tags do not go with their words, or that nobody knows."""
    for row, (words, tags) in enumerate(zip(read_column(rows, "words"), read_column(rows, "label"), strict=True)):
        problem = _tag_problem(words, tags, facts)
        if problem:
            yield Fault(row, "label", problem)


def _tag_problem(words: Any, tags: Any, facts: Facts) -> str | None:
    if tags is None:
        return "the tags are missing"
    if not isinstance(tags, list):
        return f"expected a list of tags, one for each word, not {tags!r}"
    if None in tags:
        return "a tag is missing"
    if _word_problem(words) is None and len(tags) != len(split_words(words)):
        return f"{len(split_words(words))} words and {len(tags)} tags"
    unknown = next((name for name in map(class_name, tags) if name not in facts.labels), None)
    if unknown is None:
        return None
    hint = did_you_mean(unknown, facts.labels)
    return (
        f"tag {unknown!r} is none of the training tags {join_names(facts.labels, 12)}.{hint} Where training rows lack a "
        f"tag, dataset.labels=[…] names them all"
    )


def tag_metrics(facts: Facts) -> Mapping[str, Metric]:
    """Of spans, or of single tags."""
    of_tags = entities.span_metrics if facts.kind == "spans" else classes.word_tags
    return {"accuracy": WORD_ACCURACY, **of_tags(facts.labels)}
