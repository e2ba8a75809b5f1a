"""The families of commands, a module each. Importing one puts its commands into the table."""

from __future__ import annotations

from importlib import import_module

from crdtkv.doors.redis.table import Command

__all__ = ["FAMILIES", "keys_in", "load"]

FAMILIES = (
    "strings", "subsequences", "bits", "bitfields", "counters", "hashes", "lists", "sets", "sorted_sets",
    "sorted_ranges", "sorted_algebra", "geography", "hyperloglogs", "streams", "keys", "dumps", "scanning",
    "transactions", "channels", "scripts", "connections", "administration", "merging",
)
"""In the order in which docs/redis.md tells of them."""


def load() -> None:
    """All commands are in the table. Idempotent."""
    for family in FAMILIES:
        import_module(f"{__name__}.{family}")


def keys_in(command: Command, args: list[bytes]) -> list[bytes]:
    """The words of a command that name keys. O(words).

    >>> from crdtkv.doors.redis.table import find
    >>> load(); keys_in(find(b"DEL"), [b"DEL", b"a", b"b"])
    [b'a', b'b']
    """
    first, last, step = command.keys
    if not first:
        return []
    return args[first : (len(args) + last if last < 0 else last) + 1 : step]
