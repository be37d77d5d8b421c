"""The words after a command: flags for Hydra, `key=value` for the config, and the packages that the user trusts."""

from __future__ import annotations

import io
import os
import re
from collections.abc import Callable, Collection, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Self, final

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep
from hydra.errors import HydraException

from hone.config.foreign_files import HARMLESS_OPTIONS, LAUNCHER
from hone.config.hydra_private import argument_parser
from hone.core.errors import UserError, closest_choice, did_you_mean
from hone.core.trust import only_for_the_user, remote_code_allowed
from hone.runs.address import is_address

_COLUMNS = re.compile(r"^(?=dataset\.columns[.=])")
_ALIASES = {"model": "run=FOLDER, or checkpoint=hub checkpoint.path=FOLDER"}
"""Keys that are errors, and what the user probably meant."""
_REMOTE_CODE = "trust_remote_code"


@final
@dataclass(frozen=True)
class CommandLine:
    """The typed words in an order that Hydra's parser accepts; flags may come anywhere: `seed=1 -m epochs=1,2`."""

    flags: tuple[str, ...]
    overrides: tuple[str, ...]
    config_dir: str | None
    config_name: str | None
    trusted: frozenset[str]
    """The packages in `trust=…`; no file can add to them."""
    typed: tuple[str, ...] = ()
    """The overrides that the user has typed, which neither a saved command nor W&B's agent has added."""
    withheld: tuple[str, ...] = ()
    """Overrides of a saved command that allow code of a checkpoint to run, which the user has not repeated."""
    inputs: dict[str, list[str]] = field(default_factory=dict)
    """The typed texts by role, for a command that reads texts."""
    folders: tuple[str, ...] = ()
    """The words that are not key=value, for a command that reads folders."""
    help: bool = False
    """Whether --help is among the flags."""

    @classmethod
    def read(cls, words: Sequence[str]) -> Self:
        """Separate the flags, the overrides and the trusted packages."""
        if any("\udc80" <= letter <= "\udcff" for word in words for letter in word):
            raise UserError("The command line is not valid UTF-8.")
        parsed = _parse(words)
        if parsed.experimental_rerun is not None:
            raise UserError("--experimental-rerun loads a pickle file, which hone never does; use resume=DIR.")
        for word in parsed.overrides:
            if not _key(word).strip():
                raise UserError(f"{word!r}: expected key=value.")
        flags = list(words)
        for word in reversed(parsed.overrides):  # drop the last occurrence: an equal word before may be a flag's value
            del flags[len(flags) - 1 - flags[::-1].index(word)]
        typed = () if _from_agent(parsed) else tuple(parsed.overrides)
        trust = " ".join(word.partition("=")[2] for word in typed if _key(word) == "trust")
        trusted = frozenset(re.findall(r"\w+", trust))
        return cls(
            tuple(flags), tuple(parsed.overrides), parsed.config_dir, parsed.config_name, trusted, typed,
            help=parsed.help,
        )  # fmt: skip

    @property
    def words(self) -> list[str]:
        """The words to pass to Hydra."""
        return [*self.flags, *map(with_open_columns, self.overrides)]

    def with_texts(self, keys: Collection[str]) -> Self:
        """Take words with other keys than these as texts; `text="it's [done]"` is not a value in Hydra's grammar."""
        inputs: dict[str, list[str]] = {}
        kept = []
        for word in self.overrides:
            key, _, text = word.partition("=")
            if key in keys or not key.isidentifier():
                kept.append(word)
                continue
            if meant := _ALIASES.get(key) or closest_choice(key, keys, likeness=0.75):
                raise UserError(f"{key}: no such key. Did you mean {meant}?")
            inputs.setdefault(key, []).append(text)
        return replace(self, overrides=tuple(kept), inputs=inputs)

    def with_folders(self, keys: Collection[str]) -> Self:
        """Take words without a key as folders: `hone compare outputs/a`; an existing folder may have = in its name."""
        folders: list[str] = []
        overrides: list[str] = []
        for word in self.overrides:
            if "=" not in word or (_key(word) not in keys and Path(word).is_dir()):
                folders.append(word)
            else:
                overrides.append(word)
        return replace(self, overrides=tuple(overrides), folders=tuple(folders))

    def with_wandb_checkpoint(self, keys: Collection[str]) -> Self:
        """Read `checkpoint=wandb:…` as a run for a command that works on runs, and as weights for the others."""
        words: list[str] = []
        for word in self.overrides:
            key, _, place = word.partition("=")
            if key != "checkpoint" or not is_address(place.strip("'\"")):
                words.append(word)
            elif "run" in keys:
                words.append(f"run={place}")
            else:
                words += ["checkpoint=hub", f"checkpoint.path={place}"]
        return replace(self, overrides=tuple(words))

    def with_resumed_words(self) -> Self:
        """Repeat the command of the run in `resume=DIR`, so that `hone train resume=DIR` is enough."""
        folder = next((_value(word) for word in self.overrides if _key(word) == "resume"), None)
        if folder in ("auto", "", None):
            return self
        from hone.runs.record import saved_overrides

        return self.with_saved_words(saved_overrides(str(folder)), str(folder))

    def with_retried_words(self, folder: str) -> Self:
        """Repeat the command of an existing sweep, from any folder."""
        from hone.runs.sweep_file import saved_words

        path = Path(folder).expanduser().absolute()
        place = (f"output_root='{path.parent}'", f"sweep.name='{path.name}'")
        ours = {"-m", *map(_key, place)}
        saved = [word for word in saved_words(folder) if _key(word) not in ours]
        line = self.with_saved_words(saved, folder)
        repeated = line.overrides[: len(line.overrides) - len(self.overrides)]
        return replace(line, flags=("-m", *line.flags), overrides=(*repeated, *place, *self.overrides))

    def with_saved_words(self, saved: Sequence[str], folder: str) -> Self:
        """Put the words of a saved command before the typed ones, without those that only the user may type."""
        given = {_key(word) for word in self.overrides}
        repeated = remote_code_allowed() or any(_REMOTE_CODE in word for word in self.typed)
        kept, withheld = [], []
        for word in saved:
            value = _saved_value(word, folder)
            remote = _sets(value, lambda key: key == _REMOTE_CODE) or _key(word).endswith(f".{_REMOTE_CODE}")
            if _key(word) in given:
                continue
            if remote and not repeated:
                withheld.append(word)
            elif not _is_reserved(_key(word), remote) and not _sets(value, partial(_is_reserved, remote=remote)):
                kept.append(word)
        return replace(self, overrides=(*kept, *self.overrides), withheld=tuple(withheld))

    def require_no_withheld(self) -> None:
        """Raise UserError if a saved command allowed code of a checkpoint to run and the user has not done so again."""
        if self.withheld:
            raise UserError(
                f"{self.withheld[0]}: the saved command has this, but only you can allow code that comes with a "
                f"checkpoint to run, each time: add checkpoint.{_REMOTE_CODE}=true, or set HONE_TRUST_REMOTE_CODE=1."
            )

    def allows_remote_code(self, place: str) -> bool:
        """Whether the user has typed that the code of the checkpoint at this place may run."""
        words = [word for word in self.typed if "${" not in word]
        inside = (word for word in words if place.startswith(f"{_key(word)}.") and _REMOTE_CODE in word)
        return remote_code_allowed() or any(_key(word) == place for word in words) or any(inside)

    def chooses_plugin(self, kind: str) -> bool:
        """Whether the user has typed which launcher or sweeper of Hydra is used."""
        return any(_key(word) in (f"hydra/{kind}", f"hydra.{kind}._target_") for word in self.typed)


def with_open_columns(word: str) -> str:
    """Allow a column for any role, even if the data set's file has no such key; `check` verifies the roles."""
    return _COLUMNS.sub("++", word)


def without_open_columns(word: str) -> str:
    """The word that `with_open_columns` was called with."""
    return word.removeprefix("++") if _COLUMNS.match(word.removeprefix("++")) else word


def _key(word: str) -> str:
    """Return the key of an override such as `+key=value`."""
    return word.lstrip("+~").partition("=")[0]


def _value(word: str) -> Any:
    """Return the value of an override, parsed by Hydra's grammar."""
    return OverridesParser.create().parse_overrides([word])[0].value()


def _parse(words: Sequence[str]) -> Any:
    """The words as Hydra parses them; its complaints become a UserError."""
    parser = argument_parser()
    try:
        with redirect_stderr(io.StringIO()) as output:
            return parser.parse_intermixed_args(list(words))
    except SystemExit as end:
        if end.code == 0:  # --version
            raise
        problem = output.getvalue().strip().rpartition("error: ")[2]
        flag = re.search(r"(?<=: )-\S+", problem)
        hint = did_you_mean(flag[0], re.findall(r"--[a-z-]+", parser.format_usage())) if flag else ""
        raise UserError(f"{problem}.{hint}") from None


def _from_agent(parsed: Any) -> bool:
    """Whether W&B's agent has typed the words, which are then those of a sweep's config; it may not set up Hydra."""
    if "WANDB_SWEEP_ID" not in os.environ:
        return False
    for word in parsed.overrides:
        key = _key(word)
        harmless = key == "hydra/launcher" or key.removeprefix(LAUNCHER) in HARMLESS_OPTIONS - {"_target_"}
        if "hydra" in re.split(r"[./@:]", key) and not harmless:
            raise UserError(f"{word}: a sweep of W&B may not set this, because it can decide which code runs.")
    if "://" in (parsed.config_path or ""):
        raise UserError(f"--config-path={parsed.config_path}: a sweep of W&B may name a folder, and no package.")
    return True


def _saved_value(word: str, folder: str) -> Any:
    try:
        return _value(word)
    except HydraException as error:
        raise UserError(f"{folder}: its saved command has {word!r}, which is not key=value.") from error


def _is_reserved(key: str, remote: bool) -> bool:
    """Whether no saved command may set a key; `remote` if the user has allowed it to run a checkpoint's code."""
    steps = [step for step in re.split(r"[./@:]", key) if not (remote and step == _REMOTE_CODE)]
    return "resume" in steps or any(map(only_for_the_user, steps))


def _sets(value: Any, chosen: Callable[[str], bool]) -> bool:
    """Whether a mapping inside has a chosen key."""
    if isinstance(value, dict):
        return any(chosen(str(key)) or _sets(item, chosen) for key, item in value.items())
    items = value.list if isinstance(value, ChoiceSweep) else value
    return isinstance(items, list) and any(_sets(item, chosen) for item in items)
