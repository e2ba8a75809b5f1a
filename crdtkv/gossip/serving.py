"""What a peer lacks, given: records where they are at hand, catch-ups for the rest.

Law of this room: who asks says from where on; nothing is kept of it but what would be found again.
"""

from __future__ import annotations

from crdtkv.core.clocks import covers_all
from crdtkv.core.wire import encode, pack_key
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.messages import Ask, Even, Frame, Page, Push
from crdtkv.gossip.pulling import Pulling
from crdtkv.replica import cutting

__all__ = ["Serving", "lacking_records"]

_PLANS = 4


class Serving:
    """Answers to who asks."""

    def __init__(self, desk: Desk, pulling: Pulling) -> None:
        self._desk = desk
        self._pulling = pulling
        self._plans: dict[tuple[str, int, int], cutting.Plan] = {}
        """What passes of late go through, by peer, number and turn: found once, not for each page."""

    def on_ask(self, peer: Peer, frame: Frame, ask: Ask) -> None:
        """Send the page that was asked for, and ask in turn for what is lacking here."""
        desk, state = self._desk, self._desk.replica.state
        joins = peer.welcomed != 0 and peer.welcomed == ask.number
        if state.copied or not (joins or desk.exchanges(peer, frame)):
            desk.counts["not served"] += 1
            return
        if not joins and not covers_all(state.vector, ask.since):
            self._pulling.pull(peer)
        since = cutting.since_for(desk.replica, ask.since, ask.full)
        full = ask.full or not since
        if ask.turn == 0 and ask.after is None and not full and not ask.whole:
            since = self._records(peer, since)
        if not (ask.head or full or ask.turn) and covers_all(since, state.vector) and ask.since == since:
            desk.send(peer, Even(ask.number))
            return
        desk.send(peer, self._page(peer, ask, since, full))

    def _records(self, peer: Peer, since: dict[str, int]) -> dict[str, int]:
        """Send the records that are lacking, if they are few and at hand: where the peer is with them."""
        desk = self._desk
        found = lacking_records(desk, since)
        if not found:
            return since
        batch: list[bytes] = []
        for data in found:
            batch.append(data)
            if sum(map(len, batch)) >= desk.settings.page_bytes:
                desk.send(peer, Push(tuple(batch)))
                batch = []
        if batch:
            desk.send(peer, Push(tuple(batch)))
        return dict(desk.replica.state.vector)

    def _page(self, peer: Peer, ask: Ask, since: dict[str, int], full: bool) -> Page:
        replica = self._desk.replica
        if full != ask.full and (ask.turn or ask.after is not None):
            return Page(ask.number, ask.turn, ask.after, full, True, {}, (), b"")  # it has to begin anew
        plan = self._plan(peer, ask, since, full)
        began = dict(replica.state.vector) if ask.after is None else {}
        keys, more = self._cut(plan, ask.after)
        head = b""
        if ask.after is None and not more:  # a pass of one page: cut at this one instant
            replica.speak()
            head = encode(cutting.head(replica, since, full, ()))
        return Page(ask.number, ask.turn, ask.after, full, more, began, tuple(keys), head)

    def _plan(self, peer: Peer, ask: Ask, since: dict[str, int], full: bool) -> cutting.Plan:
        if ask.turn == 0 and full:
            return cutting.everything()
        at = (peer.name, ask.number, ask.turn)
        if ask.after is not None and at in self._plans:
            return self._plans[at]
        plan = cutting.changed(self._desk.replica, ask.base if ask.turn else since)
        while len(self._plans) >= _PLANS:
            del self._plans[next(iter(self._plans))]
        self._plans[at] = plan
        return plan

    def _cut(self, plan: cutting.Plan, after: str | None) -> tuple[list[bytes], bool]:
        """Packed keys up to the size of a page, and whether there are more."""
        keys: list[bytes] = []
        size = 0
        for found in cutting.cut(self._desk.replica, plan, after):
            if size >= self._desk.settings.page_bytes:
                return keys, True
            keys.append(pack_key(found))
            self._desk.counts["sent cells"] += len(found.cells)
            size += len(keys[-1])
        return keys, False


def lacking_records(desk: Desk, since: dict[str, int]) -> list[bytes]:
    """The records that lead from `since` to what is here, if they are few and all at hand; else none."""
    state, given = desk.replica.state, desk.settings
    lacking = sum(n - since.get(r, 0) for r, n in state.vector.items() if n > since.get(r, 0))
    if not 0 < lacking <= given.max_records:
        return []
    at, found = dict(since), []
    for record, data in desk.replica.recent:
        origin, n = record.dot
        if n == at.get(origin, 0) + 1 and n <= state.vector.get(origin, 0):
            at[origin] = n
            found.append(data)
    return found if len(found) == lacking else []
