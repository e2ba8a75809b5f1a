"""The protocol between colos: who has met, who comes in, what a catch-up in pages is, what is told and mended."""

from __future__ import annotations

from random import Random

from xxhash import xxh32_digest

from crdtkv.core import bundles
from crdtkv.core.cells import Sibling
from crdtkv.core.clocks import make_stamp
from crdtkv.core.wire import KeyCells, chain, pack_key
from crdtkv.core.wire import decode as decode_record
from crdtkv.core.wire import encode as encode_record
from crdtkv.errors import CrdtkvError, MessageInvalid
from crdtkv.gossip import Settings, hearing, pulling, staging
from crdtkv.gossip.announcing import Announcing
from crdtkv.gossip.desk import Desk
from crdtkv.gossip.glancing import Glancing
from crdtkv.gossip.hearing import Hearing
from crdtkv.gossip.meeting import Meeting
from crdtkv.gossip.messages import Ask, Hello, Message, Page, Push, decode
from crdtkv.gossip.probing import Probing
from crdtkv.gossip.pulling import Pulling, probe
from crdtkv.gossip.pushing import Pushing
from crdtkv.gossip.repair import Repairing
from crdtkv.gossip.serving import Serving
from crdtkv.replica import life
from crdtkv.replica.purge import purge_to
from tests.colos import Colos, limited, record, shows
from tests.gossip.net import Net
from tests.guards.mutation import Both, Line, guards


def heard_by(net: Net, *kinds: type) -> list[tuple[str, str, bytes, Message]]:
    """Each message of these kinds, as it is sent from now on: sender, to whom, bytes, what it says."""
    sent: list[tuple[str, str, bytes, Message]] = []
    send = net.send

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        message = decode(data).message
        if isinstance(message, kinds):
            sent.append((sender, to, data, message))
        send(sender, to, data, late_ms)

    net.send = spy  # type: ignore[method-assign]
    return sent


def apart(settings: Settings, names: str = "ab") -> Net:
    """a has written much that the others lack; a message takes a while."""
    net = Net(names, settings=settings, delay_ms=100)
    net.until_one()
    net.cut = {(one, other) for one in names for other in names}
    for n in range(30):
        net["a"].put(f"k{n:02}", {"n": n, "text": "x" * 20})
    net.committed("a")
    return net


SMALL = Settings(page_bytes=100, max_records=0, pages_ahead=0)
AHEAD = Settings(page_bytes=100, max_records=0)


@guards(
    "An old answer decides nothing.",
    Line(Meeting.on_hello, "if answer and hello.answers != peer.nonce:", "if False:"),
)
def what_somebody_was_long_ago_is_not_acted_on() -> None:
    """b's answer of before it was evicted and came back arrives at a once more."""
    net = Net("ab")
    sent = heard_by(net, Hello)
    net.until_one()
    old = [data for sender, _, data, message in sent if sender == "b" and message.answers]  # type: ignore[union-attr]
    name = net["b"].id
    net["a"].evict("b")
    net.until_one()
    assert net["b"].id != name
    for data in old:
        net.nodes["a"].gossip.on_message("b", data, net.now_ms, Random(0))
    assert [p.met for p in net.nodes["a"].gossip.status()] == [True]


@guards(
    "Who greets after a goodbye is back.",
    Line(Meeting.on_hello, "peer.leaving = False", "pass"),
)
def a_hello_after_a_goodbye() -> None:
    """b stopped and was soon here again: a counts on it."""
    net = Net("ab")
    net.until_one()
    goodbye = net.nodes["b"].gossip.goodbye(net.now_ms)
    net.nodes["b"].stop()
    for send in goodbye:
        net.nodes["a"].gossip.on_message("b", send.data, net.now_ms, Random(0))
    assert net.nodes["a"].gossip._desk.peers["b"].leaving
    net.nodes["b"].start()
    net.run(1_000)
    assert not net.nodes["a"].gossip._desk.peers["b"].leaving


@guards(
    "Nothing is exchanged before two replicas have met under the ids that they have now.",
    Line(Desk.exchanges, "peer.met == state.id and", ""),
)
def who_was_not_met_is_not_heard() -> None:
    """b restarted: it does not know yet whether it is a copy, so it takes nothing from a."""
    net = Net("ab")
    net.until_one()
    sent = heard_by(net, Push)
    net["a"].put("k", 1)
    net.nodes["b"].stop()
    net.committed("a")
    net.nodes["b"].start()
    net.nodes["b"].gossip._desk.peer("a").id = net["a"].id  # type: ignore[union-attr]
    net.nodes["b"].gossip.on_message("a", sent[-1][2], net.now_ms, Random(0))
    assert "k" not in net["b"]
    net.until_one()
    assert dict(net["b"]) == {"k": 1}


@guards(
    "An id is admitted once, however often that is asked",
    Line(life.admit, "if dot is None or not members.is_member(replica, new):", "if True:"),
)
def who_asks_twice_is_admitted_once() -> None:
    """Its sponsor's answer was lost."""
    net = Net("a")
    kv = net["a"]
    first = life.admit(kv._replica, "b~aaaa", ())
    vector = kv.vector
    try:
        assert life.admit(kv._replica, "b~aaaa", ()) == first
    except CrdtkvError as error:
        raise AssertionError(error) from error
    assert kv.vector == vector


@guards(
    "And once its colo exchanges with us again it is over.",
    Line(Meeting._exchange, "members.forget_forks(self._desk.replica, peer.id)", "pass"),
)
def a_conflict_with_who_was_about_to_come_back_is_over() -> None:
    """a remembers a conflict with who b was, when b's successor was known already."""
    net = Net("ab")
    net.until_one()
    replica = net["a"]._replica
    with replica.transaction():
        replica.state.forks = [
            {"peer": "b~gone", "seat": net["b"].id, "links": ["a~x.1", "b~gone.9"], "theirs": ["b~gone.9"]}
        ]
    assert net["a"].forks
    net.nodes["a"].stop()
    net.nodes["a"].start()
    net.run(2_000)
    assert net["a"].forks == []


@guards(
    "not to one whom others bring the same one's sooner",
    Line(Pushing._was_late, "tree.spared[peer.name] = now_ms + given.prune_ms", "return"),
    Line(Pushing._pass_on, "spared.get((record.dot[0], peer.name), 0) <= now_ms", "True"),
    Line(Pushing._was_late, "peer.name in tree.keepers or", ""),
    Line(Pushing._was_late, "if len(tree.keepers) < given.sources:", "if False:"),
)
def who_is_sent_what_it_knows_is_spared() -> None:
    """All get all, at once, and some two copies of it: nothing has to be asked for."""
    net = Net("abcdefgh", settings=Settings(all_peers=2, fan=14, shuffle_ms=100_000))
    net.until_one()
    net.run(3_000)
    for n in range(10):
        net["a"].put("k", n)
        net.committed("a")
        net.run(500)
    pushed, asked = heard_by(net, Push), heard_by(net, Ask)
    for n in range(20):
        net["a"].put("k", n)
        net.committed("a")
        assert all(dict(net[name]) == {"k": n} for name in net.names)
        net.run(500)
    assert 2 * 7 * 20 - 40 <= len(pushed) < 3 * 7 * 20 and not asked


def _cut_off_from_those_who_bring() -> Net:
    """Eight who are many, each with a tree of its own: h does not hear those who bring it what a mints, nor a."""
    net = Net("abcdefgh", settings=Settings(all_peers=2, fan=14, shuffle_ms=100_000))
    net.until_one()
    net.run(3_000)
    for n in range(10):
        net["a"].put("k", n)
        net.committed("a")
        net.run(500)
    tree = net.nodes["h"].gossip._pushing._trees[net["a"].id]
    net.cut = {(name, "h") for name in (*tree.keepers, "a")}
    return net


@guards(
    "and who has missed something that was pushed takes that back",
    Both(
        Line(Pushing._look, "self._miss(origin, tree)", "pass"),
        Line(Pushing._was_first, "self._asked.setdefault(peer.name, {})[origin] = False", "pass"),
    ),
    Line(Pushing.on_prune, "spared.pop((origin, peer.name), None)", "pass"),
)
def who_lost_those_who_bring_it_is_brought_it_by_others() -> None:
    """The two who brought h what a mints are cut off; the first record is missed, and others bring it the next."""
    net = _cut_off_from_those_who_bring()
    net["a"].put("k", "missed")
    net.committed("a")
    net.run(5_000)
    net["a"].put("k", "brought")
    net.committed("a")
    assert dict(net["h"]) == {"k": "brought"}


@guards(
    "and what did not come is asked for by its dot",
    Line(Pushing._pass_on, "self._announcing.offer(peer, record.dot)", "pass"),
    Line(Announcing._note, "known.told.append(peer)", "pass"),
    Line(Announcing._ask, "wants[peer].append(dot)", "pass"),
    Line(Announcing.found, "if dot in wanted:", "if False:"),
)
def what_was_told_of_and_did_not_come_is_asked_for() -> None:
    """Of those who bring h what a mints none does; nothing else is said, but by who was spared."""
    net = _cut_off_from_those_who_bring()
    asked = heard_by(net, Ask)
    net["a"].put("k", "missed")
    net.committed("a")
    net.run(400)
    assert dict(net["h"]) == {"k": "missed"} and not asked


@guards(
    "that one is asked for all that is lacking",
    Line(Announcing.waits, "self._note((replica, each), peer)", "pass"),
)
def what_a_record_builds_on_is_asked_for_by_its_dot() -> None:
    """Of many: before who brought it is asked for all that is lacking."""
    net = Net("abcdefgh", settings=Settings(all_peers=2, fan=14, shuffle_ms=100_000))
    net.until_one()
    net.run(3_000)
    net.cut = {(name, "h") for name in "abcdefg"}
    net["a"].put("k", 1)
    net.committed("a")
    net.cut = set()
    asked = heard_by(net, Ask)
    net["a"].put("k", 2)
    net.committed("a")
    net.run(200)
    assert dict(net["h"]) == {"k": 2} and not asked


@guards(
    "A record that waits for what it builds on for 50 ms more than the way to its sender and back takes: "
    "that one is asked for all that is lacking.",
    Line(Pushing._wait, "peer.waits = desk.now_ms + first_ms, record.dot", "pass"),
)
def a_gap_is_asked_for_soon() -> None:
    net = Net("ab", settings=Settings(probe_ms=60_000, heard_ms=60_000))
    net.until_one()
    net.cut = {("a", "b")}
    net["a"].put("k", 1)
    net.committed("a")
    net.cut = set()
    net["a"].put("k", 2)
    net.committed("a")
    net.run(200)
    assert dict(net["b"]) == {"k": 2}


@guards(
    "Whoever was asked in vain is asked again where it is this peer, which is heard by now, and makes room where it is "
    "not.",
    Both(
        Line(Pulling.pull, "if finish is None and known is not None and _is_in_vain(known):", "if False:"),
        Line(Pulling.free, "return _is_in_vain(known)", "return False"),
    ),
    Line(Pulling.free, "if t.begun or not _is_in_vain(t)", ""),
)
def who_was_asked_in_vain_keeps_nobody_from_being_asked() -> None:
    """Cut off with as many questions under way as may be, each asked less and less often: whoever is heard is asked."""
    for heard in "bf":  # one that was asked, and one that was not
        net = Net("abcdef", settings=Settings(heard_ms=10**9))
        net.run(5_000)
        node = net.nodes["a"]
        net.cut = {pair for other in "bcdef" for pair in (("a", other), (other, "a"))}
        for asked in "bcde":
            net._post(node, node.gossip.pull(asked, net.now_ms, net.dice))
            net.run(600)
        net[heard].put("k", 1)
        net.run(12_600)
        net.cut = {pair for pair in net.cut if heard not in pair}
        net.run(4_000)
        assert dict(net["a"]) == {"k": 1}, heard


@guards(
    "Who has another asks for what it lacks: records where they are few and at hand, else a catch-up.",
    Line(Probing.on_probe, "if theirs.vector != desk.vector_hash():", "if False:"),
    Line(Serving._records, "desk.send(peer, Push(tuple(batch)))\n    return", "pass\n    return"),
)
def what_was_lost_without_a_trace_comes_within_seconds() -> None:
    net = Net("ab", settings=Settings(heard_ms=60_000))
    net.until_one()
    net.cut = {("a", "b")}
    net["a"].put("k", 1)
    net["a"].put("k", 2)
    net.committed("a")
    net.cut = set()
    net.run(4_000)
    assert dict(net["b"]) == {"k": 2} and len(net["b"].history("k")) == 2


@guards(
    "what is stable there is stable here: it is purged, if that leaves what the digest says.",
    Line(Probing._purge_along, "if replica.state.digest != theirs.digest:", "if False:"),
    Line(Probing._purge_along, "purge_to(replica, theirs.floor)", "pass"),
)
def a_floor_that_moved_is_followed_by_who_has_the_same() -> None:
    net = Net("ab")
    net.until_one()
    net["a"].put("k", 1)
    net["a"].delete("k")
    net.until_one()
    net.run(3_000)
    one, other = net["a"]._replica, net["b"]._replica
    asked = heard_by(net, Ask)
    with one.transaction():
        purge_to(one, one.state.clock)
        one.state.digest ^= 1
    desk, probing = net.nodes["b"].gossip._desk, net.nodes["b"].gossip._probing
    told = probe(net.nodes["a"].gossip._desk, answer=False)
    desk.begin(desk.now_ms, Random(0))
    before = other.state.floor
    probing._purge_along(desk.peers["a"], told)
    assert other.state.floor == before
    one.state.digest ^= 1
    desk.taken()
    net.nodes["b"].gossip._pulling.drop(desk.peers["a"])
    net.run(3_000)
    assert other.state.floor == one.state.floor and not asked


@guards(
    "a page that was not asked for is passed over",
    Line(Pulling.on_page, "(page.number, page.turn, page.after) != (t.number, t.turn, t.after)", "False"),
)
def a_page_that_comes_twice_is_taken_once() -> None:
    net = apart(SMALL)
    net.cut, net.double = set(), 1.0
    net.until_one(8_000)
    net.check()


@guards(
    "What comes behind the first page is cut when that is known to be taken: it must not be older.",
    Line(Serving._pages, "1 if ask.after is None else _AT_ONCE", "_AT_ONCE"),
)
def nothing_goes_ahead_of_the_first_page() -> None:
    """It is lost; what was cut with it is older than the one that comes in its place."""
    net = apart(AHEAD)
    sent, send = [], net.send

    def spy(sender: str, to: str, data: bytes, late_ms: int = 0) -> None:
        message = decode(data).message
        if isinstance(message, Page):
            sent.append(message.after)
        if not (isinstance(message, Page) and message.after is None and message.more and sent.count(None) == 1):
            send(sender, to, data, late_ms)

    net.send = spy  # type: ignore[method-assign]
    net.cut = set()
    while sent.count(None) < 2:
        net.run(50)
    assert sent == [None, None]
    net.until_one()
    net.check()


@guards(
    "It all has to be of one replica under one id, whose vector never goes back",
    Line(
        Pulling._stage, "(page.full, frame.sender, frame.namespace) != (t.full, t.sender, t.namespace)", "page.full != t.full"
    ),
)
def a_sender_that_comes_back_as_somebody_else_begins_anew() -> None:
    """b has half of what a wrote when a, whom c had evicted, comes back through c, where nothing of that is known."""
    net = apart(SMALL, "abc")
    net["c"].evict("a")
    net.cut = {("b", "c"), ("c", "b"), ("a", "c"), ("c", "a")}
    net.run(2_000)
    assert "k00" not in net["b"]
    name = net["a"].id
    net.cut = {("b", "c"), ("c", "b"), ("b", "a")}
    while net["a"].id == name:
        net.run(50)
    net.cut = set()
    net.until_one(120_000)
    net.check()
    assert not net.nodes["b"].gossip.counts["refused digest-mismatch"]


@guards(
    "of a key that was sent again, what would go along and was not sent is gone",
    Line(staging.laid_over, "del cells[path]", "pass"),
)
def what_went_between_two_passes_does_not_come_back() -> None:
    """A container's mark is sent again; what was below it is not."""
    mark, leaf = Sibling(("a~1", 1), 1, b"\xc1{"), Sibling(("a~1", 1), 1, b"\x01")
    earlier = KeyCells("k", {"a~1": 1}, ((b"sjson\0", (mark,)), (b"sjson\0mx\0", (leaf,))))
    again = Sibling(("a~1", 2), 2, b"\xc1{", (("a~1", 1),))
    later = KeyCells("k", {"a~1": 2}, ((b"sjson\0", (again,)),))
    assert dict(staging.laid_over(earlier, later).cells) == {b"sjson\0": (again,)}


@guards(
    "in a full join what its floor has since dropped is dropped",
    Line(staging.Staged.__iter__, "yield _forgotten(made, self._floor) if self._full else made", "yield made"),
)
def what_was_forgotten_between_two_passes_is_not_sent() -> None:
    gone = Sibling(("a~1", 1), 5, None)
    tombstone = KeyCells("k", {"a~1": 1}, ((b"slww\0", (gone,)),))
    other = KeyCells("z", {"a~1": 2}, ((b"slww\0", (Sibling(("a~1", 2), 9, b"\x01"),)),))
    found = list(staging.Staged([[pack_key(tombstone)], [pack_key(other)]], 7, True))
    assert [key.cells for key in found] == [(), other.cells]


@guards(
    "Who has absorbed just what the teller has, and knows the same of who belongs, takes it",
    Line(Hearing.on_heard, "if heard.vector != desk.vector_hash():", "if False:"),
    Line(hearing._lag, "stamp_ms(stamp) // 1000", "-(-stamp_ms(stamp) // 1000)"),
    Line(Hearing._told, "if (said[0], said[2]) == (total, facts) else 0", ""),
)
def what_is_told_of_others_is_no_more_than_they_said() -> None:
    """b lacks a write of a, and hears from c how far c has heard a. Then c lacks one, of which a and b have its word."""
    net = Net("abc", settings=Settings(probe_ms=10**9))
    net.until_one()
    net.run(6_000)
    a, b = net["a"]._replica, net["b"]._replica
    net.cut = {("a", "b"), ("b", "a"), ("b", "c")}
    before = b.state.heard[a.state.id]
    net["a"].put("k", 1)
    net.committed("a")
    net.run(11_000)
    assert "k" not in net["b"] and b.state.heard[a.state.id] == before
    net.cut = set()
    net.until_one()
    net.run(250)  # (at no whole second)
    net["c"].put("c", 1)
    net.committed("c")
    word = b.state.heard[net["c"].id]
    net.cut = {("a", "c"), ("c", "a"), ("b", "c"), ("c", "b")}
    net["a"].put("k", 2)
    net.committed("a")
    net.run(11_000)
    said = {id: kv._replica.state for id, kv in ((net[n].id, net[n]) for n in "abc")}
    assert b.state.heard[net["c"].id] == word
    for replica in (a, b, net["c"]._replica):
        for member, heard in replica.state.heard.items():
            assert heard <= said[member].heard[member] if member in said else True
        for member, low in replica.state.announced.items():
            assert low[:2] <= said[member].announced[member][:2]


@guards(
    "and a hash of what it knows of the others, which has to be equal too",
    Line(Glancing.on_glance, "if glance.turn != _ASK and glance.others != others:", "if False:"),
)
def who_holds_the_same_still_hears_of_the_others() -> None:
    """a has heard of c since b has; nothing else is new, and b and c do not meet."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    colos.clock.wait(60)
    a.sync(c)
    a.sync(b)
    assert b._replica.state.heard[c.id] == a._replica.state.heard[c.id] == c._replica.state.heard[c.id]


@guards(
    "whoever holds the same takes that, and answers with its own and how far it has heard all",
    Line(Glancing._take, "state.heard = {**state.heard, sender: glance.heard}", "pass"),
    Line(Glancing._take, "state.announced = {**state.announced, sender: said}", "pass"),
)
def two_that_hold_the_same_go_on_hearing_each_other() -> None:
    """In a few bytes: a knows how far b has heard both, b that a is still there; so what was deleted is forgotten."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    long_ago = colos.clock.now
    colos.clock.wait(60)
    assert a.sync(b).bytes <= 300
    now = make_stamp(int(long_ago * 1000) + 60_000)
    assert a._replica.state.heard[b.id] > now and b._replica.state.heard[a.id] > now
    assert a._replica.state.announced[b.id][1] > now


@guards(
    "Where an act, a conflict, a quarantine or what is pending is to be settled, or another has announced more than is known here to have been announced, they meet",
    Line(Glancing._is_same, "unsurprising = glance.known <= replica.announced", "unsurprising = True"),
    Line(Glancing._is_ordinary, "settled = not (state.left or state.quarantined or state.pending or state.forks)", "settled = True"),
    Line(Glancing._is_same, "glance.all == self._all_here()", "True"),
)
def nothing_is_passed_over_at_a_glance() -> None:
    """b's disk is put back and nothing tells it but what a knows that it said; then a has b in quarantine; then a key
    is lost at b."""
    for what in ("announced", "quarantined", "lost"):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        a.put("k", 1, strategy="lww")
        colos.meet()
        if what == "announced":
            total, low, facts = a._replica.state.announced[b.id]
            a._replica.state.announced[b.id] = total + 5, low, facts
            before = b.id
            a.sync(b)
            assert b.id != before
        elif what == "quarantined":
            a._replica.state.quarantined[b.id] = "digest other than here"
            assert a.sync(b).bytes > 300 and not a._replica.state.quarantined
        else:
            replica = b._replica
            with replica.transaction():
                replica.change_cell("k", b"slww\0", replica.storage.cells("k")[b"slww\0"], ())
            assert a.sync(b).bytes > 300 and shows(b, "k") == 1


@guards(
    "the catch-up starts where it was asked from (1), or at its own `to` (2).",
    Line(pulling._head, "to = beside(t.since, head.to)", "to = dict(head.to)"),
    Line(pulling._head, "since=t.since if page.beside == 1 else to", "since=to"),
    Line(Serving._page, "to=apart(head.to, ask.since)", "to={}"),
)
def what_is_said_beside_what_was_asked_from_is_the_same_catch_up() -> None:
    """b lacks a's last, and has one of c's that a lacks; nothing is at hand: one page each way makes them equal."""
    net = Net("abc", settings=Settings(max_records=0))
    net.until_one()
    net.cut = {(one, other) for one in "abc" for other in "abc" if "a" in (one, other)}
    net["a"].put("a", 1)
    net["c"].put("c", 1)
    net.committed("a")
    net.committed("c")
    sent = heard_by(net, Page)
    net.cut = {(one, other) for one in "abc" for other in "abc" if "c" in (one, other)}
    net.run(9_000)
    heads = [(page.beside, decode_record(page.head)) for _, _, _, page in sent]  # type: ignore[union-attr]
    assert {place for place, _ in heads} == {1} and all(not head.since for _, head in heads)  # type: ignore[union-attr]
    assert any(0 in head.to.values() for _, head in heads)  # type: ignore[union-attr]
    assert dict(net["a"]) == dict(net["b"]) == {"a": 1, "c": 1} and net["a"].vector == net["b"].vector
    net.cut = set()
    net.until_one()
    net.check()


@guards(
    "A record comes out as its origin encoded it; what cannot, is not put in.",
    Line(bundles._Bundle.told, "_unfolds(made, self._records)", "True"),
)
def a_record_that_is_packed_otherwise_goes_out_as_it_came() -> None:
    """b's second record names the hash of its first, of which it packed the name in a byte more than that takes."""
    kv = Colos("b")["b"]
    plain = record(kv, lambda kv: kv.put("k", 1))
    body = plain[:3] + bytes((0xD9, plain[3] & 0x1F)) + plain[4:-4]
    first = body + xxh32_digest(body)
    second = decode_record(record(kv, lambda kv: kv.put("k", 2)))
    records = (first, encode_record(second._replace(previous=chain(first))))
    assert bundles.unbundled(bundles.bundled(records)) == records


@guards(
    "A message stands for 4 MiB at the most.",
    Line(bundles.unbundled, "if size > MAX_UNFOLDED:", "if False:"),
    Line(bundles._values, "if len(first) * count > MAX_UNFOLDED:", "if False:"),
    Line(bundles._continued, "if size > MAX_UNFOLDED:", "if False:"),
    Line(bundles._check_names, "longest > _MAX_NAME or longest * named > MAX_UNFOLDED", "False"),
    Line(bundles._unfolded, "if max(map(len, keys)) * sum(map(len, lives)) > MAX_UNFOLDED:", "if False:"),
    Line(bundles._unfolded, "min(counts) < 1 or writes > _MAX_WRITES", "False"),
)
def little_that_stands_for_much_is_refused() -> None:
    """Each way in which a bundle says something once for many; a limit stands before each."""

    def bundle(names: object, counts: object, keys: object, paths: object, parents: object, lives: object) -> object:
        return [names, [], [1, 0], [7, 1], [], [0], counts, keys, paths, [b"v"], parents, [], lives]

    far = [
        ("bytes of records", bundle(["a"], [1], ["k"], [b"p"], [], [])),
        ("share 150 bytes", bundle(["a"], [1], ["k" * 150], [b"p"], [], [])),
        ("a bundle of more than", bundle(["a"], [1], ["k"], [b"p" * 140, [140], b""], [], [])),
        ("of up to 60 characters", bundle(["a" * 60], [1], ["k"], [b"p"], [[0, 1], [0, 1]], [])),
        ("4 keys made anew", bundle(["a"], [1], ["k" * 60], [b"p"], [], [[[0], [0]], [[0], [0]]])),
        ("18 writes", bundle(["a"], [9], ["k"], [b"p"], [], [])),
    ]
    with limited(bundles, "MAX_UNFOLDED", 200), limited(bundles, "_MAX_WRITES", 10):
        for words, made in far:
            try:
                bundles.unbundled([made] * 8)
            except MessageInvalid as error:
                assert words in str(error), error
            else:
                raise AssertionError(f"not refused: {words}")


@guards(
    "Whose cells do not add up to his own digest takes the other's",
    Both(
        Line(Repairing.on_repair, "if mine.sound and not theirs.sound:", "if False:"),
        Line(Repairing.on_repair, "theirs.sound and not mine.sound", "True"),
    ),
    Line(Probing._compare, "self._repairing.begin(peer)", "pass"),
    Line(Repairing.on_ranges, "if self._digest(keys) == digest:", "if True:"),
)
def a_key_that_rotted_at_one_is_mended_from_the_other() -> None:
    for at in "ab":
        net = Net("ab")
        net.until_one()
        net["a"].put("k", 1, strategy="lww")
        net.until_one()
        net.digests.clear()
        net.look = lambda node: None  # type: ignore[method-assign]
        replica = net[at]._replica
        with replica.transaction():
            replica.change_cell("k", b"slww\0", replica.storage.cells("k")[b"slww\0"], ())
            replica.state.digest ^= 1
        net.run(8_000)
        assert (dict(net["a"]), dict(net["b"])) == ({"k": 1}, {"k": 1})
        net.check()
