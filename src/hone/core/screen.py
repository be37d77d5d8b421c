"""The console for tables and coloured lines. Everything it prints is foreign text: it knows no markup."""

from __future__ import annotations

from collections.abc import Iterable
from typing import IO, cast, final

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment
from rich.text import Text

from hone.core.foreign_text import for_screen
from hone.core.streams import err, out


@final
class SafeConsole(Console):
    """Makes escape sequences visible in all text, in cells of tables too. Only styles may colour and move."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        for segment in super().render(renderable, options):
            if segment.control:
                yield segment
            else:
                yield Segment(for_screen(segment.text), segment.style)


def make_console(*, stderr: bool = False, soft_wrap: bool = False, width: int | None = None) -> Console:
    """Return a console for standard output or standard error."""
    return SafeConsole(
        file=cast(IO[str], err if stderr else out),
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=soft_wrap,
        width=width,
    )


def print_line(name: str, text: str, style: str = "bold", width: int = 10) -> None:
    """Print one fact to standard output: its name, and then the text."""
    make_console(soft_wrap=True).print(Text.assemble((f"{name:{width}}", style), "  ", text))
