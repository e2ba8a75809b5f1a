"""What a peer lacks, given: records where they are at hand, catch-ups for the rest.

Law of this room: who asks says from where on; nothing is kept of it but what would be found again.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from crdtkv.core.clocks import Dot, Vector, apart, covers_all
from crdtkv.core.uncollected import uncollected
from crdtkv.core.wire import CatchUp, encode
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.draining import Draining
from crdtkv.gossip.messages import BESIDE, Ask, Even, Frame, Page, Push
from crdtkv.gossip.pulling import Pulling
from crdtkv.replica import cutting
from crdtkv.replica.exchange import SOME_BYTES

__all__ = ["Serving", "lacking_records"]

_PASSES = 4
_AT_ONCE = 2
"""Pages that one question is answered with at the most: the lock is held meanwhile."""


@dataclass(eq=False)
class _Pass:
    """A pass that somebody goes through, found at `vector`. `flying`: behind which keys the pages are that may be under
    way to him; the last of them ends at `end`, behind which there is more, or not."""

    plan: cutting.Plan
    vector: dict[str, int]
    flying: deque[str | None] = field(default_factory=deque)
    end: str | None = None
    more: bool = True


class Serving:
    """Answers to who asks."""

    def __init__(self, desk: Desk, pulling: Pulling, draining: Draining) -> None:
        self._desk = desk
        self._pulling, self._draining = pulling, draining
        self._passes: dict[tuple[str, int, int], _Pass] = {}
        """Those of late, by peer, number and turn: what they go through is found once, not for each page."""

    def on_ask(self, peer: Peer, frame: Frame, ask: Ask) -> None:
        """Send the page that was asked for, and some behind it, and ask in turn for what is lacking here."""
        desk, state = self._desk, self._desk.replica.state
        joins = peer.welcomed != 0 and peer.welcomed == ask.number
        if state.copied or not (joins or desk.exchanges(peer, frame)):
            desk.counts["not served"] += 1
            return
        if not joins:
            self._draining.note(peer, ask.since)
            if not covers_all(state.vector, ask.since):
                self._pulling.pull(peer)
        since = cutting.since_for(desk.replica, ask.since, ask.full)
        full = ask.full or not since
        if ask.turn == 0 and ask.after is None and not full and not ask.whole:
            since = self._records(peer, since)
        if not (ask.head or full or ask.turn) and covers_all(since, state.vector) and ask.since == since:
            desk.send(peer, Even(ask.number))
            return
        with uncollected(_lacking(state.vector, since) * SOME_BYTES):
            for page in self._pages(peer, ask, since, full):
                desk.send(peer, page)

    def _records(self, peer: Peer, since: dict[str, int]) -> dict[str, int]:
        """Send the records that are lacking, if they are few and at hand: where the peer is with them."""
        desk = self._desk
        found = lacking_records(desk, since)
        if not found:
            return since
        batch: list[bytes] = []
        size = 0
        for data in found:
            batch.append(data)
            size += len(data)
            if size >= desk.settings.page_bytes:
                desk.send(peer, Push(tuple(batch)))
                batch, size = [], 0
        if batch:
            desk.send(peer, Push(tuple(batch)))
        return dict(desk.replica.state.vector)

    def _pages(self, peer: Peer, ask: Ask, since: dict[str, int], full: bool) -> Iterator[Page]:
        """From the one that was asked for on, unless it is on its way: up to `ahead` behind it."""
        if full != ask.full and (ask.turn or ask.after is not None):
            yield Page(ask.number, ask.turn, ask.after, full, True, {}, (), b"")  # it has to begin anew
            return
        p = self._pass(peer, ask, since, full)
        if ask.ahead and p.flying and ask.after is not None and ask.after < (p.flying[0] or ""):
            return  # he has that by now
        while p.flying and (p.flying[0] != ask.after or not ask.ahead or ask.after is None):
            p.flying.popleft()
        if not p.flying and (ask.after is None or ask.after != p.end):
            p.end, p.more = ask.after, True
        # (What comes behind the first page is cut when that is known to be taken: it must not be older.)
        for _ in range(1 if ask.after is None else _AT_ONCE):
            if not p.more or len(p.flying) > ask.ahead:
                return
            yield self._page(p, ask, since, full, self._desk.speaks(peer) >= BESIDE)

    def _page(self, p: _Pass, ask: Ask, since: dict[str, int], full: bool, beside: bool) -> Page:
        replica = self._desk.replica
        after: str | None = p.end
        began = dict(replica.state.vector) if after is None else {}
        keys, p.end, p.more = self._cut(p.plan, after)
        p.flying.append(after)
        if after is not None or p.more:
            return Page(ask.number, ask.turn, after, full, p.more, began, tuple(keys), b"")
        replica.speak()  # a pass of one page: cut at this one instant
        head = cutting.head(replica, since, full, ())
        place = _place(ask, head) if beside else 0
        if place:
            head = head._replace(since={}, to=apart(head.to, ask.since))
        return Page(ask.number, ask.turn, after, full, p.more, {}, tuple(keys), encode(head), place)

    def _pass(self, peer: Peer, ask: Ask, since: dict[str, int], full: bool) -> _Pass:
        at = (peer.name, ask.number, ask.turn)
        known, vector = self._passes.get(at), self._desk.replica.state.vector
        if known is not None and (ask.after is not None or known.vector == vector):
            return known
        whole = ask.turn == 0 and full
        plan = cutting.everything() if whole else cutting.changed(self._desk.replica, ask.base if ask.turn else since)
        self._passes.pop(at, None)
        while len(self._passes) >= _PASSES:
            del self._passes[next(iter(self._passes))]
        self._passes[at] = made = _Pass(plan, dict(vector), end=ask.after)
        return made

    def _cut(self, plan: cutting.Plan, after: str | None) -> tuple[list[bytes], str | None, bool]:
        """Packed keys up to the size of a page, the last of them, and whether there are more."""
        keys: list[bytes] = []
        size, last = 0, after
        for key, cells, packed in cutting.cut_packed(self._desk.replica, plan, after):
            if size >= self._desk.settings.page_bytes:
                return keys, last, True
            keys.append(packed)
            self._desk.counts["sent cells"] += cells
            size += len(packed)
            last = key
        return keys, last, False


def _place(ask: Ask, head: CatchUp) -> int:
    """Where it starts: at what was asked from, at its end, or elsewhere."""
    return 0 if head.full else 1 if head.since == ask.since else 2 if head.since == head.to else 0


def _lacking(vector: Vector, since: Vector) -> int:
    """How many transactions."""
    return sum(n - since.get(r, 0) for r, n in vector.items() if n > since.get(r, 0))


def lacking_records(desk: Desk, since: dict[str, int]) -> list[bytes]:
    """The records that lead from `since` to what is here, if they are few and all at hand; else none."""
    state, given = desk.replica.state, desk.settings
    lacking = _lacking(state.vector, since)
    if not 0 < lacking <= given.max_records:
        return []
    found: dict[Dot, bytes] = {}
    for dot, data in reversed(desk.replica.recent):
        origin, n = dot
        if since.get(origin, 0) < n <= state.vector.get(origin, 0):
            found[dot] = data
            if len(found) == lacking:
                return list(found.values())[::-1]
    return []
