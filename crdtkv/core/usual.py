"""The usual shape of what a message is made of, taken in at a glance.

Nearly all siblings are a value or a mark with at most one parent, and nearly all come
where nothing was, or alone in the place of one. Law of this room: what it says is what
the definitions say (`core/wire.py`, where nothing that comes is believed; `join_cells`),
or it says nothing; a test holds the two against each other.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from functools import partial
from itertools import repeat
from operator import itemgetter, lt, methodcaller
from sys import intern
from typing import Any, Final

from crdtkv.core.cells import MARK_ARRAY, MARK_OBJECT, MARK_PLAIN, Cell, Sibling
from crdtkv.core.clocks import MAX_N, Dot, Vector
from crdtkv.core.keys import MAX_KEY
from crdtkv.core.paths import MAX_PATH, MEMBER, STRATEGY

__all__ = [
    "keep_path", "succeeds", "usual_cells", "usual_dots", "usual_key", "usual_part", "usual_path", "usual_payload",
    "usual_sibling", "usual_write",
]  # fmt: skip

_MARKS: Final = frozenset({MARK_OBJECT, MARK_ARRAY, MARK_PLAIN})
_new: Final = tuple.__new__

_paths: dict[bytes, bytes] = {}
"""Paths that have come before, and were in order: roots and members of documents are few, and one object each is less
to keep."""

_PATHS = 1024
_SHORT = 64


def usual_key(value: Any) -> tuple[str, dict[str, int], tuple[tuple[bytes, Cell], ...]] | None:
    """Key, context and cells in `[key, context, [[path, sibling], ...]]`: each at a usual path, of one."""
    if type(value) is not list or len(value) != 3:
        return None
    key, context, cells = value
    if type(key) is not str or not 0 < len(key) <= MAX_KEY // 4 or type(context) is not dict or type(cells) is not list:
        return None
    for replica, n in context.items():
        if type(replica) is not str or type(n) is not int or not 0 <= n <= MAX_N:
            return None
    found, before = [], b""
    for cell in cells:
        if type(cell) is not list or len(cell) != 2 or type(cell[0]) is not bytes:
            return None
        path, sibling = _usual_place(cell[0]), usual_sibling(cell[1])
        if path is None or sibling is None or path <= before:
            return None
        found.append((path, (sibling,)))
        before = path
    return key, context, tuple(found)


def usual_cells(cells: Any) -> tuple[tuple[bytes, Cell], ...] | None:
    """The cells in `[[path, [replica, n, stamp, payload]], ...]`: many, in order, each one component below one root and
    a client's value that replaced nothing. O(cells), without a look at each in Python."""
    if type(cells) is not list or len(cells) < _SEVERAL or not _all_are(list, cells, 2):
        return None
    paths, siblings = list(map(_first, cells)), list(map(_second, cells))
    if not _all_are(bytes, paths) or not _all_are(list, siblings, 4) or not _usual_parts(paths):
        return None
    replicas, ns, stamps, payloads = zip(*siblings, strict=True)
    if not (_all_are(str, replicas) and _all_are(int, ns) and _all_are(int, stamps) and _all_are(bytes, payloads)):
        return None
    if min(ns) <= 0 or max(ns) > MAX_N or min(stamps) < 0 or not all(payloads) or 0xC1 in map(_first, payloads):
        return None
    names = {replica: intern(replica) for replica in set(replicas)}
    dots = zip(map(names.__getitem__, replicas), ns, strict=True)
    parts = zip(dots, stamps, payloads, repeat(()), repeat(()))
    return tuple(zip(paths, zip(map(_sibling, parts)), strict=True))


def _all_are(kind: type, values: Collection[Any], size: int | None = None) -> bool:
    """Whether all are of that kind, and so long."""
    return set(map(type, values)) == {kind} and (size is None or set(map(len, values)) == {size})


def _usual_parts(paths: list[bytes]) -> bool:
    """Whether each is a `usual_part`, of one root and one kind, behind the one before it."""
    low, high = paths[0], paths[-1]
    at = low.find(0) + 1
    # What lies in order between two that begin alike begins so too; and of two 0x00 the second is the last byte.
    return (
        usual_part(low) and high.startswith(low[: at + 1]) and all(map(lt, paths, paths[1:]))
        and set(map(_zeros, paths)) == {2} and set(map(_last, paths)) == {0} and max(map(len, paths)) <= MAX_PATH
    )  # fmt: skip


_SEVERAL = 16
_first, _second, _last, _zeros = itemgetter(0), itemgetter(1), itemgetter(-1), methodcaller("count", b"\0")
_sibling: Callable[[Iterable[Any]], Sibling] = partial(_new, Sibling)


def _usual_place(path: bytes) -> bytes | None:
    """`path`, if it is the root of a strategy or has come before: the same object for all that are equal."""
    found = _paths.get(path)
    return keep_path(path) if found is None and usual_path(path) else found


def keep_path(path: bytes) -> bytes:
    """`path`, which is in order, is known at a glance from now on, if there is room: the same object as at first."""
    if len(path) > _SHORT or len(_paths) >= _PATHS:
        return _paths.get(path, path)
    return _paths.setdefault(path, path)


def usual_sibling(value: Any) -> Sibling | None:
    """The sibling in `[replica, n, stamp, payload]`, or with one parent behind."""
    if type(value) is not list:
        return None
    parents: tuple[Dot, ...] | None = ()
    if len(value) == 4:
        replica, n, stamp, payload = value
    elif len(value) == 5:
        replica, n, stamp, payload, named = value
        parents = usual_dots(named)
    else:
        return None
    if parents is None or type(replica) is not str or type(n) is not int or not 0 < n <= MAX_N:
        return None
    if type(stamp) is not int or stamp < 0 or not usual_payload(payload):
        return None
    # (Ids are few: one object each is less to keep, and faster to look up.)
    return _new(Sibling, ((intern(replica), n), stamp, payload, parents, ()))


def usual_write(value: Any) -> tuple[bytes, bytes, tuple[Dot, ...]] | None:
    """Path, payload and parents in `[path, payload]`, or with one parent behind: at a usual path."""
    if type(value) is not list or not 2 <= len(value) <= 3:
        return None
    path, payload = value[0], value[1]
    parents = usual_dots(value[2]) if len(value) == 3 else ()
    if parents is None or type(path) is not bytes or not usual_payload(payload):
        return None
    place = _usual_place(path)
    return None if place is None else (place, payload, parents)


def usual_dots(value: Any) -> tuple[Dot, ...] | None:
    """One dot, or none, in a list of its parts."""
    if type(value) is not list:
        return None
    if len(value) == 2:
        replica, n = value
        if type(replica) is str and type(n) is int and 0 < n <= MAX_N:
            return ((intern(replica), n),)
    return None if value else ()


def usual_payload(value: Any) -> bool:
    """Whether it is a client's value, or a mark."""
    return type(value) is bytes and value != b"" and (value[0] != 0xC1 or value in _MARKS)


def usual_path(path: bytes) -> bool:
    """Whether it is one component in plain ASCII: the root of a strategy."""
    size = len(path)
    return 1 < size <= MAX_PATH and path.find(0) == size - 1 and path.isascii() and 0x21 <= path[0] <= 0x7E


def usual_part(path: bytes) -> bool:
    """Whether it is one component below the root of a strategy, neither a member nor a strategy, and not escaped."""
    at = path.find(0) + 1
    return (
        1 < at < len(path) <= MAX_PATH and path.find(0, at) == len(path) - 1 and usual_path(path[:at])
        and 0x21 <= path[at] <= 0x7E and path[at : at + 1] not in (MEMBER, STRATEGY)
    )  # fmt: skip


def succeeds(mine: Cell, my_vector: Vector, theirs: Cell, their_vector: Vector) -> bool:
    """Whether the join is `theirs`: one new sibling, where nothing was or one that its sender had seen and replaced."""
    if len(theirs) != 1 or len(mine) > 1:
        return False
    replica, n = dot = theirs[0][0]
    if n <= my_vector.get(replica, 0):
        return False
    if not mine:
        return True
    replica, n = mine[0][0]
    return mine[0][0] != dot and n <= their_vector.get(replica, 0)
