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
from hone.core.signals import ended_at_once


def main() -> NoReturn:
    """Run `hone <command> [key=value …]`."""
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = "--debug" in sys.argv or os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        with ended_at_once() if arguments[:1] in (["train"], ["sweep"]) else nullcontext():
            code = _dispatch(arguments, debug)
    except KeyboardInterrupt:
        code = Interrupted.exit_code
    except StopRequest as error:
        code = report_error(error, debug)
    except BrokenPipeError:  # `hone … | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:  # any other error also ends with a message and an exit code
        code = report_error(error, debug)
    sys.exit(code)


def _dispatch(arguments: Sequence[str], debug: bool) -> int:
    command, *rest = arguments or ["--help"]
    if command in ("-h", "--help", "help"):
        print(_help())
        return 0
    if command in ("-V", "--version"):
        print(f"hone {__version__}")
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
