"""What earlier incarnations of this store wrote and nobody covers: minted anew, or lost with a trace.

Law: a write that is minted anew is like any edit whose base is old. What reads as
absent it replaces whole, and where what it was in is not shown it is lost: so it
does not matter who has forgotten what of that already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from crdtkv.core.cells import Cell, Sibling, expiry_of, is_live, is_sweep, rank, spent, unhide
from crdtkv.core.clocks import Dot, Vector, covers, covers_all
from crdtkv.core.paths import ORDER, STRATEGY, component, components, first, is_counted, is_order
from crdtkv.core.rules import Rule
from crdtkv.core.tree import Tree
from crdtkv.core.wire import Record
from crdtkv.replica import inbox, members, taken
from crdtkv.replica.core import Replica
from crdtkv.replica.draft import Draft
from crdtkv.strategies.base import Strategy, Write
from crdtkv.strategies.counter_cells import counted_by, is_share, joined_payload
from crdtkv.strategies.roots import TTL_PATH, Root, known_strategy, pick

__all__ = ["KEEP_MINTED_MS", "MINTED", "give_up", "remint", "uncovered"]

_COPY = "~copy"
"""What a copy wrote before it knew that it was one: in a dot's name."""

MINTED = "minted/"
"""Rows of meta by a dot: what it was minted anew from, and when, in ms."""

KEEP_MINTED_MS = 90 * 24 * 3600 * 1000
"""So long that is remembered."""

_RANKED = ("lww", "list", "json")
"""Strategies that show the later of two values of one cell."""


def uncovered(replica: Replica, to: Vector, shared: int | None = None) -> list[dict[str, Any]]:
    """Our own siblings that `to` does not cover, with what stood beside them.

    `shared`: our numbers above this one are others' for something else.
    """
    state = replica.state
    base = dict(state.vector) | ({} if shared is None else {state.id: shared})

    def lacks(dot: Dot) -> bool:
        # What it was minted anew from may stand where we return to, or was deleted there.
        known = any(covers(to, was) for was in _said_before(replica, dot))
        return not known or (dot[0] == state.id and not covers(base, dot))

    return [
        _plain(s, key, path, cell, base, state.id) | {"taken": taken.row_of(replica, key, path, s)}
        for key in replica.storage.keys("", None)
        if key not in (members.MEMBERS, members.CHAIN) and not key.startswith(taken.TAKEN)
        for path, cell in replica.storage.cells(key).items()
        for s in cell
        if s.dot[0] in state.lineage and lacks(s.dot)
    ]


def _said_before(replica: Replica, dot: Dot) -> Iterator[Dot]:
    """A dot, what it was minted anew from, and so on."""
    at: Dot | None = dot
    while at is not None:
        yield at
        row = replica.storage.meta(f"{MINTED}{at[0]}.{at[1]}")
        at = (row[0], row[1]) if row else None


def _plain(
    s: Sibling, key: str, path: bytes, cell: Cell, base: Vector, own: str
) -> dict[str, Any]:  # fmt: skip
    # A number that is another's elsewhere: under a name that nobody has, it is nobody's.
    origin = s.dot[0] if covers(base, s.dot) else f"{s.dot[0]}{_COPY}"
    return {
        "dot": [origin, s.dot[1]], "stamp": s.stamp, "key": key, "path": path, "payload": s.payload,
        "vector": dict(base), "beside": [list(other.dot) for other in cell if other is not s], "first": not s.parents,
        # All, also what only a name is left of here, or what is known where it returns to first: it may wait on.
        "parents": [list(dot) for dot in s.parents if dot[0] != own or covers(base, dot)],
    }  # fmt: skip


class _Item(NamedTuple):
    """A pending write: `vector` and `beside` are its base. `replaced`: what it had replaced, or names."""

    lost: Sibling
    key: str
    path: bytes
    vector: Vector
    beside: frozenset[Dot]
    first: bool
    replaced: frozenset[Dot]
    wide: bool
    """A sweep, or a hider of what was hidden there."""
    known: Vector
    """What was known here when all that waits was about to be minted anew."""

    def covered(self, dot: Dot) -> bool:
        """Whether whoever wrote it had seen `dot`, and replaced it."""
        return covers(self.vector, dot) and dot not in self.beside

    def told_since(self, vector: Vector) -> _Item:
        """Of what is here its writers have told, and who names that may be anybody that had seen it."""
        replaced = frozenset(dot for dot in self.replaced if not covers(vector, dot))
        return self._replace(replaced=replaced, known=vector)

    def takes(self, s: Sibling) -> bool:
        """Whether it had replaced that sibling, or what this was minted anew from, which nobody covers."""
        anew = any(d in self.replaced or (self.covered(d) and not covers(self.known, d)) for d in s.parents)
        return self.covered(s.dot) or (anew and all(d in self.replaced or self.covered(d) for d in s.parents))


class _Lives:
    """Of two writes of one store, which was later: its lives came one after the other, whatever their clocks said."""

    def __init__(self, replica: Replica) -> None:
        self._replica = replica
        self._places = {id: n for n, id in enumerate(replica.state.lineage)}

    def of(self, dot: Dot) -> int:
        """The number of the life that wrote it, whoever has minted it anew; -1: none of this store."""
        *_, (origin, _) = _said_before(self._replica, dot)
        return self._places.get(origin.removesuffix(_COPY), -1)

    def is_before(self, lost: Sibling, other: Sibling) -> bool:
        """Whether `other` was written later.

        Of two writes that wait since two lives the later one stands: both are stamped anew, the earlier one first.
        """
        mine, its = self.of(lost.dot), self.of(other.dot)
        return other.stamp > lost.stamp if mine == its or its < 0 else its > mine


def _item(plain: dict[str, Any]) -> _Item:
    lost = Sibling((plain["dot"][0], plain["dot"][1]), plain["stamp"], plain["payload"])
    beside = frozenset((d[0], d[1]) for d in plain["beside"])
    replaced = frozenset((d[0], d[1]) for d in plain.get("parents", ()))
    _, row = plain.get("taken") or (None, ())
    wide = len(row) == 2
    return _Item(lost, plain["key"], plain["path"], plain["vector"], beside, plain["first"], replaced, wide, {})


def give_up(replica: Replica, why: str) -> None:
    """Inside a transaction: nothing that waits is minted anew; it is in the inbox."""
    for plain in replica.state.pending:
        if plain["path"]:
            _note(replica, _item(plain), why)
    replica.state.pending = []


def _note(replica: Replica, item: _Item, why: str, winner: Sibling | None = None) -> None:
    beat = None if winner is None else (item.path, winner)
    inbox.put(replica, inbox.entry(replica, why, item.key, item.path, item.lost, beat))


def remint(replica: Replica, rule_of: Callable[[str], Rule]) -> int:
    """Mint anew what waits, once every member knows of all who are none any more; how many writes.

    (Who has not heard of an eviction may still absorb from the evicted what we are about
    to mint anew.)
    """
    pending = replica.state.pending
    if not pending or not members.agreed(replica):
        return 0
    by_dot: dict[Dot, list[_Item]] = {}
    lives = _Lives(replica)
    known = dict(replica.state.vector)
    for item in (_item(plain).told_since(known) for plain in pending):
        by_dot.setdefault(item.lost.dot, []).append(item)
    with replica.transaction():  # one for all: what waits is kept as a whole, and would be written again for each
        dots = sorted(by_dot, key=lambda d: (lives.of(d), by_dot[d][0].lost.stamp, d))
        made = [_remint_one(replica, rule_of, lives, d, by_dot[d]) for d in dots if not covers(replica.state.vector, d)]
        replica.state.pending = []
    replica.storage.sync()  # before anybody is told: forgotten in a power cut, it would be minted anew once more
    for each in made:
        replica.minted(each)
    return len(pending)


def _remint_one(
    replica: Replica, rule_of: Callable[[str], Rule], lives: _Lives, lost: Dot, items: list[_Item]
) -> tuple[Record, bytes] | None:  # fmt: skip
    """Inside a transaction: what was written as `lost`, as one record; None if nothing of it is minted anew."""
    replica.changed = {}
    draft = Draft(replica, rule_of)
    for item in sorted(items, key=lambda i: (i.key, i.path)):  # what contains before what it contains
        _rewrite(replica, draft, item, lives)
    made = draft.record()
    if made is not None:
        origin, n = made[0].dot
        replica.storage.put_meta(f"{MINTED}{origin}.{n}", [*lost, replica.wall_ms()])
    return made


def _rewrite(replica: Replica, draft: Draft, item: _Item, lives: _Lives) -> None:
    roots = draft.ready(item.key)
    if item.path == TTL_PATH:
        if pick(roots) is not None:
            whole = expiry_of(replica.storage.cells(item.key).get(TTL_PATH, ())) is None
            draft.rewrite(item.key, Write(TTL_PATH, item.lost.payload, all=whole), item.covered)
        return
    if item.wide:
        _take_below(replica, draft, item)
    if not item.path:
        return  # (a key's life is begun anew where it has to be)
    place, before = _place(roots, item.path), set(_said_before(replica, item.lost.dot))
    if not is_counted(item.path) and any(not before.isdisjoint(s.parents) for s in place.cell):
        return  # who replaced it had seen it, and has told of that first
    told = taken.told(replica, item.key)
    if is_live(item.lost.payload) and told.has(item.path, before):
        return  # and so it stays, though here that is forgotten by now
    gone = {s.dot for s in place.cell if item.takes(s) or _is_earlier(draft, item, s)}
    why = _why_lost(replica, item, place, lives, [s for s in place.cell if s.dot not in gone])
    if why is None:
        named = () if is_counted(item.path) else item.replaced | before
        for write in _writes(item, place, told.counts.get(item.path, ())):
            draft.rewrite(
                item.key, write, lambda dot: dot in gone or item.covered(dot), named if write.path == item.path else ()
            )
    elif is_live(item.lost.payload) and not is_order(item.path):
        winner = _standing(item, place)
        # Where two that meet for the first time had put the same, nothing is lost.
        if winner is None or winner.payload != item.lost.payload:
            _note(replica, item, why, winner)


def _standing(item: _Item, place: _Place) -> Sibling | None:
    """What is shown in the place of a write that is not minted anew. (A count is in the place of none.)"""
    if not place.present or is_counted(item.path):
        return None
    return max((s for s in place.cell if is_live(s.payload)), key=rank, default=None)


class _Place(NamedTuple):
    """Where a cell stands now: the innermost strategy, its tree, the path in it.

    `inside`: what contains it is shown. `present`: so is what stands there.
    """

    found: Strategy
    tree: Tree
    rest: bytes
    inside: bool
    present: bool

    @property
    def cell(self) -> Cell:
        return self.tree.cell(self.rest)


def _place(roots: list[Root], path: bytes) -> _Place:
    root = component(*first(path)[:2])
    found = known_strategy(first(path)[1].decode())
    tree = next((tree for _, tree in roots if tree.prefix == root), Tree({}, root))
    parts = components(path[len(root) :])
    if not found.whole:
        return _leaf(found, tree, parts, inside=True)
    at = next((i for i, part in enumerate(parts) if part[:1] == STRATEGY), None)
    if at is None:
        inside = not parts or found.reaches(tree, b"".join([*parts[:-1], *_element(parts)]))
        return _Place(found, tree, b"".join(parts), inside, found.reaches(tree, b"".join(parts)))
    own = known_strategy(first(parts[at])[1].decode())
    inside = at == 0 or found.reaches(tree, b"".join(parts[: at - 1]))
    return _leaf(own, tree.sub(b"".join(parts[: at + 1])), parts[at + 1 :], inside)


def _leaf(found: Strategy, tree: Tree, parts: list[bytes], inside: bool) -> _Place:
    there = not _element(parts) or not found.gone(tree.cell(_element(parts)[0]))
    return _Place(found, tree, b"".join(parts), inside and there, not found.gone(tree.cell(b"".join(parts))))


def _element(parts: list[bytes]) -> list[bytes]:
    """The element whose order cell it is, if it is one."""
    return [first(parts[-1])[1]] if parts and parts[-1][:1] == ORDER else []


def _is_earlier(draft: Draft, item: _Item, s: Sibling) -> bool:
    """Whether this store has minted that anew from what it wrote before, or together with it."""
    return s.dot == draft.dot or any(map(item.covered, _said_before(draft.replica, s.dot)))


def _why_lost(
    replica: Replica, item: _Item, place: _Place, lives: _Lives, unseen: list[Sibling]
) -> str | None:  # fmt: skip
    """Why a write is not minted anew, None if it is. `unseen`: what it does not replace."""
    found, lost, cell = place.found, item.lost, place.cell
    # What stood beside it, or came after it, may have been a remove that is forgotten here.
    past = any(covers(replica.state.vector, dot) for dot in item.beside)
    forgot = not cell and (past or not covers_all(item.vector, replica.state.dropped))
    removal_wins = found.chosen.get("wins") in ("remove", "delete")
    if not place.inside:
        return "what it was in was deleted while this colo was away"
    if is_counted(item.path) and lost.dot[0].endswith(_COPY) and is_share(components(item.path)[-1]):
        return "a copy counted on from what the lost file had counted on from, too"
    if is_counted(item.path):
        return "what it added to may have been deleted while this colo was away" if forgot and not item.first else None
    if not is_live(lost.payload):
        return None if _takes(item, place) else "what it deleted is not there"
    live = [s for s in unseen if is_live(s.payload) or not found.whole]
    if found.name in _RANKED and any(lives.is_before(lost, s) for s in live):
        return "a later write stood when this colo joined"
    if removal_wins and any(not is_live(s.payload) for s in unseen):
        return "it was removed while this colo was away"
    if forgot and (removal_wins or (found.name == "lww" and lost.stamp <= replica.state.floor)):
        return f"it {'may have been removed' if removal_wins else 'was deleted'} while this colo was away"
    return None


def _takes(item: _Item, place: _Place) -> bool:
    """Whether a delete still takes something away."""
    found, payload = place.found, item.lost.payload
    if payload is not None and is_sweep(payload):
        return found.present(place.tree)
    covered = any(is_live(s.payload) and item.takes(s) for s in place.cell)
    return place.present and (payload is not None or covered or found.chosen.get("wins") in ("remove", "delete"))


def _take_below(replica: Replica, draft: Draft, item: _Item) -> None:
    """A sweep or hider takes what it had taken, by the numbers that it has been minted anew with since.

    That of a key's life, which is not minted anew itself, also what still has its number.
    """
    payload, known = item.lost.payload or b"", replica.state.vector
    seen = unhide(payload).seen
    for path, cell in list(replica.storage.cells(item.key).items()):
        if not taken.takes_below(path, item.path, payload):
            continue
        gone = {
            s.dot for s in cell
            if (not item.path and covers(seen, s.dot))
            or (any(covers(seen, d) and not covers(known, d) for d in s.parents)
            and all(covers(seen, d) or item.covered(d) for d in s.parents))
        }  # fmt: skip
        if gone:
            draft.rewrite(item.key, Write(path, None), gone.__contains__)


def _writes(item: _Item, place: _Place, told: Iterable[bytes]) -> list[Write]:
    """The write anew; where nothing is shown, as it would be restored there: what stands may be forgotten elsewhere."""
    path, payload, tree = item.path, item.lost.payload, place.tree
    if is_counted(path):
        joined = _joined(item, place.cell, told)
        # But a delete of what is absent writes nothing, minted anew or not.
        nothing = not is_live(joined) and not place.found.present(place.tree)
        return [] if joined is None or nothing else [Write(path, joined, all=True)]
    if place.present:
        return [Write(path, payload)]
    return [w._replace(path=tree.prefix + w.path) for w in place.found.restore(tree, place.rest, payload)]


def _joined(item: _Item, cell: Cell, told: Iterable[bytes]) -> bytes | None:
    """A counter's cell as it says what it said and what was lost, None where that is nothing more.

    Verbatim: the max of each part counts just what nobody has seen. What a delete had seen is dead.
    """
    more = [item.lost._replace(payload=payload) for payload in told]
    stands = [_without_life(s) if item.covered(s.dot) else s for s in cell]
    joined = joined_payload(item.path, (item.lost, *stands, *more))
    known = counted_by(joined) == counted_by(joined_payload(item.path, (*cell, *more)))
    return None if known and (is_live(joined) or not any(is_live(s.payload) for s in cell)) else joined


def _without_life(s: Sibling) -> Sibling:
    return s._replace(payload=spent(s.payload)) if s.payload is not None and is_live(s.payload) else s
