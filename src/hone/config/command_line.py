"""The words after a command: flags for Hydra, `key=value` for the config, and the packages that the user trusts.

The end of this file is shell completion, which reads the words of a line that is still being typed.
"""

from __future__ import annotations

import io
import os
import re
import sys
from collections.abc import Collection, Iterable, Sequence
from contextlib import redirect_stderr, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self, final

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from hone.config.hydra_private import argument_parser
from hone.config.tree import CONF, commands
from hone.core.errors import UserError, closest_choice, did_you_mean
from hone.runs.address import is_address

_COLUMNS = re.compile(r"^(?=dataset\.columns[.=])")
_ALIASES = {"model": "run=FOLDER, or checkpoint=hub checkpoint.path=FOLDER"}
"""Keys that are errors, and what the user probably meant."""
_NOT_FROM_A_FILE = {"trust", "trust_remote_code", "resume", "hydra"}
"""Keys that only the user may set, and no saved command."""
_ACTIONS = ("install", "uninstall", "query")
_SHELLS = ("bash", "fish", "zsh")
"""What `--shell-completion ACTION=SHELL` accepts."""


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
        trust = [word for word in parsed.overrides if _key(word) == "trust"]
        trusted = frozenset(re.findall(r"\w+", " ".join(word.partition("=")[2] for word in trust)))
        return cls(
            tuple(flags), tuple(parsed.overrides), parsed.config_dir, parsed.config_name, trusted, help=parsed.help
        )

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

        given = {_key(word) for word in self.overrides}
        saved = [word for word in _keep_harmless(saved_overrides(str(folder)), str(folder)) if _key(word) not in given]
        return replace(self, overrides=(*saved, *self.overrides))


def retry_words(folder: str) -> list[str]:
    """The words of an existing sweep, from any folder; its file is trusted no more than a run's."""
    from hone.runs.sweep_file import saved_words

    path = Path(folder).expanduser().absolute()
    place = [f"output_root='{path.parent}'", f"sweep.name='{path.name}'"]
    ours = {"-m", *map(_key, place)}
    return ["-m", *_keep_harmless([word for word in saved_words(folder) if _key(word) not in ours], folder), *place]


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


def _keep_harmless(saved: Iterable[str], folder: str) -> list[str]:
    """The words of a run folder, which may come from anywhere, without those that only the user may type."""
    kept = []
    for word in saved:
        try:
            value = _value(word)
        except HydraException as error:
            raise UserError(f"{folder}: its saved command has {word!r}, which is not key=value.") from error
        steps = {*re.split(r"[./@]", _key(word))}
        if not steps & _NOT_FROM_A_FILE and not _sets_reserved_key(value):
            kept.append(word)
    return kept


def _sets_reserved_key(value: Any) -> bool:
    """Whether a mapping inside sets a key that only the user may set."""
    if isinstance(value, dict):
        return any(str(key) in _NOT_FROM_A_FILE or _sets_reserved_key(item) for key, item in value.items())
    return isinstance(value, list) and any(map(_sets_reserved_key, value))


def complete(word: str) -> None:
    """`install=bash` prints a script for the shell to evaluate; `query=bash` completes the line in COMP_LINE."""
    action, _, shell = word.partition("=")
    if action not in _ACTIONS or shell not in _SHELLS:
        raise UserError(f"--shell-completion {word}: expected install, uninstall or query, such as install=bash.")
    if action != "query":
        _ask_hydra("train", word)
        return
    with redirect_stderr(io.StringIO()), suppress(Exception, SystemExit):  # a half-typed line is not an error
        _complete_line(os.environ.get("COMP_LINE", ""), word)


def _complete_line(line: str, word: str) -> None:
    """Print the candidates for the last word of the line."""
    words = [typed for typed in line.split() if typed != "--debug"]
    if len(words) < 2 or (len(words) == 2 and not line.endswith(" ")):
        print(" ".join(commands()))
    elif words[1] in commands():
        os.environ["COMP_LINE"] = f"hone{line.partition(f' {words[1]}')[2]}"
        _ask_hydra(words[1], word)


def _ask_hydra(command: str, word: str) -> None:
    """Have Hydra's own completion answer for a command."""
    import hydra

    from hone.config.hydra_private import HYDRA

    sys.argv = ["hone", "--shell-completion", word]
    hydra.main(version_base=HYDRA, config_path=str(CONF), config_name=command)(lambda config: None)()
