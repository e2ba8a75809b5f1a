"""The pages of a catch-up while they come, and what they are when all are here.

Law of this room: nothing of it is looked into before the last page is here; then it is one
catch-up, taken whole or not at all. Later passes are laid over earlier ones. What came of a
full join goes on a pile beside the store as well: who dies half-way goes on where he was, if it is
the same replica that sends the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from heapq import merge
from itertools import groupby

import msgpack
from sortedcontainers import SortedDict

from crdtkv.core.cells import due
from crdtkv.core.clocks import Stamp
from crdtkv.core.wire import CatchUp, KeyCells, unpack_key
from crdtkv.errors import MessageInvalid
from crdtkv.gossip.messages import Frame, Page
from crdtkv.replica.cutting import along
from crdtkv.storage.pile import Pile
from crdtkv.strategies.forgetting import dead_paths

__all__ = ["Staged", "Transfer", "go_on", "laid_over", "pile_up", "sender_of"]


@dataclass(eq=False)
class Transfer:
    """A catch-up that was asked for: which page of it comes next, and what has come."""

    number: int
    since: dict[str, int]
    full: bool
    whole: bool
    head: bool
    tell: bool
    finish: Callable[[CatchUp], bool] | None
    asked_ms: int
    turn: int = 0
    base: dict[str, int] = field(default_factory=dict)
    began: dict[str, int] = field(default_factory=dict)
    after: str | None = None
    passes: list[list[bytes]] = field(default_factory=lambda: [[]])
    staged: int = 0
    times: int = 1
    begun: bool = False
    """Whether a page has come."""
    sender: str = ""
    """Who sent it: it all has to be of one replica, whose vector never goes back."""
    namespace: str = ""
    early: dict[str | None, tuple[Frame, Page]] = field(default_factory=dict)
    """Pages that overtook another, by the key that they come behind."""

    def take(self, page: Page) -> None:
        """Keys of the pass, behind those that were here. Raises MessageInvalid, and then it is not taken."""
        after = unpack_key(page.keys[-1]).key if page.more and page.keys else None
        self.began = self.began or dict(page.began)
        self.passes[-1] += page.keys
        self.staged += sum(map(len, page.keys))
        if after is not None:
            self.after = after
        elif not page.head:
            self.next_pass()

    def next_pass(self) -> None:
        """Next comes what has changed since the first page of the pass that is over."""
        self.turn += 1
        self.early.clear()
        self.base, self.began, self.after = self.began, {}, None
        self.passes.append([])


def pile_up(pile: Pile, t: Transfer, page: Page) -> None:
    """A page of a full join that was taken is kept; the first one begins the pile."""
    if page.after is None and page.turn == 0:
        pile.begin(msgpack.packb([t.sender, t.namespace]))
    pile.put(msgpack.packb([page.turn, page.after, page.more, page.began, page.keys]))


def sender_of(pile: Pile) -> str:
    """Who sent what lies there; "": nothing does."""
    first = next(pile.read(), b"")
    return str(msgpack.unpackb(first)[0]) if first else ""


def go_on(pile: Pile, t: Transfer, sender: str, namespace: str) -> None:
    """What lies there of a full join from that sender is taken as if it had come now; else nothing is."""
    pieces = pile.read()
    if next(pieces, b"") != msgpack.packb([sender, namespace]):
        return
    for piece in pieces:
        turn, after, more, began, keys = msgpack.unpackb(piece, use_list=False)
        if (turn, after) != (t.turn, t.after):
            return
        try:
            t.take(Page(t.number, turn, after, True, more, began, keys, b""))
        except MessageInvalid:
            return
        t.begun, t.sender, t.namespace = True, sender, namespace


class Staged:
    """The keys of a catch-up of several passes, in order, unpacked as they are asked for: MessageInvalid then."""

    def __init__(self, passes: list[list[bytes]], floor: Stamp, full: bool) -> None:
        self._passes = [keys for keys in passes if keys]
        self._several = len(passes) > 1  # else it was cut at one instant
        self._floor = floor
        self._full = full

    def __len__(self) -> int:
        return sum(map(len, self._passes))

    def __contains__(self, key: object) -> bool:
        return any(key == each for each in self)

    def __iter__(self) -> Iterator[KeyCells]:
        if not self._several:
            yield from _in_order(map(unpack_key, self._passes[0] if self._passes else ()))
            return
        numbered = (_numbered(at, each) for at, each in enumerate(self._passes))
        for _, found in groupby(merge(*numbered, key=lambda each: each[:2]), key=lambda each: each[0]):
            made: KeyCells | None = None
            for _, _, later in found:
                made = later if made is None else laid_over(made, later)
            assert made is not None
            yield _forgotten(made, self._floor) if self._full else made


def _numbered(number: int, keys: Iterable[bytes]) -> Iterator[tuple[str, int, KeyCells]]:
    for key in _in_order(map(unpack_key, keys)):
        yield key.key, number, key


def _in_order(keys: Iterator[KeyCells]) -> Iterator[KeyCells]:
    last = ""
    for key in keys:
        if key.key <= last:
            raise MessageInvalid(f"message has key {key.key!r:.80} after {last!r:.80}; each once, in order")
        last = key.key
        yield key


def laid_over(earlier: KeyCells, later: KeyCells) -> KeyCells:
    """A key as it was sent, and what has changed of it since: what would go along and was not sent is gone."""
    cells = SortedDict(earlier.cells)
    for path in along([path for path, _ in later.cells], cells):
        del cells[path]
    cells.update(later.cells)
    return KeyCells(later.key, later.context, tuple(cells.items()))


def _forgotten(key: KeyCells, floor: Stamp) -> KeyCells:
    """Without what the sender has dropped since it sent it."""
    old = [path for path, cell in key.cells if (when := due(path, cell)) is not None and when <= floor]
    if not old:
        return key
    cells = dict(key.cells)
    for path in dead_paths(lambda: cells, old, floor):
        cells.pop(path, None)
    return key._replace(cells=tuple(sorted(cells.items()))) if cells else KeyCells(key.key, {}, ())
