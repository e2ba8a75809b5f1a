"""Forgetting: what is stable, and what a purge drops."""

from __future__ import annotations

import itertools
from contextlib import suppress

from crdtkv.core.cells import MARK_ARRAY, MARK_PLAIN, Sibling, due
from crdtkv.core.clocks import make_stamp
from crdtkv.core.paths import ELEMENT, MEMBER, component
from crdtkv.core.wire import decode
from crdtkv.replica import exchange, life, members, purge
from crdtkv.replica.core import Replica
from crdtkv.strategies import forgetting, json
from crdtkv.strategies.base import Strategy
from crdtkv.strategies.lww import Lww
from crdtkv.strategies.roots import root_path
from crdtkv.strategies.sequence import order_path
from crdtkv.strategies.set import Set
from tests.colos import Colos, Disks, arrive, cells, come_in, cut, record, shows
from tests.guards.mutation import Both, Line, guards

# what is stable


@guards(
    "S candidates: the least announced low, iff the members agree",
    Line(purge.stable, "return min(said[m][1]", "return max(said[m][1]"),
)
def nothing_is_forgotten_that_a_member_has_not_heard_of() -> None:
    """Under remove-wins: b, who has not heard of a's remove, adds again later: the remove must be there to beat it."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.rules.set("s", "set", wins="remove")
    a.put("s", ["e"])
    colos.meet()
    a.set("s").remove("e")
    colos.clock.wait(20)
    arrive(a, cut(b, a))
    a.compact()
    b.set("s").add("e")
    colos.meet()
    assert colos.read("s") is None
    colos.check()


@guards(
    "low = min heard over members",
    Line(
        members.announce,
        "low = min(state.heard.get(m, 0) for m in here)",
        "low = max(state.heard.values())",
    ),
)
def a_member_s_word_is_the_least_that_it_has_heard() -> None:
    """d has heard of e, whose clock is far ahead; what d writes is older than the delete of a, who is ahead too."""
    colos = Colos("a", "d", "e")
    a, d, e = colos["a"], colos["d"], colos["e"]
    a.put("k", 1, strategy="lww")
    colos.meet()
    colos.clock.ahead.update(a=100, e=200)
    a.delete("k")
    arrive(d, cut(e, d))
    arrive(a, cut(e, a))
    arrive(a, cut(d, a))
    a.compact()
    d.put("k", 7)
    colos.meet()
    assert colos.read("k") is None
    colos.check()


@guards(
    "low = min heard over members",
    Both(
        Both(
            Line(members.announce, "for m in here)", "for m in here if m in state.heard)"),
            Line(members.agreed, "m in said and said[m][2]", "said.get(m, (0, 0, here))[2]"),
        ),
        Line(purge.stable, "for m in members.members(replica))", "for m in said)"),
    ),
)
def a_member_that_has_said_nothing_yet_is_waited_for() -> None:
    """d has just been made a member, and its clock is behind: its put of 7, unheard of, is older than a's delete."""
    colos = Colos("a", "b")
    a = colos["a"]
    a.put("k", 1, strategy="lww")
    colos.meet()
    colos.clock.ahead["d"] = -30
    d = colos.open("d")
    come_in(d, a)
    del colos["d"]
    d.put("k", 7)
    colos.clock.wait(5)
    a.delete("k")
    colos.purge()
    colos["d"] = d
    colos.meet()
    assert colos.read("k") is None


@guards(
    "Members agree here when all have announced the facts that are known here.",
    Line(members.agreed, "m in said and said[m][2] == here", "m in said"),
    Line(members.facts, "[changes, retired]", "[changes]"),
)
def what_an_evicted_colo_wrote_is_not_forgotten_before_all_have_it() -> None:
    """e removed x under remove-wins; p and z know, and q, who evicts e, does not, and adds x again: it is removed."""
    colos = Colos("p", "q", "z", "e")
    p, q, z, e = (colos[name] for name in "pqze")
    p.rules.set("s", "set", wins="remove")
    p.put("s", ["x", "stays"])
    colos.meet()
    removed = record(e, lambda kv: kv.set("s").remove("x"))
    colos.clock.wait(20)
    arrive(q, cut(p, q))
    arrive(q, cut(z, q))
    eviction = record(q, lambda kv: kv.evict("e"))
    for kv in (p, z):
        arrive(kv, removed)
        arrive(kv, eviction)
    for source, target in ((p, z), (q, z), (z, p), (q, p)):
        arrive(target, cut(source, target))
    p.compact()
    q.set("s").add("x")
    del colos["e"]
    colos.meet()
    assert colos.read("s") == ["stays"]
    colos.check()


@guards(
    "in steps",
    Line(purge.stable, "// step * step", ""),
)
def floors_move_in_steps_that_all_share() -> None:
    colos = Colos("a", "b", purge_step_ms=10_000)
    colos.purge()
    assert all(kv.floor and kv.floor % make_stamp(10_000) == 0 for kv in colos.values())


@guards(
    "What arrives at or below a floor reached without its writer is dropped like the rest.",
    Line(purge.purge_to, "places[key] = woken(replica.storage.cells(key), changed, state.floor)", "pass"),
    Line(purge._purge_key, "replica.reach()", "pass"),
)
def what_becomes_droppable_below_the_floor_is_dropped_at_once() -> None:
    """An element that is deleted waits for its order cell, which is later; until that is gone. Undone, it was not."""
    root, element = root_path("list"), component(ELEMENT, b"e")
    replica = Colos("a")["a"]._replica
    with replica.transaction():
        replica.set_cell("l", root, (Sibling(("r", 3), 3, MARK_PLAIN),))
        replica.set_cell("l", root + element, (Sibling(("r", 2), 2, None),))
        replica.set_cell("l", root + order_path(element), (Sibling(("r", 9), 9, b"\xc4\x01e"),))
        purge.purge_to(replica, 5)
    assert len(replica.storage.cells("l")) == 3
    for kept in ([root, root + element, root + order_path(element)], [root]):
        with suppress(ValueError), replica.following():
            replica.set_cell("l", root + order_path(element), ())
            purge.purge_to(replica, 0)
            if len(kept) > 1:
                raise ValueError
        assert sorted(replica.storage.cells("l")) == kept and bool(replica.state.dropped) == (len(kept) == 1)


# what is dropped


@guards(
    "a leaf cell that reads as absent, all siblings <= S",
    Line(Lww.gone, "not cell or not is_live(latest(cell).payload)", "all(s.payload is None for s in cell)"),
    Both(
        Line(Strategy._droppable, "all(s.stamp <= floor for s in cell)", "any(s.stamp <= floor for s in cell)"),
        Line(
            due,
            "max(newest_stamp(cell), expiry_of(cell) or 0)",
            "max(min(s.stamp for s in cell), expiry_of(cell) or 0)",
        ),
    ),
)
def a_delete_and_what_lost_to_it_are_dropped_together_when_both_are_old() -> None:
    """Case 30: the floor lies between b's 5 and a's delete, which had not seen it; c's 7, older too, is on its way."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.put("k", 1, strategy="lww")
    colos.meet()
    b.put("k", 5)
    colos.clock.wait(10)
    arrive(c, cut(a, c))
    arrive(c, cut(b, c))
    arrive(b, cut(a, b))
    arrive(b, cut(c, b))
    word = cut(c, a)
    c.put("k", 7)
    colos.clock.wait(5)
    a.delete("k")
    arrive(a, word)
    arrive(a, cut(b, a))
    a.compact()
    assert a.floor > 0
    colos.meet()
    assert colos.read("k") is None
    colos.purge()
    assert colos.read("k") is None and [cells(kv, "k") for kv in colos.values()] == [0, 0, 0]


@guards(
    "reads as absent by itself, with everything below it, when all of it is <= S",
    Both(
        Line(json._dead_here, " or not _old(own, floor)", ""),
        Line(
            json._dead_here,
            "for p, _ in own.cells()]",
            "for p, c in own.cells() if all(s.stamp <= floor for s in c)]",
        ),
    ),
)
def a_container_is_dropped_whole() -> None:
    """c is deleted later than the floor, its members are older; d, cut off, edits one: all of c comes back."""
    colos = Colos("a", "d")
    a, d = colos["a"], colos["d"]
    a.put("doc", {"c": {"x": 1, "y": 2}}, strategy="json")
    a.json("doc").at("/c/z").put(3)
    a.json("doc").at("/c/z").delete()
    colos.clock.wait(20)
    colos.meet()
    d.json("doc").at("/c/x").put(9)
    a.json("doc").at("/c").delete()
    a.compact()
    assert a.floor > 0
    colos.meet()
    assert colos.read("doc") == {"c": {"x": 9, "y": 2}}


@guards(
    "a replica that has not heard yet of the delete of what is above must drop the same.",
    Line(json._dead_here, "if not node.cell or", "if not node.cell or reader.shown(parent) is None or"),
)
def what_is_absent_by_itself_is_dropped_below_what_is_absent_too() -> None:
    """c/d was deleted, then c: a knows of both when it forgets c/d, b of the first only."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"c": {"d": {"x": 1}, "y": 2}}, strategy="json")
    a.json("doc").at("/c/d").delete()
    for _ in range(2):
        colos.clock.wait(20)
        b.sync(a)
    deleted = record(a, lambda kv: kv.json("doc").at("/c").delete())
    a.compact()
    b.compact()
    arrive(b, cut(a, b))
    arrive(b, deleted)
    assert a.floor == b.floor and a.vector == b.vector
    colos.check()


@guards(
    "A strategy of its own that stands at a place goes, or stays, by itself.",
    Line(json._dead_here, "own = node.plain()", "own = node"),
    Line(json._dead_because, "if not inside and (", "if ("),
)
def what_a_strategy_of_its_own_took_the_place_of_is_forgotten_without_it() -> None:
    """a forgets the object, then puts a text in its place; a catch-up brings b the text before b has forgotten."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"m": {"k": 2}}, strategy="json?strings=words")
    a.json("doc").at("/m").delete()
    colos.purge_only("a")
    a.json("doc").at("/m").put("text")
    arrive(b, cut(a, b))
    assert a.floor == b.floor
    assert cells(a, "doc") == cells(b, "doc")
    a.json("doc").at("/m").put({"k": 3})
    a.json("doc").at("/m").delete()
    a.json("doc").at("/m").put("other")
    a.json("doc").at("/m").delete()
    colos.purge_only("b")
    assert cells(b, "doc") == 1


@guards(
    "The key context goes with the last cell.",
    Line(purge._purge_key, "if not storage.cells(key):", "if False:"),
)
def a_key_that_is_forgotten_is_forgotten_whole() -> None:
    """Who joins later hears nothing of it: equal digests."""
    colos = Colos("a", "b")
    colos["b"].put("k", 1, strategy="lww")
    colos.meet()
    colos["a"].delete("k")
    colos.purge()
    colos.open("c")
    colos.meet()
    colos.purge()
    assert len({kv.floor for kv in colos.values()}) == 1
    colos.check()


@guards(
    "F[r] = max n ever dropped.",
    Line(
        purge._purge_key,
        "state.dropped[origin] = max(n, state.dropped.get(origin, 0))",
        "state.dropped.setdefault(origin, n)",
    ),
)
def what_was_dropped_is_known_by_the_last_of_it() -> None:
    """Two deletes are forgotten, one after the other; a disk falls back behind the second."""
    colos = Disks("a", "b")
    for key in ("x", "y"):
        colos["a"].put(key, 1)
    colos["a"].delete("x")
    colos.purge()
    copy = colos.copy("b")
    colos["a"].delete("y")
    colos.purge()
    assert cells(colos["a"], "y") == 0
    b = colos.put_back("b", copy)
    arrive(b, cut(colos["a"], b))
    assert shows(b, "y") is None


@guards(
    "what its sender had dropped below a cell it sent goes in the join, and no purge is left to note it",
    Line(exchange._advance, "merge([state.dropped, message.floor.dots])", "state.dropped"),
)
def what_a_join_drops_is_known_to_be_dropped() -> None:
    """a forgets x; b, who had it, loses it as o comes whole. z's disk falls back behind the delete of x, not behind o:
    were b to send it what is beyond its vector, x would stand there."""
    colos = Disks("a", "b", "c", "z")
    a, b, c, z = colos.values()
    a.put("doc", {"o": {"x": 1, "y": 2}}, strategy="json")
    colos.meet()
    c.patch("doc", {"o": None})
    b.patch("doc", {"o": {"y": 3}})
    arrive(c, cut(b, c))
    arrive(z, cut(c, z))
    a.patch("doc", {"o": {"x": None}})
    colos.clock.wait(20)
    for source in (c, z):
        arrive(b, cut(source, b))
    arrive(z, record(c, lambda kv: kv.patch("doc", {"o": {"y": 4}})))
    copy = colos.copy("z")
    for source, target in ((a, b), (b, a), *itertools.permutations((a, c, z), 2), *itertools.permutations((a, c, z), 2)):
        arrive(target, cut(source, target))
    assert a.compact() and cells(b, "doc") > cells(a, "doc")
    arrive(b, cut(a, b))
    assert cells(b, "doc") == cells(a, "doc")
    z = colos.put_back("z", copy, elsewhere=True)
    z.sync(b)
    assert shows(z, "doc") == shows(b, "doc") == {"o": {"y": 4}}


@guards(
    "what its sender had dropped below a cell it sent goes in the join, and no purge is left to note it",
    Line(exchange._advance, "merge([state.dropped, message.floor.dots])", "state.dropped"),
)
def what_was_counted_and_deleted_does_not_come_back_where_a_join_dropped_it() -> None:
    """All had e's 10, which a deleted. e, evicted, waits at b with 3 on top of them as the 10 go, in a join."""
    colos = Colos("a", "b", "c", "e")
    a, b, c, e = colos.values()
    a.counter("n").add(1)
    e.counter("n").add(10)
    colos.meet()
    e.counter("n").add(3)
    a.delete("n")
    del colos["e"]
    a.evict("e")
    colos.clock.wait(20)
    colos.meet()
    come_in(e, b)
    c.counter("n").add(1)
    arrive(a, cut(c, a))
    assert a.compact()
    arrive(e, cut(a, e))
    colos["e"] = e
    colos.meet(4)
    assert colos.read("n") == 1 and [lost.value for lost in e.conflicts()] == [13]


@guards(
    "a sweep <= S by itself",
    Line(forgetting._dead_sweep, '[b""] if len(old) == len(groups) else []', "[]"),
    Line(Set.gone, "return not self.shows(cell)", "return bool(cell) and cell[0].payload is None"),
)
def what_was_swept_leaves_nothing() -> None:
    """A set that was cleared, and one that was made anew after that: both sweeps go, at its cell and at its key."""
    colos = Colos("a", "b")
    for key in ("s", "t"):
        colos["a"].put(key, ["x", "y"], strategy="set")
        colos["a"].set(key).clear()
    colos["a"].set("t").add("z")
    colos.purge()
    assert [(cells(kv, "s"), cells(kv, "t")) for kv in colos.values()] == [(0, 1)] * 2


@guards(
    "Purging goes on until nothing more goes",
    Line(forgetting.dead_paths, "due = woken(cells(), dict.fromkeys(gone, ()), floor)", "due = ()"),
)
def what_hung_on_something_dropped_is_dropped_with_it() -> None:
    """Of an element only a deleted member is left, and its order cell waits for that."""
    root, element = root_path("json"), component(ELEMENT, b"e")
    member = component(MEMBER, b"m")
    replica = Colos("a")["a"]._replica
    with replica.transaction():
        replica.set_cell("doc", root, (Sibling(("r", 3), 3, MARK_ARRAY),))
        replica.set_cell("doc", root + element + member, (Sibling(("r", 2), 2, None),))
        replica.set_cell("doc", root + order_path(element), (Sibling(("r", 1), 1, b"\xc4\x01e"),))
        purge.purge_to(replica, 3)
    assert list(replica.storage.cells("doc")) == [root]


# promises


@guards(
    "Say our clock: everything we ever write later is stamped later, also in a later life of this disk.",
    Line(life.begin, "state.clock = max(state.clock, state.ceiling)", "pass"),
    Line(Replica.tick, "state.ceiling = state.clock + make_stamp(CEILING_MS)", "pass"),
)
def a_clock_opens_above_all_that_it_ever_said() -> None:
    """Case 43: b says its clock, dies, its wall goes back by half a minute: what it writes is later than its word."""
    colos = Disks("a", "b")
    colos.clock.wait(100)
    for _ in range(2):
        colos.clock.wait(0.1)
        arrive(colos["a"], cut(colos["b"], colos["a"]))
    said = colos["a"]._replica.state.heard[colos["b"].id]
    colos.clock.ahead["b"] = -30
    b = colos.open("b")
    message = decode(record(b, lambda kv: kv.put("k", 1)))
    assert message.stamp > said


@guards(
    "But it writes above all that the old one's word let others forget up to.",
    Line(life._rename, "state.floor, state.low_ceiling)", "state.floor)"),
    Line(members.announce, "state.low_ceiling = low + LOW_RESERVE", "pass"),
)
def a_clock_that_was_mended_opens_above_what_others_have_forgotten() -> None:
    """Case 21: all clocks were an hour ahead, b's is set right: what it writes is above every low it announced."""
    colos = Disks("a", "b")
    colos.clock.ahead.update(a=50, b=50)
    colos.clock.wait(10)
    colos.meet()
    low = colos["a"]._replica.state.announced[colos["b"].id][1]
    colos.clock.ahead["b"] = -20
    before = colos["b"].id
    message = decode(record_of_rename(colos, "b"))
    assert colos["b"].id != before and message.stamp > low


def record_of_rename(colos: Colos, name: str) -> bytes:
    """The first record that a colo mints under its new name."""
    kv = colos[name]
    kv.put("k", 1)
    return next(data for dot, data in kv._replica.recent if dot[0] == kv.id)
