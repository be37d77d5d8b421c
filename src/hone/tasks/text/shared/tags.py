"""Tags of words: which occur, which rows have invalid ones, and how well they are predicted."""

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
from hone.tasks.metrics.classes import word_tag_metrics
from hone.tasks.metrics.scalars import WORD_ACCURACY
from hone.tasks.metrics.spans import find_odd_tags, mark_spans, read_tag, span_metrics
from hone.tasks.targets.classes import class_name, class_names
from hone.tasks.targets.kinds import label_names


def find_tags(rows: Dataset, names: tuple[str, ...] | None, kind: str, earlier: Facts | None = None) -> Facts:
    """Return the tags of these and `earlier` rows, and how often they occur; the kind `auto` is guessed from them."""
    counts = Counter(dict(zip(earlier.labels, earlier.counts, strict=True)) if earlier else {})
    lists = [row for row in read_column(rows, "label") if isinstance(row, list)]
    counts.update(class_name(tag) for row in lists for tag in row if tag is not None)
    labels = class_names(counts, names)
    if names is None and mark_spans(labels):  # O first, then by type and mark
        labels = tuple(sorted(labels, key=lambda tag: (tag != "O", read_tag(tag)[::-1])))
    return Facts(_resolve_kind(kind, labels), labels, tuple(counts[name] for name in labels))


def tag_facts_from_config(config: PretrainedConfig, kind: str) -> Facts:
    """Return what the config of a network trained elsewhere says about its tags."""
    labels = label_names(config)
    return Facts(_resolve_kind(kind, labels), labels, (1,) * len(labels))


def _resolve_kind(kind: str, labels: tuple[str, ...]) -> str:
    return ("spans" if mark_spans(labels) else "tags") if kind == "auto" else kind


def require_scheme(facts: Facts) -> None:
    """Raise UserError if the tags were declared to mark spans and do not."""
    odd = find_odd_tags(facts.labels)
    if odd:
        raise UserError(
            f"task.kind=spans: {join_names(odd, 5)} does not mark a span; expected O and B-…, I-… (or E-, S-, L-, U-). "
            f"For tags of single words use task.kind=tags."
        )


def split_words(words: Any) -> list[str]:
    """Split a text at its blanks; return a list of words as it is."""
    return words.split() if isinstance(words, str) else list(words)


def word_faults(rows: Dataset) -> Iterator[Fault]:
    """Yield the rows without words or with something other than words."""
    for row, words in enumerate(read_column(rows, "words")):
        problem = _word_problem(words)
        if problem is None and isinstance(words, str) and "label" in rows.column_names:
            problem = f"expected a list of words, one for each tag, not the text {words[:40]!r}"
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
    """Yield the rows whose tags do not match their words or are unknown."""
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
        f"tag {unknown!r} is not one of the training tags {join_names(facts.labels, 12)}.{hint} If the training rows "
        f"lack some tags, list all of them in dataset.labels=[…]"
    )


def tag_metrics(facts: Facts) -> Mapping[str, Metric]:
    """Return the metrics of spans, or of single tags."""
    metrics = span_metrics(facts.labels) if facts.kind == "spans" else word_tag_metrics(facts.labels)
    return {"accuracy": WORD_ACCURACY, **metrics}
