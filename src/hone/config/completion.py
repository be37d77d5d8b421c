"""Completion in the shell: its scripts, and the candidates for the last word of a line that is still being typed."""

from __future__ import annotations

import io
import os
import sys
from contextlib import redirect_stderr, suppress

from hone.config.tree import CONF, commands
from hone.core.errors import UserError

_ACTIONS = ("install", "uninstall", "query")
_SHELLS = ("bash", "fish", "zsh")
"""What `--shell-completion ACTION=SHELL` accepts."""


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

    from hone.config.allowlist import vetted
    from hone.config.command_line import CommandLine
    from hone.config.hydra_private import HYDRA

    sys.argv = ["hone", "--shell-completion", word]
    with vetted(command, CommandLine((), (), None, None, frozenset())):
        hydra.main(version_base=HYDRA, config_path=str(CONF), config_name=command)(lambda config: None)()
