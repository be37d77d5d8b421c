"""The commands that run this again, or more of it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

from hone.comparison.collection import Comparison
from hone.comparison.groups import Group
from hone.comparison.runs import SEED
from hone.paths import shown

_MORE, _MOST = 2, 10
_SEEDS = re.compile(r"(?<!\S)seed=(\d+(?:,\d+)*)(?!\S)")
_SINGLE = {"resume", "name", SEED}


def commands(told: Comparison) -> list[dict[str, str]]:
    """What each does, and how it is typed."""
    found = [("The sweep again: goes on where it stopped, repeats what failed", told.about.command)]
    ranked = [group for group in told.groups if group.counted]
    more = _more_seeds(ranked[0], _wanted(told)) if ranked else []
    if told.about.command and more and _SEEDS.search(told.about.command):
        wider = _SEEDS.sub(lambda seeds: f"{seeds[0]},{','.join(more)}", told.about.command)
        found.append((f"The sweep with {len(more)} more seeds for every configuration", wider))
    found += _of_the_best(ranked[0], more) if ranked else []
    return [{"what": what, "line": line} for what, line in found if line]


def _of_the_best(best: Group, more: list[str]) -> Iterator[tuple[str, str]]:
    ordered = sorted(best.counted, key=lambda entry: entry.value(best.metric.name))
    entry = ordered[-1 if best.metric.higher_is_better else 0]
    words = [word for word in entry.words if word.lstrip("+~").partition("=")[0] not in _SINGLE]
    if entry.folder is not None and more:
        yield (
            f"{len(more)} more seeds for the best configuration alone",
            shlex.join(["hone", "train", "-m", *words, f"seed={','.join(more)}"]),
        )
    yield "The best run again", entry.command
    if entry.folder is not None:
        folder = shlex.quote(shown(entry.folder))
        yield "What the best run gets wrong", f"hone evaluate run={folder}"
        yield "The best model as a folder with its card", f"hone export run={folder}"


def _more_seeds(best: Group, count: int) -> list[str]:
    """The next ones that it has not had."""
    had = [int(seed) for seed in best.seeds if seed.isdigit()]
    first = max(had, default=-1) + 1
    return [str(seed) for seed in range(first, first + count)]


def _wanted(told: Comparison) -> int:
    """As many as would settle the nearest question, within reason."""
    open_ = next((each for each in told.contrasts if not each.beaten), None)
    needed = open_.needed if open_ else None
    return min(max(needed - open_.seeds.count, 1), _MOST) if open_ and needed else _MORE
