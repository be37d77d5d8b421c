"""The `hone` command: finds the entry a command names and turns its end into an exit code.

Nothing heavy is imported here: `hone --help`, `--cfg job`, completion and every config error answer at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import NoReturn

from hone import __version__
from hone.conf import commands
from hone.errors import Interrupted, UserError, listed, nearest, tell


def main() -> NoReturn:
    """`hone <command> [key=value …]`."""
    arguments = [word for word in sys.argv[1:] if word != "--debug"]
    debug = "--debug" in sys.argv or os.environ.get("HYDRA_FULL_ERROR") == "1"
    try:
        code = _dispatch(arguments, debug)
    except KeyboardInterrupt:
        code = Interrupted.exit_code
    except BrokenPipeError:  # `hone … | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 0
    except Exception as error:  # the last resort: whatever it is, it ends in a message and a code
        code = tell(error, debug)
    sys.exit(code)


def _dispatch(arguments: Sequence[str], debug: bool) -> int:
    command, *rest = arguments or ["--help"]
    if command in ("-h", "--help", "help"):
        print(_help())
    elif command in ("-V", "--version"):
        print(f"hone {__version__}")
    elif command in ("-sc", "--shell-completion"):
        from hone.command.completion import complete

        complete(" ".join(rest))
    elif command not in commands():
        raise UserError(
            f"hone {command}: no such command.{nearest(command, commands())} There are {listed(commands())}."
        )
    else:
        from hone.command.application import Application

        return Application(command, debug).run(rest)
    return 0


def _help() -> str:
    width = max(map(len, commands()))
    lines = [f"  {name:{width}}  {line}" for name, line in commands().items()]
    return "\n".join(
        [
            "Usage: hone <command> [key=value …]",
            "",
            *lines,
            "",
            "hone <command> --help           its config groups and every key",
            "hone <command> --cfg job        the config it would use",
            "hone train -m seed=0,1,2        one run a value",
            "--debug                         a traceback with every error",
            'eval "$(hone --shell-completion install=bash)"   completion (also zsh, fish)',
        ]
    )
