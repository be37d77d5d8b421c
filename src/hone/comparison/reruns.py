"""The commands that repeat or extend what the page shows. Each works as it is printed, from the folder of the sweep."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence

from hone.comparison.collection import Comparison
from hone.comparison.groups import Group
from hone.comparison.runs import SEED, Entry
from hone.core.paths import shown
from hone.core.redact import BLANK

_MORE, _MOST = 2, 10
_SEEDS = re.compile(r"(?<!\S)seed=(\d+(?:,\d+)*)(?!\S)")
_OF_ONE_RUN = {"resume", "name", SEED}
_PLAIN = re.compile(r"[\w./+-]+")
_REMEDY = f" (replace {BLANK} with the secret that was not stored)"


def commands(comparison: Comparison) -> list[dict[str, str]]:
    """What each command does, and the command."""
    about = comparison.about
    commands = [("Run the sweep again: it continues where it stopped and repeats failed runs", about.command)]
    ranked = [group for group in comparison.groups if group.counted]
    if ranked:
        more = _more_seeds(ranked[0], _wanted(comparison))
        # Any other sampler has a study of its own, which refuses a changed command.
        if about.sampler == "grid":
            commands += _wider(about.command, more)
        commands += _of_the_best(ranked[0], more)
    return [{"what": what + _REMEDY * (BLANK in line), "line": line} for what, line in commands if line]


def _wider(command: str, more: Sequence[str]) -> Iterator[tuple[str, str]]:
    """The sweep's command with more seeds, if it names its seeds one by one."""
    if more and _SEEDS.search(command):
        wider = _SEEDS.sub(lambda seeds: f"{seeds[0]},{','.join(more)}", command)
        yield f"Run the sweep with {_seeds(more)} for every configuration", wider


def _of_the_best(best: Group, more: Sequence[str]) -> Iterator[tuple[str, str]]:
    ordered = sorted(best.counted, key=lambda entry: entry.value(best.metric.name))
    entry = ordered[-1 if best.metric.higher_is_better else 0]
    if entry.folder is not None and entry.overrides and more:
        yield f"Train {_seeds(more)} for the best configuration only", _with_seeds(entry, more)
    yield "Train the best run again", entry.command
    if entry.folder is not None:
        run = _word("run", shown(entry.folder))
        yield "Show what the best run gets wrong", f"hone evaluate {run}"
        yield "Export the best model as a folder with its model card", f"hone export {run}"


def _with_seeds(entry: Entry, seeds: Sequence[str]) -> str:
    """All overrides of the run, with these seeds and without those of its sweep. Several seeds make a sweep."""
    words = [word for word in entry.overrides if not _is_left_out(word)]
    several = ["-m"] if len(seeds) > 1 else []
    return shlex.join(["hone", "train", *several, *words, f"{SEED}={','.join(seeds)}"])


def _is_left_out(word: str) -> bool:
    key = word.lstrip("+~").partition("=")[0]
    return key in _OF_ONE_RUN or re.split(r"[./]", key)[0] == "sweep"


def _word(key: str, value: str) -> str:
    """An override for a shell. Hydra wants its own quotes around what is not a plain word."""
    if _PLAIN.fullmatch(value):
        return f"{key}={value}"
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return shlex.quote(f"{key}='{escaped}'")


def _seeds(seeds: Sequence[str]) -> str:
    return f"{len(seeds)} more seed{'s' * (len(seeds) != 1)}"


def _more_seeds(best: Group, count: int) -> list[str]:
    """The next seeds that the configuration has not had."""
    used = [int(seed) for seed in best.seeds if seed.isdigit()]
    first = max(used, default=-1) + 1
    return [str(seed) for seed in range(first, first + count)]


def _wanted(comparison: Comparison) -> int:
    """As many seeds as would settle the nearest open question, within reason."""
    undecided = next((each for each in comparison.contrasts if not each.beaten), None)
    needed = undecided.needed if undecided else None
    return min(max(needed - undecided.seeds.count, 1), _MOST) if undecided and needed else _MORE
