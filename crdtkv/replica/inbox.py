"""The inbox of lost writes: every loser leaves a trace.

Recorded once, at the colo that minted the loser, when it learns of what beat it.
Bounded: the oldest go first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import xxhash

from crdtkv.core import values
from crdtkv.core.cells import Cell, Fields, Sibling, is_hider, is_live, is_mark, is_sweep, is_value, rank, unhide
from crdtkv.core.clocks import Dot, covers
from crdtkv.core.packed import Packed
from crdtkv.core.paths import ORDER, STRATEGY, component_end, components, first, is_below, split
from crdtkv.core.tree import Tree
from crdtkv.errors import CrdtkvError
from crdtkv.replica.core import Replica
from crdtkv.storage.base import Storage
from crdtkv.strategies.base import ABSENT, Strategy
from crdtkv.strategies.roots import known_strategy, root_path, roots_in, strategy_at

__all__ = ["MAX_INBOX", "MAX_KINDS", "Beaten", "Lost", "Winner", "entry", "note", "note_own", "put"]

_K = TypeVar("_K")
_V = TypeVar("_V")

MAX_INBOX = 10_000

MAX_KINDS = 1_000
"""So many strategies and prefixes are counted apart; of more, all others together."""

_SEVERAL = 16
"""Of so many cells it is worth it to ask first whether they are all of the plainest shape."""


def entry(replica: Replica, reason: str, key: str, path: bytes, lost: Sibling, winner: Winner | None) -> dict[str, Any]:
    """A lost write as plain data: what, where, who, when, and what beat it."""
    return {
        "reason": reason, "key": key, "path": path, "lost": _plain(lost), "value": _told(replica, key, path, lost),
        "winner": _told(replica, key, *winner) if winner else None, "where": _where(replica, key, path),
    }  # fmt: skip


def _plain(s: Sibling) -> list[Any]:
    return [*s.dot, s.stamp, s.payload]


def _tree(replica: Replica, key: str, found: Strategy) -> Tree:
    return Tree(replica.storage.cells(key), root_path(found.spec), memo=replica.memo(key))


def _where(replica: Replica, key: str, path: bytes) -> str:
    """The path as a JSON pointer, as it stands now."""
    tag, data, rest = first(path)
    found = known_strategy(data.decode())
    return found.where(_tree(replica, key, found), rest) if tag == STRATEGY else ""


def _told(replica: Replica, key: str, path: bytes, sibling: Sibling) -> bytes | None:
    """What a sibling says, packed; None for a delete."""
    if not path:
        return None
    tag, data, rest = first(path)
    if tag != STRATEGY or any(tag == ORDER for tag, _ in split(path)):
        return None
    found = known_strategy(data.decode())
    try:
        value = found.told(_tree(replica, key, found), rest, sibling)
        return None if value is ABSENT else values.pack(value)
    except CrdtkvError:
        return None  # what a foreign payload says cannot be told; that it lost can


def put(replica: Replica, found: dict[str, Any]) -> None:
    """Keep a lost write, once; and count it, also where the transaction that is open fails yet."""
    origin, n, stamp, _ = found["lost"]
    id = f"{stamp:016x}-{origin}.{n}-{xxhash.xxh3_64_hexdigest(found['key'].encode() + found['path'])}"
    rows = replica.storage.inbox()
    if id not in rows:
        if len(rows) >= MAX_INBOX:
            replica.storage.put_inbox(min(rows), None)
        replica.storage.put_inbox(id, found)
        kind = _kind(found)
        replica.lost[kind if kind in replica.lost or len(replica.lost) < MAX_KINDS else ("", "")] += 1


def _kind(found: dict[str, Any]) -> tuple[str, str]:
    """The strategy that holds a lost write, and what its key begins with: up to the first slash, with it."""
    tag, data, _ = first(found["path"]) if found["path"] else (b"", b"", b"")
    head, slash, _ = found["key"].partition("/")
    return data.decode() if tag == STRATEGY else "", head + slash if slash else ""


def note(replica: Replica) -> None:
    """Find what this transaction's absorbing did to our own writes. O(cells changed, and below new hiders)."""
    ours = replica.state.lineage
    for key, changed in list(replica.changed.items()):
        if _is_of_others(replica.storage, key, changed, ours):
            continue
        if _came_alone(replica.storage, key, changed):
            continue
        cells = replica.storage.cells(key)
        left = [path for path, old in changed.items() if old or not _came_plainly(path, cells.get(path, ()))]
        lost_in = _losers(replica, key) if left else {}
        for path in sorted(left):  # (the same is told in whatever order they were written)
            if not path:
                _note_swept(replica, key)
                continue
            old, new = changed[path], cells.get(path, ())
            for at, lost, winner, reason in _beaten(replica, key, path, old, new, lost_in):
                put(replica, entry(replica, reason, key, at, lost, winner))
            for above, lost, edit in _undone(replica, key, path, [s for s in new if s not in old]):
                if _is_shown(replica, key, above):
                    words = "a concurrent edit brought back what was deleted"
                    put(replica, entry(replica, words, key, above, lost, (path, edit)))


def _came_plainly(path: bytes, new: Cell) -> bool:
    """Whether it is plain that what came where nothing stood took nothing from anybody: a value, in no container."""
    return path != b"" and not _is_of_whole(path[: component_end(path, 0)]) and all(is_live(s.payload) for s in new)


def _is_of_whole(root: bytes) -> bool:
    """Whether what stands below that is in containers."""
    return root[:1] != STRATEGY or strategy_at(root).whole


def _is_of_others(storage: Storage, key: str, changed: dict[bytes, Cell], ours: list[str]) -> bool:
    """Whether it is plain that nothing of a key is ours, nor was: it cannot have been lost. O(changed)."""
    said = storage.said(key)
    if said is None or said[1] in ours:
        now = storage.cells(key)
        if len(now) > len(changed) or not isinstance(now, dict) or _has(now, ours):
            return False
    return not _has(changed, ours)


def _has(cells: dict[bytes, Cell], ours: list[str]) -> bool:
    for cell in cells.values():
        for s in cell:
            fields: Fields = s
            dot: Fields = fields[0]
            if dot[0] in ours:
                return True
    return False


def _came_alone(storage: Storage, key: str, changed: Mapping[bytes, Cell]) -> bool:
    """Whether it is plain that nothing was lost: values came where nothing stood, all below one root and in no
    container. O(changed), without a look at each in Python."""
    cells = storage.cells(key)
    if len(changed) < _SEVERAL or not isinstance(cells, Packed) or any(changed.values()):
        return False
    low, high = min(changed), max(changed)
    root = low[: component_end(low, 0)] if low else b""
    if not low or not is_below(high, root) or _is_of_whole(root):
        return False
    payloads = cells.payloads(changed)
    return payloads is not None and all(map(is_live, payloads))


def note_own(replica: Replica, dot: Dot) -> None:
    """Find what our transaction `dot`, on bases that had not seen them, took from our own earlier writes."""
    for key, changed in list(replica.changed.items()):
        for path, old in list(changed.items()):
            if not path or not old:
                continue
            new = replica.storage.cells(key).get(path, ())
            own = [s for s in new if s.dot == dot]
            beaten = [*_replaced(_ours(replica, old), path, own, new), *_hidden(replica, key, path, old, new, own)]
            for at, lost, winner, reason in beaten:
                put(replica, entry(replica, reason, key, at, lost, winner))


Winner = tuple[bytes, Sibling]
"""Where it stands, and what it is."""

Beaten = tuple[bytes, Sibling, Winner | None, str]
"""Where, what lost, what beat it, and how."""


class _Once(dict[_K, _V]):
    """What a function gives, asked once for each. (`functools.cache` takes longer to make than most are asked for.)"""

    def __init__(self, of: Callable[[_K], _V]) -> None:
        super().__init__()
        self._of = of

    def __missing__(self, given: _K) -> _V:
        found = self[given] = self._of(given)
        return found


Lost = Mapping[str, set[tuple[bytes, Dot]]]
"""By the strategy that holds them: where in it, and which, siblings stand unshown."""


def _losers(replica: Replica, key: str) -> Lost:
    """Asked once for each strategy: to look through a document for each of its cells would take its size squared."""

    def lost_in(spec: str) -> set[tuple[bytes, Dot]]:
        found = known_strategy(spec)
        return {(loser.path, loser.sibling.dot) for loser in found.losers(_tree(replica, key, found))}

    return _Once(lost_in)


def _ours(replica: Replica, cell: Cell) -> list[Sibling]:
    return [s for s in cell if s.dot[0] in replica.state.lineage and is_live(s.payload)]


def _beaten(replica: Replica, key: str, path: bytes, old: Cell, new: Cell, lost_in: Lost) -> list[Beaten]:
    mine = _ours(replica, old)
    arrived = [s for s in new if s not in old]
    out = _of_another_kind(replica, key, path, arrived, lost_in)
    if arrived:
        out += _replaced(mine, path, arrived, new)
        out += _outranked(path, mine, old, new, lost_in)
        out += _hidden(replica, key, path, old, new, arrived)
    return out


def _replaced(mine: list[Sibling], path: bytes, arrived: list[Sibling], new: Cell) -> list[Beaten]:
    """Our siblings that who replaced them had not seen; two who wrote the same lost nothing."""
    words = "overwritten by a write that had not seen it"
    gone = [s for s in mine if s not in new]
    return [
        (path, s, (path, w), words) for s in gone for w in arrived if s.dot in w.lost and s.payload != w.payload
    ]  # fmt: skip


def _undone(
    replica: Replica, key: str, path: bytes, arrived: list[Sibling]
) -> Iterator[tuple[bytes, Sibling, Sibling]]:  # fmt: skip
    """Our deletes of containers above `path` that an edit which had not seen them may have undone."""
    live = [s for s in arrived if is_live(s.payload)]
    above = b""
    for part in components(path)[:-1] if live else ():
        above += part
        for h in replica.storage.cells(key).get(above, ()):
            if is_hider(h.payload) and h.dot[0] in replica.state.lineage:
                yield from ((above, h, s) for s in live if not _seen([h], s))


def _outranked(path: bytes, mine: list[Sibling], old: Cell, new: Cell, lost_in: Lost) -> list[Beaten]:
    """Our siblings that still stand but are not what a reader sees any more."""
    tag, data, rest = first(path)
    if not mine or len(new) < 2 or tag != STRATEGY:
        return []
    found = known_strategy(data.decode())
    lost = {s.dot for s in new if (rest, s.dot) in lost_in[found.spec]}
    was = {loser.sibling.dot for loser in found.losers(Tree({path: old}, root_path(found.spec))) if loser.path == rest}
    winner = max((s for s in new if s.dot not in lost), key=rank, default=None)
    by = None if winner is None else (path, winner)
    return [(path, s, by, _how(s, winner)) for s in mine if s in new and s.dot in lost - was]


def _how(lost: Sibling, winner: Sibling | None) -> str:
    removed = winner is not None and not is_live(winner.payload) and rank(winner) < rank(lost)
    return "a concurrent delete won" if removed else "a concurrent write was later"


def _of_another_kind(
    replica: Replica, key: str, path: bytes, arrived: list[Sibling], lost_in: Lost
) -> list[Beaten]:  # fmt: skip
    """Our siblings in another cell of the same place in a document, where what arrived is of a kind kept apart."""
    live = [s for s in arrived if is_live(s.payload)]
    tag, data, rest = first(path) if path else (b"", b"", b"")
    if not live or tag != STRATEGY or not known_strategy(data.decode()).whole:
        return []
    found = known_strategy(data.decode())
    tree = _tree(replica, key, found)
    ours = [(at, s) for at in _kin(tree, rest) for s in _ours(replica, tree.cell(at))]
    above = path[: len(path) - len(rest)]
    winner = (path, live[-1])
    lost = [(at, s) for at, s in ours if (at, s.dot) in lost_in[found.spec]]
    return [(above + at, s, winner, "a concurrent write was later") for at, s in lost]


def _kin(tree: Tree, path: bytes) -> Iterator[bytes]:
    """The other cells of the place that the one at `path` speaks of: its container's, those of other strategies."""
    parts = components(path)
    at = next((i for i, part in enumerate(parts) if part[:1] == STRATEGY), len(parts))
    place, own = b"".join(parts[:at]), b"".join(parts[: at + 1])
    if own != place:
        yield place
    below = tree.sub(place)
    found = below.first_after(STRATEGY)
    while found is not None and found[:1] == STRATEGY:
        root = found[: component_end(found, 0)]
        if place + root != own:
            yield place + root
            yield from (place + at for at, _ in below.below(root))
        found = below.first_after(root + b"\xff")


def _hidden(
    replica: Replica, key: str, path: bytes, old: Cell, new: Cell, arrived: list[Sibling]
) -> list[Beaten]:  # fmt: skip
    """Our edits below a container that was taken away, or made something else, by who had not seen them."""
    kinds = {s.payload for s in old if is_mark(s.payload)} - {s.payload for s in new}
    took = [s for s in arrived if kinds or not is_live(s.payload)]
    tag, data, rest = first(path) if path else (b"", b"", b"")
    if not took or tag != STRATEGY or not known_strategy(data.decode()).whole:
        return []
    found = known_strategy(data.decode())
    tree = _tree(replica, key, found)
    if not kinds and found.reaches(tree, rest):
        return []
    above, by = path[: len(path) - len(rest)], took[-1]
    how = "write put something else in place of" if is_live(by.payload) else "delete took"
    return [
        (above + below, s, (path, by), f"a concurrent {how} what it was in")
        for below, cell in tree.below(rest)
        for s in cell
        if s.dot[0] in replica.state.lineage and is_value(s.payload) and not _seen(took, s)
        if not found.reaches(tree, below) and not _deleted(tree, below, s)
    ]


def _note_swept(replica: Replica, key: str) -> None:
    """A new life of the key began: our concurrent edits of a document that it replaced are lost."""
    sweeps = [s for s in replica.storage.cells(key).get(b"", ()) if is_sweep(s.payload)]
    for found, tree in roots_in(replica.storage.cells(key), memo=replica.memo(key)) if sweeps else ():
        for path, cell in tree.below() if found.whole else ():
            mine = [s for s in cell if is_value(s.payload) and s.dot[0] in replica.state.lineage]
            lost = mine if mine and not found.reaches(tree, path) else ()
            for s in (s for s in lost if not _deleted(tree, path, s)):
                words = "a concurrent write made the key anew"
                put(replica, entry(replica, words, key, tree.prefix + path, s, (b"", sweeps[-1])))


def _deleted(tree: Tree, path: bytes, s: Sibling) -> bool:
    """Whether who had seen it deleted what it is in: then it is not lost."""
    above, containers = b"", [b""]
    for part in components(path)[:-1]:
        above += part
        containers.append(above)
    return _seen([h for at in containers for h in tree.cell(at) if is_hider(h.payload)], s)


def _is_shown(replica: Replica, key: str, path: bytes) -> bool:
    _, data, rest = first(path)
    found = known_strategy(data.decode())
    return found.reaches(_tree(replica, key, found), rest)


def _seen(took: list[Sibling], s: Sibling) -> bool:
    """Whether who took away what `s` is in had seen it, or is its own writer."""
    seen = [unhide(t.payload).seen for t in took if t.payload is not None and is_hider(t.payload)]
    return any(t.dot == s.dot for t in took) or any(covers(context, s.dot) for context in seen)
