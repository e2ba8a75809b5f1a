"""Who is who: two replicas greet, and mend what is wrong between them before anything is exchanged.

Each decides for itself what it has to do, by its own state and the portrait that the other
sent in answer to its own hello; who has to come back asks the other to be its sponsor, and
that one looks again. Every step may be lost or doubled: it is asked for again, and an id is
admitted once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from crdtkv.core.clocks import covers
from crdtkv.core.views import Ancestor, Portrait, accepts, colo_of
from crdtkv.core.wire import CatchUp, Record, decode
from crdtkv.errors import BadRequest, ChainBroken, DigestMismatch, NotAMember
from crdtkv.gossip.desk import Desk, Peer
from crdtkv.gossip.draining import Draining
from crdtkv.gossip.messages import Frame, Hello, Join, Later, Welcome
from crdtkv.gossip.pulling import Pulling
from crdtkv.gossip.staging import sender_of
from crdtkv.replica import life, members
from crdtkv.replica.core import Replica

__all__ = ["Meeting", "Step", "check_lives", "comes_in", "first_to_join", "step"]


class Step(Enum):
    """What a replica has to do about another."""

    exchange = "exchange"
    renew = "renew"
    join = "join"
    wait = "wait"
    fork = "fork"


def step(replica: Replica, theirs: Portrait) -> Step:
    """What this replica has to do about one with that portrait. Raises ChainBroken, BadRequest."""
    mine = members.portrait(replica)
    check_lives(mine, theirs)
    if mine.copied or life.is_old_copy(replica, theirs):
        return Step.renew
    if theirs.copied or (mine.namespace != theirs.namespace and (mine.left or theirs.left)):
        return Step.wait  # nobody comes in through one that has left, nor does that one any more
    if comes_in(mine, theirs):
        return Step.join
    if comes_in(theirs, mine):
        return Step.wait
    if not accepts(mine.view, theirs.view) and not accepts(theirs.view, mine.view):
        return Step.fork
    return Step.exchange


def check_lives(a: Portrait, b: Portrait) -> None:
    """Two stores that live under one id or colo, or hold different records of one dot, must not be mixed."""
    if a.id == b.id:
        raise ChainBroken(
            f"two stores are open as {a.id}; one is a copy: close it, and open it where it lies now",
            next_step="close the copy; opened again it knows that it is one",
        )
    if colo_of(a.id) == colo_of(b.id):
        # Each would make the other leave, by turns: of one colo the store that joined last is the member.
        raise BadRequest(
            f"{a.id} and {b.id} are stores of one colo, open at once; close one, and wipe it or open it "
            "under another colo's name"
        )
    for origin, n in a.vector.items():
        known = (a.chains.get(origin), b.chains.get(origin))
        third = origin not in (a.id, b.id) and n == b.vector.get(origin)
        if third and None not in known and known[0] != known[1]:
            raise ChainBroken(
                f"{origin}.{n} is one record at {a.id} and another at {b.id}; one is a copy: wipe it",
                next_step="wipe the store that is the copy, and let it join anew",
            )


def first_to_join(one: Portrait, other: Portrait) -> bool:
    """Of two namespaces that become one, whether it is `one` that joins: the copy that has gone on by itself does,
    else the one with fewer writes. Both find the same."""
    behind = life.is_behind(one, other), life.is_behind(other, one)
    return behind[0] if behind[0] != behind[1] else _is_less(one, other)


def comes_in(one: Portrait, other: Portrait) -> bool:
    """Whether it is `one` that joins, or comes back, through the other. Never both of two."""
    if one.namespace != other.namespace:
        return first_to_join(one, other)
    return members.yields(one, other) and (not members.yields(other, one) or _is_less(one, other))


def _is_less(one: Portrait, other: Portrait) -> bool:
    return (sum(one.vector.values()), one.id) < (sum(other.vector.values()), other.id)


@dataclass(eq=False)
class _Joining:
    """We asked `peer` to make us a member as `new`. `adopt`: what we hold stays as it is."""

    peer: Peer
    sponsor: str
    namespace: str
    number: int
    new: str
    adopt: bool
    copy: bool
    shared: int | None
    asked_ms: int
    times: int = 0
    ancestry: list[Ancestor] = field(default_factory=list)
    record: bytes = b""


class Meeting:
    """Hellos, and joining through a sponsor."""

    def __init__(self, desk: Desk, pulling: Pulling, draining: Draining) -> None:
        self._desk = desk
        self._pulling, self._draining = pulling, draining
        self._joining: _Joining | None = None
        self._began_ms: int | None = None
        self._looked_ms = -(1 << 62)
        self._half_from = sender_of(desk.replica.storage.pile)
        """Who sent what is here of a full join that was cut off: the rest can come from it alone."""
        self._mistaken: set[str] = set()
        """Sponsors who did not send what they said that they have."""
        self._tried: list[str] = []  # ids that a sponsor may have admitted and that we never took

    # hellos

    def greet(self, peer: Peer) -> None:
        """Say who we are, and ask who that is."""
        desk = self._desk
        peer.nonce = _nonce(desk)
        peer.greeted_ms = desk.now_ms
        peer.greets += 1
        desk.send(peer, Hello(peer.nonce, 0, members.portrait(desk.replica)))

    def greet_again(self, peer: Peer) -> None:
        """As `greet`, unless that was done just now."""
        if self._may_greet(peer):
            self.greet(peer)

    def _may_greet(self, peer: Peer) -> bool:
        if peer.greeted_ms is None:
            return True
        given, now_ms = self._desk.settings, self._desk.now_ms
        wait = given.greet_ms
        gone = peer.heard_ms is None or now_ms - peer.heard_ms > given.answer_ms
        if gone or peer.refused or peer.error is not None:
            most = given.greet_most_ms if gone else given.answer_ms * given.tries
            wait = min(wait << min(max(peer.greets - 1, 0), 16), most)
        return now_ms - peer.greeted_ms >= wait

    def on_hello(self, peer: Peer, frame: Frame, hello: Hello) -> None:
        """Answer one that begins, and the first answer; decide by one that answers ours. No old answer is answered."""
        desk = self._desk
        if hello.portrait.id != frame.sender:
            raise BadRequest(f"{frame.sender} sent the portrait of {hello.portrait.id}")
        answer = hello.answers != 0
        if answer and hello.answers != peer.nonce:
            desk.counts["late hello"] += 1
            return
        if peer.id != frame.sender:
            peer.id, peer.met = frame.sender, ""
        peer.leaving = False
        peer.theirs = hello.nonce
        self._draining.note(peer, hello.portrait.vector)
        last = answer and hello.nonce == peer.answered
        if not last:
            peer.nonce = peer.nonce or _nonce(desk)
            peer.answered = hello.nonce
            desk.send(peer, Hello(peer.nonce, hello.nonce, members.portrait(desk.replica)))
        if answer:
            peer.settled, peer.nonce = peer.nonce, 0
            self._decide(peer, hello.portrait, last)

    def _decide(self, peer: Peer, theirs: Portrait, last: bool) -> None:
        """`last`: the other has decided already."""
        replica = self._desk.replica
        peer.met, peer.refused, peer.error = "", False, None
        if self._joining is not None and self._joining.peer is not peer:
            return  # one at a time
        found = step(replica, theirs)
        if found is Step.exchange:
            self._exchange(peer, last)
        elif found is Step.join:
            if self._half_from in ("", theirs.id) or self._has_waited():
                self._join(peer, theirs)
        elif found is Step.renew:
            self._renew(peer, theirs)
        elif found is Step.fork:
            self._fork(peer, theirs)
        if found in (Step.exchange, Step.wait):
            self._end(peer)

    def _has_waited(self) -> bool:
        """Whether there was time enough for the one that may send the rest to be met."""
        desk = self._desk
        return self._began_ms is not None and desk.now_ms - self._began_ms >= desk.settings.answer_ms * 2

    def _exchange(self, peer: Peer, last: bool) -> None:
        members.forget_forks(self._desk.replica, peer.id)
        peer.met, peer.doubted = self._desk.replica.state.id, ""
        if last:  # who has decided last begins; then the other is told that it may
            self._pulling.pull(peer, tell=True)

    def _fork(self, peer: Peer, theirs: Portrait) -> None:
        """Neither yields: that is remembered. But one whose successor is known here may be about to be that one: it has
        to say once more that it is who it was."""
        peer.refused = True
        vector = self._desk.replica.state.vector
        seated = any(colo_of(m) == colo_of(theirs.id) for m in members.members(self._desk.replica))
        known = any(covers(vector, joined) for _, joined in theirs.view.ancestry[:1])
        if not (seated and known) or peer.doubted == theirs.id:
            members.remember_fork(self._desk.replica, theirs)
        peer.doubted = theirs.id

    # joining and coming back

    def _end(self, peer: Peer) -> None:
        """There is no need any more to join through `peer`."""
        if self._joining is not None and self._joining.peer is peer:
            self._give_up()

    def drop(self, peer: Peer) -> None:
        """It is spoken to no more: who was about to join through it does so through another."""
        self._end(peer)

    def _give_up(self) -> None:
        assert self._joining is not None
        self._tried = [*self._tried[-7:], self._joining.new]
        self._joining = None

    def _renew(self, peer: Peer, theirs: Portrait) -> None:
        """A restored copy takes a new name, in place if its members still count it; it mints nothing of its past anew.

        One that nothing gave away before it met somebody may have minted: that is taken back,
        and minted anew under the new name.
        """
        replica = self._desk.replica
        state = replica.state
        if not theirs.live or state.namespace != theirs.namespace:
            raise NotAMember(f"{theirs.id} is no member of what {state.id} is a copy of; sync with one that is")
        shared = replica.opened.get(state.id, 0)
        if not state.copied and state.vector.get(state.id, 0) > shared:
            self._join(peer, theirs, copy=True, shared=shared)
            return
        if not state.copied:
            with replica.transaction():
                replica.state.copied = True
        mine = members.portrait(replica)
        agree = accepts(mine.view, theirs.view) and accepts(theirs.view, mine.view)
        self._join(peer, theirs, copy=True, adopt=agree)

    def _join(
        self, peer: Peer, theirs: Portrait, copy: bool = False, adopt: bool = False, shared: int | None = None
    ) -> None:  # fmt: skip
        desk, joining = self._desk, self._joining
        state = desk.replica.state
        if joining is None or joining.sponsor != theirs.id or (joining.adopt, joining.copy) != (adopt, copy):
            if joining is not None:
                self._give_up()
            new = f"{colo_of(state.id)}~{desk.replica.token()}"
            self._joining = _Joining(
                peer, theirs.id, theirs.namespace, _nonce(desk), new, adopt, copy, shared, desk.now_ms
            )
        self._ask()

    def _ask(self) -> None:
        desk, joining = self._desk, self._joining
        assert joining is not None
        state = desk.replica.state
        same = state.namespace == joining.namespace
        old = (*state.lineage, *self._tried) if same else ()
        joining.asked_ms = desk.now_ms
        mine = members.portrait(desk.replica)
        desk.send(joining.peer, Join(joining.number, joining.peer.theirs, joining.new, old, joining.copy, mine))

    def on_join(self, peer: Peer, frame: Frame, join: Join) -> None:
        """Be its sponsor, if it has to come back through us. Raises NotAMember."""
        desk, replica = self._desk, self._desk.replica
        theirs, mine = join.portrait, members.portrait(desk.replica)
        if join.answers not in (peer.settled, peer.nonce) or join.answers == 0 or theirs.id != frame.sender:
            self.greet_again(peer)  # an old one, or one for who we were before
            return
        check_lives(mine, theirs)
        if peer.welcomed != join.number and not join.copy and not comes_in(theirs, mine):
            self.greet_again(peer)
            return
        if self._joining is not None:
            if self._joining.peer is not peer:
                desk.send(peer, Later(join.number))
                return
            self._give_up()
        if colo_of(join.new) != colo_of(theirs.id):
            raise BadRequest(f"{theirs.id} asks to join as {join.new}, of another colo")
        ancestry = life.admit(replica, join.new, join.old)
        peer.welcomed = join.number
        made = next((data for dot, data in replica.recent if dot == ancestry[0][1]), b"")
        desk.send(peer, Welcome(join.number, join.new, tuple(ancestry), made))

    def on_later(self, peer: Peer, frame: Frame, later: Later) -> None:
        """It is about to be somebody else: whoever answers next may be our sponsor."""
        joining = self._joining
        if joining is not None and joining.number == later.number and not joining.ancestry:
            self._give_up()

    def on_welcome(self, peer: Peer, frame: Frame, welcome: Welcome) -> None:
        """We are a member there: take what there is, and with it the new id."""
        joining = self._joining
        if (
            joining is None or joining.peer is not peer or frame.sender != joining.sponsor
            or (welcome.number, welcome.new) != (joining.number, joining.new) or joining.ancestry
        ):  # fmt: skip
            self._desk.counts["late welcome"] += 1
            return
        joining.ancestry, joining.record = list(welcome.ancestry), welcome.record
        self._pulling.pull(
            peer, full=not joining.adopt, number=joining.number, finish=self._finish, namespace=joining.namespace
        )

    def _finish(self, message: CatchUp) -> bool:
        """The whole of it is here, under what the sponsor knew: whole or not at all."""
        joining, replica = self._joining, self._desk.replica
        if (
            joining is None or not joining.ancestry or message.lineage[-1] != joining.sponsor
            or not covers(message.to, joining.ancestry[0][1])
        ):  # fmt: skip
            return False
        believed = joining.sponsor not in self._mistaken
        try:
            if joining.adopt:
                life.adopt(replica, joining.ancestry, message, believed)
            else:
                life.return_to(replica, joining.ancestry, joining.namespace, message, joining.shared, believed)
        except DigestMismatch:
            self._mistaken.add(joining.sponsor)  # the next time it is taken as it is: the two then find what differs
            raise
        self._joining, self._tried = None, []
        self._desk.counts["joined"] += 1
        if joining.record:
            # So that a third colo, told by us, learns of it from the sponsor's own words.
            record = decode(joining.record)
            if isinstance(record, Record):
                replica.recent.append((record.dot, joining.record))
        self.renamed(joining.peer)
        return True

    def renamed(self, first: Peer | None = None) -> None:
        """We are somebody else now: all have to be met anew."""
        for peer in self._desk.peers.values():
            peer.greeted_ms, peer.greets, peer.met = None, 0, ""
        if first is not None:
            self.greet(first)

    # time

    def on_tick(self) -> None:
        """Ask again what was not answered; greet who was not met."""
        desk, joining = self._desk, self._joining
        self._began_ms = desk.now_ms if self._began_ms is None else self._began_ms
        if joining is not None and joining.ancestry:
            if not self._pulling.busy(joining.peer):
                self._give_up()
        elif joining is not None and desk.now_ms - joining.asked_ms >= desk.settings.answer_ms << joining.times:
            joining.times += 1
            if joining.times > desk.settings.tries:
                self._give_up()
            else:
                self._ask()
        if desk.now_ms - self._looked_ms < desk.settings.greet_ms // 4:
            return
        self._looked_ms = desk.now_ms
        id = desk.replica.state.id
        apart = [p for p in desk.peers.values() if p.leaving or p.met != id]
        for peer in apart:
            if peer.leaving and desk.now_ms - (peer.heard_ms or 0) >= desk.settings.answer_ms:
                peer.leaving, peer.met = False, ""  # it has gone: it may be back, and not reach us
        strangers = [p for p in apart if not p.leaving]
        for peer in [p for p in strangers if self._may_greet(p)][:_GREETED_AT_ONCE]:
            self.greet(peer)

    @property
    def joining(self) -> str:
        """Through whom we are about to join; empty if we are not."""
        return self._joining.sponsor if self._joining is not None else ""


_GREETED_AT_ONCE = 8


def _nonce(desk: Desk) -> int:
    return desk.random.getrandbits(62) + 1
