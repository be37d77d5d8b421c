"""What the comparison comes to, in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from hone.comparison.collection import Comparison
from hone.comparison.contrast import LEVEL, Contrast
from hone.comparison.groups import Group


def verdict(told: Comparison) -> list[str]:
    """Who leads, whether that is more than the noise of the seeds, and what would settle it."""
    ranked = [group for group in told.groups if group.counted]
    if not ranked:
        return [f"No run is finished and has {told.metric.name}."]
    best = ranked[0]
    if len(ranked) == 1:
        return [f"There is one configuration with a score: {best.label}, {score(best)}."]
    return [f"{best.label} leads with {score(best)}.", *_against(best, told.contrasts)]


def score(group: Group) -> str:
    """`0.8123 ± 0.0041 (3 seeds)`."""
    summary = group.summary
    if summary.count == 1:
        return f"{number(summary.mean)} (one seed)"
    return f"{number(summary.mean)} ± {number(summary.deviation)} ({summary.count} seeds)"


def number(value: float) -> str:
    """Four decimals, or for large and tiny numbers as many digits."""
    return f"{value:.4f}" if 1e-3 <= abs(value) < 1e3 or value == 0 else f"{value:.4g}"


def _against(best: Group, contrasts: Sequence[Contrast]) -> Iterator[str]:
    tested = [each for each in contrasts if each.p_seeds is not None]
    level = [each for each in tested if not each.beaten]
    if len(tested) < len(contrasts):
        yield (
            f"How much of its lead over {_count(len(contrasts) - len(tested))} is the noise of the seeds nobody knows: "
            "that takes at least two seeds on both sides."
        )
    if tested and not level:
        worst = max(each.p_seeds for each in tested if each.p_seeds is not None)
        yield f"It is better than {_count(len(tested))} beyond the noise of the seeds (p ≤ {worst:.2g})."
    if level:
        yield from _undecided(level, len(tested))
    yield from _by_examples(contrasts)


def _undecided(level: Sequence[Contrast], tested: int) -> Iterator[str]:
    """The nearest rival of those that cannot be told from the best one, and what would tell them apart."""
    nearest, needed = level[0], level[0].needed
    among = "" if tested == 1 else f" It cannot be told from {_part(len(level), tested)}."
    if nearest.seeds.difference == 0:
        yield f"{nearest.group.label} is just as good.{among}"
        return
    lead = number(abs(nearest.seeds.difference))
    yield (
        f"Its lead over {nearest.group.label} ({lead}) is inside the noise of the seeds: p = {_p(nearest.p_seeds)}, "
        f"{_kind(nearest)}.{among}"
    )
    if needed is None:
        yield "To tell these two apart would take more than a thousand seeds: take either."
    elif needed > nearest.seeds.count:
        yield (
            f"If the true difference is as large as this one, about {needed} seeds each "
            f"({needed - nearest.seeds.count} more) would show it in four of five cases."
        )


def _kind(contrast: Contrast) -> str:
    seeds = contrast.seeds
    return (
        f"{seeds.count} seeds in common" if seeds.kind == "paired" else f"at least {seeds.count} seeds, not in common"
    )


def _by_examples(contrasts: Sequence[Contrast]) -> Iterator[str]:
    known = [each for each in contrasts if each.examples is not None]
    unsure = [each for each in known if (each.p_examples or 0.0) >= LEVEL]
    if not known or known[0].examples is None:
        return
    count = f"{known[0].examples.examples:,}"
    if unsure:
        others = f" or one of {len(unsure) - 1} more" if len(unsure) > 1 else ""
        chance = f"p = {_p(unsure[0].p_examples)}"
        yield f"Other examples than these {count} might have put it behind {unsure[0].group.label} ({chance}){others}."
    else:
        yield f"Of these very seeds, the {count} examples are enough to tell it from {_count(len(known))}."


def _p(value: float | None) -> str:
    return "?" if value is None else f"{value:.2g}" if value >= 0.001 else "< 0.001"


def _part(some: int, others: int) -> str:
    return f"any of the {others} others" if some == others else f"{some} of the {others} others"


def _count(others: int) -> str:
    return "the other one" if others == 1 else f"the {others} others"
