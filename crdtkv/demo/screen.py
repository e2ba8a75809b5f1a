"""Where the demo prints: colour and a progress bar on a terminal, plain text in a pipe."""

import os
from typing import TYPE_CHECKING

from rich.console import Console

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["console", "print_plain"]

_PIPE_WIDTH = 100


def console() -> Console:
    """A console on stdout; in a pipe a hundred columns wide, unless COLUMNS says otherwise."""
    out = Console(highlight=False)
    if not out.is_terminal and "COLUMNS" not in os.environ:
        out = Console(highlight=False, width=_PIPE_WIDTH)
    return out


def print_plain(out: Console, what: "Table | str") -> None:
    """Prints a table or a paragraph; in a pipe without the blanks that fill lines up."""
    if out.is_terminal:
        out.print(what)
        return
    with out.capture() as capture:
        out.print(what)
    out.file.writelines(line.rstrip() + "\n" for line in capture.get().splitlines())
