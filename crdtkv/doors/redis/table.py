"""The table of commands: who answers a name, and what is known of it.

A family is a module in `commands/`; each of its commands is a function under `@command`. What COMMAND tells and
docs/redis.md shows is printed from here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

__all__ = ["COMMANDS", "FOUND", "Command", "Run", "command", "find"]

Run = Callable[[Any, list[bytes]], Any]
"""Takes where it runs (`At`, or for what is of the connection alone its `Client`) and the command, name first."""


@dataclass(frozen=True, slots=True)
class Command:
    """`arity`: words with the name, negative: at least. `keys`: first, last (negative: from the end), step."""

    name: str
    run: Run
    arity: int
    flags: frozenset[str]
    keys: tuple[int, int, int]
    group: str
    summary: str
    local: str
    """Why it cannot be sound across colos: it holds at this one. "": it is sound."""
    maps: str
    """What becomes of it in the store."""
    write: bool
    """It may change the store."""
    store: bool
    """It runs over the store; if not, in the event loop, over its connection alone."""
    quick: bool
    """It reads little: the event loop itself may run it."""
    alone: bool
    """No other of its connection runs together with it."""
    hot: bool
    """It is GET: what it was answered may be known still."""
    combines: str
    """Of commands of one kind in a row what they say of one key is written once: "put", "add"; "": of none."""
    least: int
    """Words with the name."""
    most: int

    def fits(self, words: int) -> bool:
        """Whether so many words may be one."""
        return self.least <= words <= self.most


COMMANDS: dict[str, Command] = {}
"""By name, in lower case."""

FOUND: dict[bytes, Command] = {}
"""By name as clients write it; `find` adds to it."""


def find(name: bytes) -> Command | None:
    """The command of that name, in any case. O(1)."""
    known = FOUND.get(name)
    if known is None:
        known = COMMANDS.get(name.decode("latin-1").lower())
        if known is not None and len(FOUND) < 4096:
            FOUND[name] = known
    return known


def command(
    name: str, arity: int, flags: str = "", keys: tuple[int, int, int] = (0, 0, 0), *, group: str, local: str = "",
    maps: str = "", hot: bool = False, combines: str = "",
) -> Callable[[Run], Run]:  # fmt: skip
    """The function answers commands of that name. Its docstring's first line is what COMMAND DOCS says.

    Of `flags` those count here: "write", "readonly" (one of them makes it of the store), "slow" (it may read much),
    "blocking", "alone" (no other of its connection runs together with it), "nomulti". The others are told by COMMAND.
    """
    said = frozenset(flags.split())

    def note(run: Run) -> Run:
        summary = (run.__doc__ or "").strip().partition("\n")[0]
        write, reads = "write" in said, "readonly" in said
        assert name not in COMMANDS, f"{name} is there already"
        COMMANDS[name] = Command(
            name, run, arity, said, keys, group, summary, local, maps, write, write or reads,
            reads and "slow" not in said and "blocking" not in said,
            bool(said & {"blocking", "alone"}), hot, combines, abs(arity), arity if arity > 0 else sys.maxsize,
        )  # fmt: skip
        return run

    return note
