"""The verdict on a comparison, in sentences: what leads, by how much, and whether chance explains the lead."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from hone.core.errors import join_names
from hone.reports.comparison import LEVEL, Comparison, Contrast
from hone.reports.groups import RunGroup
from hone.reports.keys import label_of, values_of
from hone.reports.pareto import pareto_front
from hone.reports.runs import RunEntry

_SAME = 1e-12
"""Means with a smaller relative difference are equal, since a sum of floats depends on their order."""
_NAMED = 4
"""The number of runs or configurations that a sentence names."""


def verdict(comparison: Comparison) -> list[str]:
    """Say what leads, whether the lead is more than the noise of the seeds, and what would settle the question."""
    ranked = [group for group in comparison.groups if group.counted]
    if not ranked:
        return list(_without_scores(comparison))
    sentences = [*_leaders(ranked), *_collapse(comparison)]
    tied = _tied(ranked)
    if len(tied) < len(ranked):
        rivals = [contrast for contrast in comparison.contrasts if not any(contrast.group is group for group in tied)]
        sentences += _against(rivals, "their" if len(tied) > 1 else "its")
    return [*sentences, *_front(comparison)]


def format_score(group: RunGroup) -> str:
    """Write a mean and its spread, as in `0.8123 ± 0.0041 (3 seeds)`."""
    summary = group.summary
    if summary.count == 1:
        return f"{format_number(summary.mean)} (one seed)"
    return f"{format_number(summary.mean)} ± {format_number(summary.deviation)} ({summary.count} seeds)"


def format_number(value: float) -> str:
    """Write four decimals, or four digits for large and tiny numbers."""
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e3 or value == 0 else f"{value:.4g}"


def _without_scores(comparison: Comparison) -> Iterator[str]:
    """Say why no run has a score."""
    name, entries = comparison.metric.name, comparison.entries
    finished = sum(entry.counts for entry in entries)
    if finished:
        runs = "The only finished run has" if finished == 1 else f"None of the {finished} finished runs has"
        yield f"{runs} {'no ' * (finished == 1)}{name}: the score is missing or is not a number (NaN)."
        return
    yield f"No run has finished with {name} yet."
    lost = Counter(entry.state for entry in entries if entry.state not in ("running", "waiting"))
    if entries and sum(lost.values()) == len(entries):
        states = ", ".join(f"{count} {state}" for state, count in lost.most_common())
        yield f"All runs ended without a result ({states}). The failures by cause say why."


def _tied(ranked: Sequence[RunGroup]) -> list[RunGroup]:
    """Find the best configuration and those with the same mean."""
    best = ranked[0].summary.mean
    return [group for group in ranked if math.isclose(group.summary.mean, best, rel_tol=_SAME, abs_tol=_SAME)]


def _leaders(ranked: Sequence[RunGroup]) -> Iterator[str]:
    best, tied = ranked[0], _tied(ranked)
    if len(ranked) == 1:
        yield f"Only one configuration has a score: {best.label}, {format_score(best)}."
    elif len(tied) == 1:
        yield f"{best.label} leads with {format_score(best)}."
    elif len(tied) == len(ranked):
        every = "Both" if len(tied) == 2 else f"All {len(tied)}"
        yield f"{every} configurations tie at {format_number(best.summary.mean)}: none leads."
    else:
        labels = join_names([group.label for group in tied], _NAMED)
        yield f"{len(tied)} configurations tie for the lead with {format_number(best.summary.mean)}: {labels}."


def _collapse(comparison: Comparison) -> Iterator[str]:
    """Report runs that learned nothing: a score no better than that of a model that ignores its input."""
    metric = comparison.metric
    counted = [entry for group in comparison.groups for entry in group.counted]
    comparable = [entry for entry in counted if metric.name in entry.baseline]
    sign = 1 if metric.higher_is_better else -1
    lost = [entry for entry in comparable if sign * (entry.value(metric.name) - entry.baseline[metric.name]) <= _SAME]
    values = {entry.value(metric.name) for entry in counted}
    if lost and len(lost) == len(counted):
        runs = "The only finished run" if len(lost) == 1 else f"All {len(lost)} finished runs"
        baseline = format_number(lost[0].baseline[metric.name])
        yield (
            f"{runs} collapsed: no score is better than the baseline of {baseline}, "
            "which a model reaches that ignores its input (for example, one that always predicts the same class)."
        )
    elif len(counted) > 2 and len(values) == 1:
        yield (
            f"All {len(counted)} finished runs have exactly the same {metric.name}. Either what differs between them "
            "has no effect, or all of them collapsed to the same predictions."
        )
    elif lost:
        verb = "is" if len(lost) == 1 else "are"
        yield f"{len(lost)} of {len(counted)} finished runs {verb} no better than a model that ignores its input."


def _front(comparison: Comparison) -> Iterator[str]:
    """Name the runs on the Pareto front, if the sweep has several objectives."""
    front = pareto_front(comparison.entries)
    if front is None or not front.runs:
        return
    goals = " and ".join(f"{name} ({direction})" for name, direction in front.objectives.items())
    names = "; ".join(_title(comparison, entry, list(front.objectives)) for entry in front.runs[:_NAMED])
    more = f"; and {len(front.runs) - _NAMED} more" if len(front.runs) > _NAMED else ""
    subject = "1 run is" if len(front.runs) == 1 else f"{len(front.runs)} runs are"
    yield f"{subject} on the Pareto front of {goals}: {names}{more}."


def _title(comparison: Comparison, entry: RunEntry, objectives: Sequence[str]) -> str:
    values = ", ".join(format_number(entry.number_of(name)) for name in objectives)
    return f"{label_of(values_of(entry, comparison.keys))} ({values})"


def _against(contrasts: Sequence[Contrast], whose: str) -> Iterator[str]:
    """Say for which rivals the lead is beyond the noise. `whose` lead it is: `its` or `their`."""
    tested = [contrast for contrast in contrasts if contrast.p_seeds is not None]
    undecided = [contrast for contrast in tested if not contrast.beaten]
    if len(tested) < len(contrasts):
        yield (
            f"How much of {whose} lead over {_count(len(contrasts) - len(tested))} is noise of the seeds is unknown: "
            "that takes at least two seeds on both sides."
        )
    if tested and not undecided:
        worst = max(contrast.p_seeds for contrast in tested if contrast.p_seeds is not None)
        rivals = _count(len(tested))
        yield f"{whose.capitalize()} lead over {rivals} is beyond the noise of the seeds (p ≤ {worst:.2g})."
    if undecided:
        yield from _undecided(undecided, len(tested), whose)
    yield from _by_examples(contrasts, whose)


def _undecided(undecided: Sequence[Contrast], tested: int, whose: str) -> Iterator[str]:
    """Name the nearest rival that may be as good as the best configuration, and how many seeds would separate them."""
    nearest, needed = undecided[0], undecided[0].needed
    among = "" if tested == 1 else f" {_part(len(undecided), tested)} may be as good."
    lead = format_number(abs(nearest.seeds.difference))
    yield (
        f"{whose.capitalize()} lead over {nearest.group.label} ({lead}) is inside the noise of the seeds: "
        f"p = {_format_p(nearest.p_seeds)}, {_describe_pairing(nearest)}.{among}"
    )
    if needed is None:
        yield "It would take more than a thousand seeds to separate these two: take either."
    elif needed > nearest.seeds.count:
        yield (
            f"If the true difference is as large as this one, about {needed} seeds each "
            f"({needed - nearest.seeds.count} more) would show it in four of five cases."
        )


def _describe_pairing(contrast: Contrast) -> str:
    count = contrast.seeds.count
    return f"{count} seeds in common" if contrast.seeds.kind == "paired" else f"at least {count} seeds, not in common"


def _by_examples(contrasts: Sequence[Contrast], whose: str) -> Iterator[str]:
    """Say whether other examples could have reversed the order."""
    tested = [contrast for contrast in contrasts if contrast.examples is not None]
    unsure = [contrast for contrast in tested if (contrast.p_examples or 0.0) >= LEVEL]
    if not tested or tested[0].examples is None:
        return
    count = f"{tested[0].examples.examples:,}"
    if unsure:
        others = f" or one of {len(unsure) - 1} more" if len(unsure) > 1 else ""
        rival = f"{unsure[0].group.label} (p = {_format_p(unsure[0].p_examples)}){others}"
        yield f"With the same seeds but other examples than these {count}, {rival} might have been better."
    else:
        yield f"With these seeds, the {count} examples are enough to establish {whose} lead over {_count(len(tested))}."


def _format_p(value: float | None) -> str:
    if value is None:
        return "?"
    return f"{value:.2g}" if value >= 0.001 else "< 0.001"


def _part(count: int, total: int) -> str:
    return f"All {total} others" if count == total else f"{count} of the {total} others"


def _count(rivals: int) -> str:
    return "the other one" if rivals == 1 else f"the {rivals} others"
