"""Catch-ups, asked for: page by page, staged, taken whole.

Law of this room: one catch-up of a peer at a time; a page that was not asked for is passed
over; what does not come is asked for again, and given up in the end: the next probe begins anew.
"""

from __future__ import annotations

from collections.abc import Callable

from crdtkv.core.clocks import beside, covers_all
from crdtkv.core.uncollected import uncollected
from crdtkv.core.wire import CatchUp, decode
from crdtkv.errors import DigestMismatch, MessageInvalid, TooLarge
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.messages import Ask, Even, Frame, Page, Probe
from crdtkv.gossip.staging import Staged, Transfer, go_on, pile_up
from crdtkv.replica import exchange

__all__ = ["Pulling", "probe"]


def probe(desk: Desk, answer: bool, pull: bool = False, sent_ms: int | None = None) -> Probe:
    """What is here, in a few bytes."""
    state = desk.replica.state
    sent = desk.now_ms if sent_ms is None else sent_ms
    return Probe(desk.vector_hash(), state.floor, state.digest, answer, pull, sent, desk.lately())


_IN_VAIN = 3
"""Who was asked so often may not have been reached for long: with each time it is longer until the next."""


def _is_in_vain(t: Transfer) -> bool:
    return t.times >= _IN_VAIN and t.finish is None


class Pulling:
    """What is under way from each peer."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._under_way: dict[Peer, Transfer] = {}

    def busy(self, peer: Peer) -> bool:
        """Whether something is under way from that peer."""
        return peer in self._under_way

    def pull(
        self, peer: Peer, *, full: bool = False, whole: bool = False, head: bool = False, tell: bool = False,
        number: int = 0, finish: Callable[[CatchUp], bool] | None = None, namespace: str = "",
    ) -> None:  # fmt: skip
        """Ask a peer for all that is lacking here. `head`: also if that is nothing but announcements. `tell`: and then
        to ask us. `finish` takes it in, if it is special: the cells of that `namespace`, if it is a full join.

        Nothing is asked while something is under way from that peer, unless it is special, nor beyond `max_pulls`, nor
        while another is about to answer. Whoever was asked in vain is asked again where it is this peer, which is heard
        by now, and makes room where it is not.
        """
        desk, known = self._desk, self._under_way.get(peer)
        if finish is None and known is not None and _is_in_vain(known):
            known.times = _IN_VAIN - 1
            self._ask_again(peer, known)
            return
        if finish is None and not self.free(peer):
            desk.counts["not pulled"] += 1
            return
        for other in [p for p, t in self._under_way.items() if _is_in_vain(t) and not t.begun]:
            self.drop(other)
        since = {} if full else dict(desk.replica.state.vector)
        made = Transfer(
            number or desk.random.getrandbits(62), since, full, whole or finish is not None,
            head or tell or finish is not None, tell, finish, desk.now_ms,
        )  # fmt: skip
        if full and namespace:
            go_on(desk.replica.storage.pile, made, peer.id, namespace)
            desk.counts["joins gone on with"] += made.begun
        self._under_way[peer] = made
        self._ask(peer, made)

    def free(self, peer: Peer) -> bool:
        """Whether that peer may be asked something now. O(`max_pulls`)."""
        desk, known = self._desk, self._under_way.get(peer)
        if known is not None:
            return _is_in_vain(known)
        waited = [(p, t) for p, t in self._under_way.items() if t.begun or not _is_in_vain(t)]
        if len(waited) >= desk.settings.max_pulls:
            return False
        return all(desk.now_ms - t.asked_ms >= self._patience_ms(p, t) for p, t in waited)

    def _patience_ms(self, peer: Peer, t: Transfer) -> int:
        """For how long it is about to answer: twice as long as it took last, if that is known, and no page came yet."""
        given = self._desk.settings
        if t.begun or t.full or peer.delay_ms is None:
            return given.others_ms
        return min(given.others_ms, given.gap_ms + 2 * peer.delay_ms)

    def _ask(self, peer: Peer, t: Transfer) -> None:
        t.asked_ms = self._desk.now_ms
        ahead = self._desk.settings.pages_ahead if t.times == 1 else 0
        self._desk.send(peer, Ask(t.number, t.since, t.turn, t.base, t.after, t.full, t.whole, t.head, ahead))

    def _ask_again(self, peer: Peer, t: Transfer) -> None:
        """It may be long ago that it was asked: what has come since is not asked for. (What still comes of an answer to
        that is late: it started from elsewhere.)"""
        vector = self._desk.replica.state.vector
        if not t.begun and not t.full and t.finish is None and t.since != vector:
            t.number, t.since = self._desk.random.getrandbits(62), dict(vector)
            t.early.clear()
        self._ask(peer, t)

    def on_page(self, peer: Peer, frame: Frame, page: Page) -> None:
        """Stage it, and ask for the next; or take all of it. Raises what `exchange.absorb` does."""
        t, desk = self._under_way.get(peer), self._desk
        if t is not None and self._is_early(t, page):
            t.early[page.after] = frame, page
            return
        if (
            t is None or (page.number, page.turn, page.after) != (t.number, t.turn, t.after)
            or (t.full and not page.full and not t.begun)
        ):  # fmt: skip
            desk.counts["late page"] += 1
            return
        self._stage(peer, frame, page, t)
        if t.after in t.early and self._under_way.get(peer) is t:
            self.on_page(peer, *t.early.pop(t.after))

    def _is_early(self, t: Transfer, page: Page) -> bool:
        """Whether it overtook another."""
        if t.after is None or page.after is None or (page.number, page.turn) != (t.number, t.turn):
            return False
        return page.after > t.after and len(t.early) < self._desk.settings.pages_ahead

    def _stage(self, peer: Peer, frame: Frame, page: Page, t: Transfer) -> None:
        desk = self._desk
        if t.finish is None and not desk.exchanges(peer, frame):
            self.drop(peer)
            return
        if t.begun and (page.full, frame.sender, frame.namespace) != (t.full, t.sender, t.namespace):
            self._again(peer, t, full=page.full)  # what was sent so far starts from what is no more
            return
        if page.full and not t.full:
            t.full, t.since = True, {}
        if not t.begun and page.more:
            self._leave_others(t)
        t.begun, t.times, t.sender, t.namespace = True, 1, frame.sender, frame.namespace
        t.take(page)
        if t.staged > desk.settings.max_staged:
            self.drop(peer)
            raise TooLarge(f"a catch-up of more than {desk.settings.max_staged} bytes was not staged")
        if page.head:
            self.drop(peer)
            with uncollected(t.staged):
                self._take(peer, t, _head(t, page))
            return
        if t.full and t.finish is not None and page.keys:
            pile_up(desk.replica.storage.pile, t, page)
        self._ask(peer, t)

    def _leave_others(self, t: Transfer) -> None:
        """Much comes: what others were asked, and have not begun to answer, is mostly the same."""
        for other, its in list(self._under_way.items()):
            if its is not t and its.finish is None and not its.begun:
                self._desk.counts["left to another"] += 1
                self.drop(other)

    def on_even(self, peer: Peer, frame: Frame, even: Even) -> None:
        """Nothing is lacking here."""
        t = self._under_way.get(peer)
        if t is not None and t.number == even.number and not t.begun:
            self.drop(peer)

    def _again(self, peer: Peer, t: Transfer, full: bool = False, whole: bool = False) -> None:
        self.drop(peer)
        if t.finish is not None:
            self._desk.replica.storage.pile.clear()
        self.pull(
            peer, full=full or t.full, whole=whole, head=t.head, tell=t.tell,
            number=t.number if t.finish is not None else 0, finish=t.finish, namespace=t.namespace,
        )  # fmt: skip

    def _take(self, peer: Peer, t: Transfer, head: CatchUp) -> None:
        desk, replica = self._desk, self._desk.replica
        message = head._replace(keys=Staged(t.passes, head.floor.stamp, t.full))
        cells = sum(map(len, t.passes))
        if t.finish is not None:
            try:
                if t.finish(message):
                    desk.counts["absorbed keys"] += cells
            finally:
                replica.storage.pile.clear()  # also what cannot be taken: it must not come back
            return
        outcome = self._absorb(peer, message)
        desk.counts[f"catch-up {outcome.value}"] += 1
        if outcome is exchange.Outcome.unfit and not t.whole:
            self._again(peer, t, whole=True)  # the records that came with it were not taken
            return
        if outcome is exchange.Outcome.refused:
            peer.refused, peer.met = True, ""
        else:
            peer.greets = 0
        if outcome is exchange.Outcome.absorbed:
            desk.counts["absorbed keys"] += cells
        state = replica.state
        if state.vector == message.to and state.floor == head.floor.stamp:
            if state.digest == head.digest:
                peer.compared_ms, peer.differs_ms = desk.now_ms, None
            elif not t.tell:
                desk.send(peer, probe(desk, answer=True))  # its answer begins the repair
        if t.tell or not covers_all(head.to, state.vector):
            desk.send(peer, probe(desk, answer=not t.tell, pull=t.tell))

    def _absorb(self, peer: Peer, message: CatchUp) -> exchange.Outcome:
        """Raises DigestMismatch where it is not what its sender has. Then others are asked, who may have all of it; who
        had no better for `repair_ms` takes it as it is, and the two find the keys that differ.
        """
        desk, since_ms = self._desk, peer.differs_ms
        believed = since_ms is None or desk.now_ms - since_ms < desk.settings.repair_ms
        try:
            return exchange.absorb(desk.replica, message, believed)
        except DigestMismatch:
            peer.differs_ms = desk.now_ms if since_ms is None else since_ms
            for other in desk.met():
                if other is not peer and other.differs_ms is None:
                    self.pull(other)
            raise

    def drop(self, peer: Peer) -> None:
        """What is under way from a peer is given up."""
        self._under_way.pop(peer, None)

    def on_tick(self) -> None:
        """Ask again for what did not come; ask who sent records for what those wait for."""
        desk = self._desk
        for peer, t in list(self._under_way.items()):
            if desk.now_ms - t.asked_ms >= desk.settings.answer_ms << t.times - 1:
                t.times += 1
                if t.times > desk.settings.tries:
                    desk.counts["catch-up given up"] += 1
                    self.drop(peer)
                else:
                    self._ask_again(peer, t)
        for peer in desk.met() if desk.replica.waiting else ():
            if peer.waits is not None and desk.late(peer, peer.waits[0]):
                if peer.waits[1] not in desk.replica.waiting:
                    peer.waits = None
                elif self.free(peer):
                    peer.waits = None
                    self.pull(peer)


def _head(t: Transfer, page: Page) -> CatchUp:
    """What the last page says that all of it is. Raises MessageInvalid."""
    head = decode(page.head)
    if not isinstance(head, CatchUp) or head.keys or head.full != t.full or (page.beside and t.full):
        raise MessageInvalid("the last page of a catch-up has no head that goes with it")
    if not page.beside:
        return head
    to = beside(t.since, head.to)
    return head._replace(since=t.since if page.beside == 1 else to, to=to)
