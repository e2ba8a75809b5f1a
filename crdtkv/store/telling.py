"""Entries made of cells: what a reader is told of a key, and what may be told again.

Law of this room: what was told is the reader's own, and stays what it was whatever is
written later. So an entry holds what no write changes (siblings, contexts, packed
values), and what the caller might change is unpacked or copied for each.
"""

from __future__ import annotations

from typing import Any

from crdtkv.core import values
from crdtkv.core.blob import Blob
from crdtkv.core.cells import Cell, Context, Sibling, expiry_of
from crdtkv.core.clocks import Stamp, stamp_ms
from crdtkv.core.tree import Cells, Tree
from crdtkv.core.versions import format_version
from crdtkv.errors import CrdtkvError
from crdtkv.replica.core import Replica
from crdtkv.storage.base import Said, Whole
from crdtkv.store.results import Entry, told
from crdtkv.strategies.base import ABSENT, Strategy
from crdtkv.strategies.lone import Lone, atom_of, lone
from crdtkv.strategies.roots import TTL_PATH, Root, known_strategy, newest, pick, root_path

__all__ = [
    "MAX_TOLD", "Again", "again", "again_of_lone", "of_lone", "of_plain", "of_roots", "passing", "plain",
    "tell_of_row",
]

MAX_TOLD = 4096
"""Bytes of a packed value that is told again from memory; a larger one is mostly the cost of unpacking it."""

_ATOMS = frozenset({str, int, float, bool, type(None), Blob})
"""What nobody can change: one object serves every reader."""


def of_lone(key: str, lone: Lone, context: Context) -> Entry:
    """How a key of one value reads. O(1)."""
    found, path, cell, value = lone
    return told(key, value, (_tell_of_lone, found, path, cell, context))


def of_plain(said: Said) -> Entry | None:
    """How a key reads that is one text or whole number, written by one dot; None if it is not read as that. O(1)."""
    return None if atom_of(said[4]) is None else told(said[0], said[5], said)


def tell_of_row(said: Said, field: str) -> Any:
    """A field of the entry that `of_plain` made."""
    key, replica, n, stamp, spec, value, *_ = said
    path, cell = root_path(spec), (Sibling((replica, n), stamp, values.pack(value)),)
    return _tell_of_lone(key, field, known_strategy(spec), path, cell, {replica: n})


def _tell_of_lone(key: str, field: str, found: Strategy, path: bytes, cell: Cell, context: Context) -> Any:
    match field:
        case "version":
            return format_version(key, context)
        case "strategy":
            return found.spec
        case "stamp":
            return stamp_ms(cell[0].stamp)
        case "siblings":
            return tuple(found.siblings(Tree({path: cell}, path)))
        case "conflicts":
            return tuple(plain(loser.value) for loser in found.losers(Tree({path: cell}, path)))
    return None  # it does not expire


def passing(replica: Replica, now: Stamp) -> Whole[Entry]:
    """How keys read at `now` to who passes by: it takes the place of nothing that is told again."""

    def whole(key: str, cells: Cells, context: Context) -> Entry | None:
        found = lone(cells)
        if found is not None:
            return of_lone(key, found, context)
        return of_roots(key, cells, context, replica.roots_of(key, cells, now)) if cells else None

    return whole


def of_roots(key: str, cells: Cells, context: Context, roots: list[Root]) -> Entry | None:
    """How a key reads, None if it is absent. O(cells)."""
    shown = pick(roots)
    if shown is None:
        return None
    found, tree = shown
    conflicts = [loser.value for loser in found.losers(tree)]
    conflicts += [{"strategy": s.spec, "value": plain(s.read(t))} for s, t in roots if s is not found and s.present(t)]
    date = expiry_of(cells[TTL_PATH]) if TTL_PATH in cells else None
    siblings, beside = tuple(found.siblings(tree)), tuple(map(plain, conflicts))
    return told(
        key, plain(found.read(tree)),
        (_tell_of_roots, found.spec, context, siblings, beside, newest(cells), date),
    )  # fmt: skip


def _tell_of_roots(
    key: str, field: str, spec: str, context: Context, siblings: tuple[Any, ...], conflicts: tuple[Any, ...],
    stamp: Stamp, date: Stamp | None,
) -> Any:  # fmt: skip
    match field:
        case "version":
            return format_version(key, context)
        case "strategy":
            return spec
        case "siblings":
            return siblings
        case "conflicts":
            return conflicts
        case "stamp":
            return stamp_ms(stamp)
    return None if date is None else stamp_ms(date)


class Again:
    """What was told of a key, to be told again before `until` (None: until it changes)."""

    __slots__ = ("entry", "packed", "until")

    def __init__(self, entry: Entry, packed: bytes | None, until: Stamp | None) -> None:
        self.entry = entry
        self.packed = packed
        self.until = until

    def told(self) -> Entry:
        """The entry, the caller's own. O(value)."""
        packed = self.packed
        return self.entry if packed is None else told(self.entry.key, values.unpack(packed), (_tell_again, self.entry))


def _tell_again(key: str, field: str, entry: Entry) -> Any:
    found = getattr(entry, field)
    return tuple(map(values.copy, found)) if isinstance(found, tuple) else found


def again_of_lone(entry: Entry, lone: Lone) -> Again | None:
    """As `again`, for an entry that `of_lone` made. O(1)."""
    small = len(lone[2][0].payload or b"") <= MAX_TOLD
    return Again(entry, None, None) if small and type(lone[3]) in _ATOMS else None


def again(entry: Entry, until: Stamp | None) -> Again | None:
    """What `entry` says, to be told again; None for what is large, or no plain value. O(value).

    It keeps the entry: what its reader gets is what this tells.
    """
    try:
        packed = values.pack(entry.value)
    except CrdtkvError:
        return None
    if len(packed) > MAX_TOLD:
        return None
    shared = all(type(v) in _ATOMS for v in (entry.value, *entry.siblings, *entry.conflicts))
    return Again(entry, None if shared else packed, until)


def plain(value: Any) -> Any:
    """A value as a caller sees it: None for what is absent."""
    return None if value is ABSENT else value
