"""What the store returns: plain, frozen data. Values in it are the caller's own copies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Blame", "Change", "Conflict", "Entry", "Migration", "Page", "Receipt", "Revision", "SyncReport"]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a write did. `value` is what a read shows right after it (None: absent)."""

    key: str
    version: str
    value: Any
    strategy: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A key as it reads: `siblings` are all the concurrent values (mv), `conflicts` what stands but is not shown.

    In a document `siblings` names each path where mv shows several: `{"path": "/room", "values": ["ann", "bob"]}`.

    `stamp`: milliseconds since 1970 of the latest write; `expires`: when it will no longer be shown, or None.
    """

    key: str
    value: Any
    version: str
    strategy: str
    siblings: tuple[Any, ...] = ()
    conflicts: tuple[Any, ...] = ()
    stamp: int = 0
    expires: int | None = None


class Page(list[Entry]):
    """Entries in key order; `cursor` continues where it ends, None if that was all."""

    cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Revision:
    """One transaction's effect on a key. Where history was trimmed or squashed `known` is False and `value` None."""

    version: str
    stamp: int
    replica: str
    value: Any
    known: bool = True


@dataclass(frozen=True, slots=True)
class Blame:
    """Who wrote what stands at a path last."""

    path: str
    value: Any
    replica: str
    stamp: int


@dataclass(frozen=True, slots=True)
class Change:
    """A key changed. `entry`: how it reads now, None if it is absent. `reset`: changes before were compacted away."""

    key: str
    entry: Entry | None
    cursor: str
    reset: bool = False


@dataclass(frozen=True, slots=True)
class Conflict:
    """A lost write in the inbox of the colo that made it."""

    id: str
    key: str
    path: str
    reason: str
    value: Any
    winner: Any
    replica: str
    stamp: int
    _restore: Callable[[str], Receipt] = field(repr=False, compare=False)
    _dismiss: Callable[[str], None] = field(repr=False, compare=False)

    def restore(self) -> Receipt:
        """Write the lost value again, as a new write that has seen what beat it, and take it out of the inbox."""
        return self._restore(self.id)

    def dismiss(self) -> None:
        """Take it out of the inbox."""
        self._dismiss(self.id)


@dataclass(frozen=True, slots=True)
class Migration:
    """What a changed rule does, or would do, to a key. `problem`: why it was left alone, None if it was not."""

    key: str
    old: str
    new: str
    before: Any
    after: Any
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What an exchange moved: `cells` in catch-ups, `records` whole transactions, `bytes` encoded, both ways together.

    `equal`: both have absorbed the same, and hold the same. `refused`: who is not a member where, in words.
    `quarantined`: whose records are not taken any more, where and why, in words: an operator has to look.
    """

    records: int
    cells: int
    bytes: int
    rounds: int
    equal: bool
    refused: tuple[str, ...] = ()
    quarantined: tuple[str, ...] = ()
