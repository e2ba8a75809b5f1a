"""Log: entries that are only ever added, in the order of their stamps.

One cell per entry at the path (stamp, replica, n, index), so all colos show one
order, and the cells of a time range lie together. `trim` forgets what is older
than a date; nothing else changes an entry.

The anomaly that survives: an entry that arrives late takes its place by its stamp,
before entries that were already read: follow a log by the change feed, whose cursor
skips nothing. An append by a clock that is behind does so as well. A log that is
trimmed empty reads as absent. What is removed or trimmed is what is there where that
happens: what was appended meanwhile elsewhere stands.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

from mypy_extensions import mypyc_attr

from crdtkv.core import paths, values
from crdtkv.core.cells import MARK_PLAIN, Cell, sweep
from crdtkv.core.clocks import Stamp, make_stamp, stamp_ms
from crdtkv.core.show import show
from crdtkv.core.tree import Tree
from crdtkv.errors import ValueInvalid, WrongType
from crdtkv.strategies.base import ABSENT, Env, Operation, Strategy, Write
from crdtkv.strategies.cell_reading import covers_live, misfit, readable
from crdtkv.strategies.line import entries, known_line

__all__ = ["Log"]

_MAX_MS = 2**48
_END = bytes([paths.ENTRY[0] + 1])
"""Greater than the path of any entry."""


@mypyc_attr(allow_interpreted_subclasses=True)
class Log(Strategy):
    """Entries ordered by when and where they were appended."""

    name = "log"
    summary = "entries in the order of their stamps"
    wins = "all entries stand, each in its place"
    anomaly = "an entry that arrives late takes its place before entries already read"
    cost = "one cell per entry"
    operations: ClassVar[Mapping[str, str]] = {
        "append": "append(value, ...)",
        "trim": "trim(before_ms): forgets the entries older than that",
        "keep": "keep(n): forgets all but the last n entries",
        "remove": "remove(index[, count])",
        "put": "put([value, ...]): appends what comes after the entries that the base showed",
        "delete": "delete()",
    }
    short = frozenset({"append"})

    def read(self, tree: Tree) -> Any:
        found = [value for _, value in self.entries(tree)]
        return found if found or not self.gone(tree.cell()) else ABSENT

    def present(self, tree: Tree) -> bool:
        kept = known_line(tree, paths.ENTRY)
        if kept is not None and not kept:
            return not self.gone(tree.cell())
        return not self.gone(tree.cell()) or next(_entries(tree.below(), None), None) is not None

    def entries(self, tree: Tree, since: Any = None, until: Any = None) -> list[tuple[int, Any]]:
        """`(ms, value)` of the entries with `since <= ms < until`, in order. Cost: O(log n) for each.

        Both are milliseconds since 1970. Raises ValueInvalid.
        """
        end = None if until is None else _bound(until)
        walk = tree.below() if since is None else _from(tree, _bound(since))
        return list(_entries(walk, end))

    def edit(self, tree: Tree, operation: Operation, env: Env) -> list[Write]:
        """append costs O(1) per value, trim O(1) or O(entries that the base had not seen), put and delete O(n).

        keep and remove cost O(n) once, then O(log n).
        """
        match operation:
            case Operation("append", added) if added:
                return _append(tree, added, env, env.stamp)
            case Operation("trim", (before_ms,)):
                return _sweep(tree, env, _bound(before_ms))
            case Operation("keep", (n,)):
                return _keep(tree, env, n)
            case Operation("remove", (index,)):
                return _remove(tree, env, index, 1)
            case Operation("remove", (index, count)):
                return _remove(tree, env, index, count)
            case Operation("put", (value,)):
                return self._put(tree, env, _checked(value))
            case Operation("delete", ()):
                return _sweep(tree, env, None)
        raise misfit(self, operation)

    def norm(self, value: Any) -> Any:
        return [values.unpack(values.pack(entry)) for entry in _checked(value)]

    def _put(self, tree: Tree, env: Env, wanted: list[Any]) -> list[Write]:
        # What reads as absent is created whole, whatever the base.
        shown = (self.read(env.base) or []) if self.present(tree) else []
        for i, entry in enumerate(shown):
            if i >= len(wanted) or not values.equal(wanted[i], entry):
                instead = show(wanted[i]) if i < len(wanted) else "nothing"
                raise WrongType(f"a log only grows: entry {i} is {entry!r}, and the put has {instead}; append or trim")
        if not wanted and self.gone(tree.cell()):
            return [Write(b"", MARK_PLAIN, all=True)]
        # After all that stands, even where this clock is behind: what was put is what is read.
        # (An append keeps its own time: one clock in the future must not drag the log there.)
        last = tree.last_before(_END)
        stamp = env.stamp if last is None else max(env.stamp, _stamp(last) + 1)
        return _append(tree, wanted[len(shown) :], env, stamp)


def _append(tree: Tree, added: Sequence[Any], env: Env, stamp: Stamp) -> list[Write]:
    values.check_items(added)
    own = _stamp_bytes(stamp) + env.replica.encode() + b"\x00" + _ordered(env.n)
    start = _first_free(tree, own)
    return [
        Write(paths.component(paths.ENTRY, own + _ordered(i)), values.pack(value))
        for i, value in enumerate(added, start)
    ]


def _first_free(tree: Tree, own: bytes) -> int:
    """The index after those that this transaction has appended already. O(log n)."""
    head = paths.component(paths.ENTRY, own)[:-1]
    last = tree.last_before(head + b"\xff")
    if last is None or not last.startswith(head):
        return 0
    return int.from_bytes(paths.first(last)[1][len(own) + 1 :], "big") + 1


def _sweep(tree: Tree, env: Env, below: bytes | None) -> list[Write]:
    """A sweep of what the base had seen (before `below`), if that is anything."""
    if below is None and covers_live(tree.cell(), env):
        return [Write(b"", sweep(env.seen))]
    for path, cell in tree.below():
        if below is not None and path >= below:
            break
        if covers_live(cell, env):
            return [Write(b"", sweep(env.seen, below))]
    return []


def _keep(tree: Tree, env: Env, n: Any) -> list[Write]:
    if isinstance(n, bool) or not isinstance(n, int) or n < 0:
        raise WrongType(f"how many entries are kept is a whole number from 0 on; not {show(n)}")
    there = entries(tree)
    if n >= len(there):
        return []
    return _sweep(tree, env, there.path(len(there) - n) if n else _END)


def _remove(tree: Tree, env: Env, index: Any, count: Any) -> list[Write]:
    there = entries(tree)
    for word in (index, count):
        if isinstance(word, bool) or not isinstance(word, int):
            raise WrongType(f"an index and a count are whole numbers; not {show(word)}")
    at = index + len(there) if index < 0 else index
    if at < 0 or count < 1 or at + count > len(there):
        raise WrongType(f"no {show(count)} entries from index {show(index)} on in a log of {len(there)}")
    return [Write(path, None) for path in list(there.paths(at, at + count)) if covers_live(tree.cell(path), env)]


def _checked(value: Any) -> list[Any]:
    if not isinstance(value, list | tuple):
        raise WrongType(f"a log is put as a list; not {show(value)}")
    return list(value)


def _stamp_bytes(stamp: Stamp) -> bytes:
    return stamp.to_bytes(8, "big")


def _ordered(n: int) -> bytes:
    """n in as many bytes as it takes, after their number: byte order is the order of n."""
    size = (n.bit_length() + 7) // 8
    return bytes([0x40 + size]) + n.to_bytes(size, "big")


def _bound(ms: Any) -> bytes:
    """What is less than the path of every entry from `ms` on, and greater than all before."""
    if isinstance(ms, bool) or not isinstance(ms, int) or not 0 <= ms < _MAX_MS:
        raise ValueInvalid(f"a time is milliseconds since 1970, an integer from 0 to 2**48-1; not {show(ms)}")
    # Without its terminator a component is less than all that continue its data.
    return paths.component(paths.ENTRY, _stamp_bytes(make_stamp(ms)))[:-1]


def _from(tree: Tree, start: bytes) -> Iterator[tuple[bytes, Cell]]:
    path = tree.first_after(start)
    while path is not None:
        yield path, tree.cell(path)
        path = tree.first_after(path)


def _entries(walk: Iterator[tuple[bytes, Cell]], end: bytes | None) -> Iterator[tuple[int, Any]]:
    for path, cell in walk:
        if end is not None and path >= end:
            return
        if (stamp := _stamp(path)) >= 0 and (found := readable(cell)):
            yield stamp_ms(stamp), found[-1][1]


def _stamp(path: bytes) -> Stamp:
    """The stamp of the entry at `path`; -1 if it is no entry's."""
    try:
        tag, data, rest = paths.first(path)
    except Exception:  # a foreign path: a read must go on
        return -1
    return int.from_bytes(data[:8], "big") if tag == paths.ENTRY and not rest and len(data) > 8 else -1
