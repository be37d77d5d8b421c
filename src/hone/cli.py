"""The `hone` command: it runs the named command and turns the outcome into an exit code.

This file imports nothing heavy, so `hone --help`, `--cfg job`, completion and config errors are immediate.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from typing import NoReturn

from hone import __version__
from hone.config.tree import commands
from hone.core.errors import Interrupted, StopRequest, UserError, did_you_mean, join_names, report_error
from hone.core.redact import forget_secrets, remember_words
from hone.core.signals import ended_at_once
from hone.core.streams import close_streams, err, open_streams, write_line

_IN_FILES = ("train", "evaluate", "export", "sync", "tokenizer")
"""Commands whose results are in files, so that lost output does not make them fail."""


def main() -> NoReturn:
    """Run `hone <command> [key=value …]`."""
    open_streams()
    forget_secrets()
    remember_words(sys.argv)
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = "--debug" in sys.argv or os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        with ended_at_once() if arguments[:1] in (["train"], ["sweep"]) else nullcontext():
            code = _dispatch(arguments, debug)
    except KeyboardInterrupt:
        code = Interrupted.exit_code
    except StopRequest as error:
        code = report_error(error, debug)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BrokenPipeError:  # `hone … | head` has read enough
        code = 0
    except Exception as error:  # any other error also ends with a message and an exit code
        code = report_error(error, debug)
    sys.exit(_after_lost_output(code, arguments))


def _after_lost_output(code: int, arguments: Sequence[str]) -> int:
    """Report that standard output is incomplete, and return the exit code."""
    problem = close_streams()
    if problem is None:
        return code
    write_line(f"hone: standard output is incomplete: {problem}.", err)
    return code if arguments and arguments[0] in _IN_FILES else code or 1


def _dispatch(arguments: Sequence[str], debug: bool) -> int:
    command, *rest = arguments or ["--help"]
    if command in ("-h", "--help", "help"):
        write_line(_help())
        return 0
    if command in ("-V", "--version"):
        write_line(f"hone {__version__}")
        return 0
    if command in ("-sc", "--shell-completion"):
        from hone.config.completion import complete

        complete(" ".join(rest))
        return 0
    if command not in commands():
        hint = did_you_mean(command, commands())
        raise UserError(f"hone {command}: no such command.{hint} The commands are {join_names(commands())}.")
    from hone.config.application import Application

    return Application(command, debug).run(rest)


def _help() -> str:
    width = max(map(len, commands()))
    lines = [f"  {name:{width}}  {line}" for name, line in commands().items()]
    return "\n".join(
        [
            "Usage: hone <command> [key=value …]",
            "",
            *lines,
            "",
            "hone <command> --help           its groups and keys, explained",
            "hone <command> --cfg job        the config that it would use",
            "hone train -m seed=0,1,2        one run per value",
            "--debug                         a traceback with every error",
            'eval "$(hone --shell-completion install=bash)"   completion (also zsh, fish)',
        ]
    )
