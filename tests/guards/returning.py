"""Members: coming back, joining, copies, and clocks that were set right."""

from __future__ import annotations

import crdtkv
from crdtkv.core.wire import decode
from crdtkv.errors import BadRequest, ChainBroken, NotAMember, NotBackYet
from crdtkv.gossip import meeting
from crdtkv.gossip.glancing import Glancing
from crdtkv.gossip.meeting import Meeting
from crdtkv.replica import life, members, pending
from crdtkv.replica.core import Replica
from crdtkv.store.writer import Writer
from tests.colos import Colos, Disks, arrive, cells, come_in, cut, meet_until, record, refuses, shows
from tests.guards.mutation import Line, guards
from tests.laws.disks import MemoryDisk


def at(kv: crdtkv.Store) -> list[str]:
    """The colos of the members known to `kv`, each as often as it is one."""
    return [members.colo_of(m) for m in kv.members]


# coming back


@guards(
    "When the members agree each is minted anew under min(its base, my vector), as an edit would be",
    Line(pending.remint, "or not members.agreed(replica)", ""),
)
def what_an_evicted_colo_wrote_stands_once() -> None:
    """Case 55: z had e's element, and removed it; x had not, and evicts e, which returns there: it stays removed."""
    colos = Colos("x", "z", "e")
    x, z, e = colos["x"], colos["z"], colos["e"]
    x.put("l", ["s"], strategy="list")
    colos.meet()
    e.list("l").append("e")
    arrive(z, cut(e, z))
    z.list("l").remove(1)
    x.evict("e")
    x.sync(e)
    colos.meet()
    assert colos.read("l") == ["s"]


@guards(
    "Of two writes that wait since two lives the later one stands: both are stamped anew, the earlier one first.",
    Line(
        pending._Lives.is_before,
        "if mine == its or its < 0 else its > mine",
        "",
    ),
)
def the_later_of_what_was_written_in_two_lives_stands() -> None:
    """e was evicted, came back, wrote once more before all had heard of that, and was evicted again."""
    colos = Colos("x", "y", "e")
    x, e = colos["x"], colos["e"]
    x.put("doc", {"n": 0, "m": 0}, strategy="json")
    colos.meet()
    e.patch("doc", {"n": 39})
    x.evict("e")
    x.sync(e)  # y has not heard of it: the 39 waits
    assert e["doc"] == {"n": 0, "m": 0}
    e.patch("doc", {"n": 84})
    x.evict("e")
    x.sync(e)
    colos.meet()
    assert colos.read("doc") == {"n": 84, "m": 0}


@guards(
    "Of two writes of one store, which was later: its lives came one after the other, whatever their clocks said.",
    Line(pending._Lives.is_before, "if mine == its or its < 0 else its > mine", ""),
)
def what_a_later_life_wrote_stands_though_the_clock_was_years_ahead_before() -> None:
    """e was evicted, and its clock was ten years ahead; what it wrote then waits, while it writes at the right time."""
    colos = Colos("x", "y", "e")
    x, e = colos["x"], colos["e"]
    x.put("doc", {"n": 0, "m": 0}, strategy="json")
    colos.meet()
    colos.clock.ahead["e"] = 10 * 365 * 86_400
    e.patch("doc", {"n": 49})
    x.evict("e")
    x.sync(e)  # y has not heard of it: the 49 waits
    del colos.clock.ahead["e"]
    e.patch("doc", {"n": 65})
    colos.meet()
    assert colos.read("doc") == {"n": 65, "m": 0} and [c.value for c in e.conflicts()] == [49]


@guards(
    "Of two writes of one store, which was later: its lives came one after the other, whatever their clocks said.",
    Line(pending.remint, "lives.of(d), by_dot[d][0].lost.stamp", "by_dot[d][0].lost.stamp"),
)
def of_what_waits_the_later_life_s_kind_is_shown_though_the_clock_was_years_ahead_before() -> None:
    """As above; e makes a key, and, evicted once more before that was minted anew, the same key of another kind."""
    colos = Colos("x", "y", "e")
    x, e = colos["x"], colos["e"]
    colos.clock.ahead["e"] = 10 * 365 * 86_400
    e.put("k", 49, strategy="lww")
    x.evict("e")
    x.sync(e)
    del colos.clock.ahead["e"]
    e.put("k", {"n": 65}, strategy="json")
    x.evict("e")
    x.sync(e)
    colos.meet()
    assert colos.read("k") == {"n": 65}


@guards(
    "(Who has not heard of an eviction may still absorb from the evicted what we are about to mint anew.)",
    Line(members.agreed, "m in said and said[m][2] == here", "m in said"),
)
def what_only_an_evicted_colo_has_of_another_stands_once() -> None:
    """f alone has e's 2. x evicts both, and e returns; y knows that, and not of f's eviction: it hears the 2 from f.

    Had e minted the 2 anew by then, it would stand beside what y puts over it.
    """
    colos = Colos("x", "y", "e", "f")
    x, y, e, f = (colos[name] for name in "xyef")
    x.put("k", 1, strategy="mv")
    colos.meet()
    e.put("k", 2)
    arrive(f, cut(e, f))
    x.evict("e")
    come_in(e, x)
    arrive(y, cut(x, y))
    x.evict("f")
    for source in (x, y):
        arrive(e, cut(source, e))
    pending.remint(e._replica, e._rule_of)
    arrive(y, cut(f, y))
    y.put("k", 3)
    colos.meet()
    assert x.get("k").siblings == (3,)


@guards(
    "each is minted anew under min(its base, my vector), as an edit would be",
    Line(pending._remint_one, "_rewrite(replica, draft, item, lives)", "pass"),
    Line(pending._Item.covered, "covers(self.vector, dot) and dot not in self.beside", "True"),
    Line(pending._Item.covered, "and dot not in self.beside", ""),
)
def what_is_minted_anew_replaces_what_it_had_replaced_and_no_more() -> None:
    """e put 7 beside the 2 that its base lacked, and had not heard of the 3: all stand after its return."""
    colos = Colos("a", "b", "e")
    a, e = colos["a"], colos["e"]
    base = a.put("k", 1, strategy="mv").version
    colos.meet()
    a.put("k", 2)
    colos.meet()
    e.put("k", 7, base=base)
    a.put("k", 3, base=base)
    del colos["e"]
    a.evict("e")
    colos["e"] = e
    colos.meet()
    assert sorted(a.get("k").siblings) == [2, 3, 7]
    colos.read("k")


@guards(
    "where an uncovered later value of that cell stands",
    Line(pending._why_lost, 'return "a later write stood when this colo joined"', "return None"),
)
def who_returns_does_not_win_by_returning() -> None:
    colos = Colos("a", "b", "e")
    a, e = colos["a"], colos["e"]
    a.put("k", 1, strategy="lww")
    colos.meet()
    e.put("k", 7)
    colos.clock.wait(1)
    a.put("k", 8)
    del colos["e"]
    a.evict("e")
    colos["e"] = e
    colos.meet()
    assert colos.read("k") == 8 and [c.value for c in e.conflicts()] == [7]


@guards(
    "and the cell is absent, an lww write stamped <= S or what a remove would beat",
    Line(pending._why_lost, "if forgot and (removal_wins or", "if forgot and (removal_wins and"),
    Line(pending._why_lost, "if forgot and (removal_wins or", "if forgot and ("),
)
def what_was_deleted_while_it_was_away_does_not_come_back() -> None:
    """Case 42, and the same of an element under remove-wins: told in the inbox."""
    colos = Colos("a", "b", "e")
    a, e = colos["a"], colos["e"]
    a.rules.set("s", "set", wins="remove")
    a.put("k", 1, strategy="lww")
    a.put("s", ["x", "y"])
    colos.meet()
    e.put("k", 7)
    e.set("s").add("x")
    colos.clock.wait(1)
    a.delete("k")
    a.set("s").remove("x")
    del colos["e"]
    a.evict("e")
    colos.purge()
    colos["e"] = e
    colos.meet(4)
    assert colos.read("k") is None and colos.read("s") == ["y"]
    assert len(e.conflicts()) == 2


@guards(
    "Counters by the part not seen",
    Line(
        pending._writes,
        "[Write(path, joined, all=True)]",
        "[Write(path.replace(item.lost.dot[0].encode(), b'e~new0'), payload)]",
    ),
)
def a_share_comes_back_by_the_part_that_nobody_has_seen() -> None:
    """e's 5 are known to all, its 3 to nobody when it is evicted."""
    colos = Colos("a", "b", "e")
    a, e = colos["a"], colos["e"]
    e.counter("n").add(5)
    colos.meet()
    e.counter("n").add(3)
    del colos["e"]
    a.evict("e")
    colos["e"] = e
    colos.meet()
    assert colos.read("n") == 8


@guards(
    "it tells nothing, is told nothing and writes nothing before it has met a member",
    Line(life._lies_elsewhere, "if state.home != replica.storage.home():", "if False:"),
    Line(Writer.begin, "if state.copied and not by_copy:", "if False:"),
)
def a_restored_copy_writes_under_a_new_name() -> None:
    """Case 5: what it wrote after the copy was made is known elsewhere; no dot is minted twice, nothing is lost."""
    colos = Disks("a", "b")
    colos["b"].counter("n").add(1)
    colos.meet()
    copy = colos.copy("b")
    colos["b"].counter("n").add(10)
    colos.meet()
    b = colos.put_back("b", copy, elsewhere=True)
    assert refuses(NotBackYet, lambda: b.counter("n").add(100))
    colos.meet()
    b.counter("n").add(100)
    colos.meet()
    assert colos.read("n") == 111
    colos.check()


@guards(
    "One that nothing gave away is known by a peer that has more of its numbers",
    Line(
        meeting.step,
        "mine.copied or life.is_old_copy(replica, theirs)",
        "mine.copied",
    ),
)
def a_disk_that_fell_back_bears_no_number_twice() -> None:
    """Case 5: it lies where it lay, and has forgotten 10 and 100. a knows of the 10, c of both."""
    colos = Disks("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    b.counter("n").add(1)
    colos.meet()
    copy = colos.copy("b")
    b.counter("n").add(10)
    a.sync(b)
    b.counter("n").add(100)
    c.sync(b)
    b = colos.put_back("b", copy)
    b.sync(a)
    b.counter("n").add(1000)
    colos.meet()
    assert colos.read("n") == 1111


@guards(
    "Two stores that live under one id or colo, or hold different records of one dot, must not be mixed.",
    Line(meeting.check_lives, "if a.id == b.id:", "if False:"),
    Line(meeting.check_lives, "known[0] != known[1]", "False"),
    Line(meeting.check_lives, "if colo_of(a.id) == colo_of(b.id):", "if False:"),
)
def two_that_live_under_one_name_are_told() -> None:
    """Case 6: b's disk was copied while it ran, and both are open: they meet, or a, who has met one, and c the other."""
    colos = Disks("a", "b", "c")
    copy = colos.copy("b")
    b = colos["b"]
    twin = colos.put_back("b", copy)
    assert refuses(ChainBroken, lambda: b.sync(twin))
    b.put("k", "b")
    twin.put("k", "twin")
    colos["a"].sync(b)
    colos["c"].sync(twin)
    assert refuses(ChainBroken, lambda: colos["a"].sync(colos["c"]))
    assert refuses(BadRequest, lambda: Colos("a")["a"].sync(Colos("a", seed=1)["a"]))


@guards(
    "One that nothing gave away is known by a peer that has more of its numbers, or another hash of one, "
    "or to which it has announced more than it knew when it was opened",
    Line(life.is_old_copy, "or (None not in (told, mine) and told != mine)", ""),
    Line(pending.uncovered, "or (dot[0] == state.id and not covers(base, dot))", ""),
    Line(
        Meeting._renew,
        "if not state.copied and state.vector.get(state.id, 0) > shared:",
        "if False:",
    ),
)
def what_a_copy_wrote_that_nothing_gave_away_is_not_lost() -> None:
    """b's disk fell back behind x, which a knows, and b adds y under that same number: both are in the set."""
    colos = Disks("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("s", ["w"], strategy="set")
    colos.meet()
    copy = colos.copy("b")
    arrive(a, record(b, lambda kv: kv.set("s").add("x")))
    b = colos.put_back("b", copy)
    name = b.id
    b.set("s").add("y")
    colos.meet()
    assert b.id != name and colos.read("s") == ["w", "x", "y"]
    colos.check()


@guards(
    "or was told by it of more than it knew when it was opened",
    Line(life.is_old_copy, "> replica.announced", "> sum(state.vector.values())"),
    Line(members.announce, "max(replica.announced, state.announced[state.id][0])", "replica.announced"),
    Line(life._own_names, "if origin != id:", "if True:"),
    Line(Glancing.glance, "replica.say_clock()", "replica.speak()"),
)
def a_copy_that_had_written_nothing_is_known_by_its_word() -> None:
    """c had told a that it knew of a's remove. Its disk fell back behind that, with all of its own numbers on it; then
    once more, and it took that for a power cut."""
    for uncertain in (False, True):
        _fall_back_behind_its_word(uncertain)


def _copied_before_a_remove() -> tuple[Disks, MemoryDisk]:
    """a, b and c, of which a alone knows that it removed e; and a copy of c's disk."""
    colos = Disks("a", "b", "c")
    colos["a"].put("k", ["e"], strategy="set?wins=remove")
    colos.meet()
    copy = colos.copy("c")
    colos["a"].set("k").remove("e")
    colos.clock.wait(1)
    return colos, copy


def _fall_back_behind_its_word(uncertain: bool) -> None:
    colos, copy = _copied_before_a_remove()
    a, b, c = (colos[name] for name in "abc")
    b.sync(c)
    name = c.id
    for _ in range(2):
        c.sync(a)
    assert c.id == name  # (what it has learnt since it was opened is no reason)
    a.sync(b)
    a.compact()
    c = power_cut(colos, "c", [copy]) if uncertain else colos.put_back("c", copy)
    assert (c.id != name) == uncertain
    name = c.id
    c.set("k").add("e")
    c.sync(a)
    assert c.id != name
    colos.purge()
    colos.check()


@guards(
    "Its clock goes on above the member's.",
    Line(life.adopt, "state.clock = max(state.clock, _above(message))", "pass"),
)
def a_restored_copy_goes_on_above_the_member_it_met() -> None:
    """Its wall is minutes behind: what it writes is later than what the others may have forgotten all the same."""
    colos = Disks("a", "b")
    copy = colos.copy("b")
    colos.clock.wait(600)
    colos.clock.ahead["b"] = -500
    b = colos.put_back("b", copy, elsewhere=True)
    a = colos["a"]
    a.put("k", 0)
    b.sync(a)
    b.put("m", 1)
    assert b.get("m").stamp >= a.get("k").stamp


@guards(
    "and takes a new name, which the member has admitted as a sponsor does",
    Line(
        Meeting._finish,
        "life.adopt(replica, joining.ancestry, message, believed)",
        "life.adopt(replica, [*members.view(replica).ancestry], message, believed)",
    ),
)
def a_restored_copy_may_know_less_than_it_announced() -> None:
    """c told a that it knew of a's remove, and was put back to before. b, which does not know of it either, takes it
    in; the line is cut, and b hears of the remove. Until a knows who c is now, it must not forget the remove."""
    colos, copy = _copied_before_a_remove()
    a, b, c = (colos[name] for name in "abc")
    arrive(c, cut(a, c))
    arrive(c, cut(b, c))
    arrive(a, cut(c, a))
    c = colos.put_back("c", copy, elsewhere=True)
    meet_until(c, b, lambda: not c._replica.state.copied)
    c.set("k").add("e")
    arrive(b, cut(a, b))
    arrive(a, cut(b, a))
    a.compact()
    arrive(a, cut(c, a))
    arrive(b, cut(c, b))
    colos.purge()
    colos.check()
    assert colos.read("k") is None


def power_cut(colos: Disks, name: str, synced: list[MemoryDisk]) -> crdtkv.Store:
    """Under `normal`: on the disk is what was synced last."""
    disk = synced[-1]
    disk.uncertain = lambda: True  # type: ignore[method-assign]
    return colos.put_back(name, disk)


def synced_of(colos: Disks, name: str) -> list[MemoryDisk]:
    """What a power cut would leave on the disk: now, and after each sync from now on."""
    disk = colos.disks[name]
    kept = [disk.copy()]
    disk.sync = lambda: kept.append(disk.copy())  # type: ignore[method-assign]
    return kept


@guards(
    "who comes back from a power cut knows no less than it said",
    Line(Replica._keep_word, "self.storage.sync()", "pass"),
)
def what_was_announced_survives_a_power_cut() -> None:
    """c under `normal` tells a, and a alone, that it knows of a's remove, and its power goes. a forgets the remove: so
    c, which writes on under a new name, must still know of it."""
    colos = Disks("a", "b", "c")
    a, b, c = (colos[name] for name in "abc")
    a.rules.set("k", "set", wins="remove")
    a.put("k", ["e"])
    colos.meet()
    synced = synced_of(colos, "c")
    a.set("k").remove("e")
    colos.clock.wait(1)
    for source, target in ((c, b), (a, b), (b, a), (b, c), (c, a)):
        arrive(target, cut(source, target))
    a.compact()
    assert cells(a, "k") == 0
    c = power_cut(colos, "c", synced)
    c.set("k").add("e")
    assert [c.sync(other).repairs for other in (b, a)] == [0, 0]
    colos.purge()
    colos.check()


@guards(
    "forgotten in a power cut, it would be minted anew once more",
    Line(pending.remint, "replica.storage.sync()", "pass"),
)
def what_was_minted_anew_is_not_once_more_after_a_power_cut() -> None:
    """e under `normal` returns, and what it had added is there; x removes it, and the power goes at e."""
    colos = Disks("x", "e")
    x, e = colos["x"], colos["e"]
    x.put("k", ["stays"], strategy="set")
    colos.meet()
    e.set("k").add("n")
    synced = synced_of(colos, "e")
    x.evict("e")
    come_in(e, x)
    pending.remint(e._replica, e._rule_of)
    for _, data in e._replica.recent:
        arrive(x, data)
    assert shows(x, "k") == ["n", "stays"]
    x.set("k").remove("n")
    power_cut(colos, "e", synced)
    colos.meet()
    assert colos.read("k") == ["stays"]


@guards(
    "forgotten in a power cut, it would come back unasked",
    Line(life.leave, "replica.storage.sync()", "pass"),
)
def who_has_left_stays_out_after_a_power_cut() -> None:
    colos = Disks("x", "e")
    x, e = colos["x"], colos["e"]
    colos.meet()
    synced = synced_of(colos, "e")
    e.leave()
    arrive(x, e._replica.recent[-1][1])
    e = power_cut(colos, "e", synced)
    e.sync(x)
    assert e.id not in e.members and refuses(NotAMember, lambda: e.put("k", 1))


@guards(
    "what it was in is not shown",
    Line(pending._why_lost, "if not place.inside:", "if False:"),
)
def what_was_written_into_what_is_deleted_is_told() -> None:
    """c was deleted while e, evicted since, wrote into it: the document has no c, and e's inbox has the write."""
    colos = Colos("a", "b", "e")
    a, e = colos["a"], colos["e"]
    a.put("doc", {"c": {"x": 1}, "d": 0}, strategy="json")
    colos.meet()
    e.json("doc").at("/c/x").put(9)
    a.json("doc").at("/c").delete()
    del colos["e"]
    a.evict("e")
    colos["e"] = e
    colos.meet()
    assert colos.read("doc") == {"d": 0} and [c.value for c in e.conflicts()] == [9]


@guards(
    "what reads as absent it replaces whole (a container: and tombstones all below; an element: and its order cell)",
    Line(pending._writes, "if place.present:", "if True:"),
)
def what_is_minted_anew_replaces_what_is_absent_whole() -> None:
    """e's element, which x removed: p has forgotten that when e comes back, e has not: equal cells."""
    colos = Colos("x", "p", "z", "e")
    x, p, z, e = (colos[name] for name in "xpze")
    x.put("s", ["el", "stays"], strategy="set")
    colos.meet()
    e.set("s").add("el")
    x.set("s").remove("el")
    x.evict("e")
    for _ in range(2):
        for one, other in ((x, p), (x, z), (p, z)):
            arrive(other, cut(one, other))
            arrive(one, cut(other, one))
        colos.clock.wait(20)
    come_in(e, x)
    for source, target in ((e, x), (x, p), (p, e), (e, p), (x, z), (z, p)):
        arrive(target, cut(source, target))
    p.compact()
    assert cells(p, "s") == 1 and cells(e, "s") == 2
    arrive(e, cut(z, e))
    assert pending.remint(e._replica, e._rule_of) == 1
    for source, target in ((e, p), (p, e), (e, p)):
        arrive(target, cut(source, target))
    assert e.vector == p.vector and e.floor == p.floor and e.digest() == p.digest()


@guards(
    "A wall clock that went back by more than the bound: the store renames itself",
    Line(life.mend, "if replica.went_back() and", "if False and"),
)
def a_clock_that_was_set_right_makes_a_new_name() -> None:
    """Case 21: an hour ahead, then right: it writes at the right time again, under a new name."""
    colos = Colos("a", "b")
    colos.clock.ahead["b"] = 3600
    b = colos["b"]
    b.put("k", "future")
    colos.clock.ahead["b"] = 0
    b.put("k", "now")
    assert b.get("k").stamp < (colos.clock.now + 1) * 1000
    colos.meet()
    assert colos.read("k") == "now" and at(colos["a"]) == ["a", "b"]


@guards(
    "Where our clock goes on: what members may have forgotten up to lies below the clock of each of them.",
    Line(
        life.return_to,
        "replica.state.clock = max(replica.state.clock, _above(snapshot))",
        "pass",
    ),
)
def who_joins_writes_above_what_its_sponsor_said() -> None:
    """d's clock is minutes behind: what it writes is stamped later than its joining all the same."""
    colos = Colos("a", "b")
    a = colos["a"]
    a.put("k", 1, strategy="lww")
    colos.clock.ahead["d"] = -300
    d = colos.open("d")
    d.sync(a)
    [joined] = [s.stamp for s in a._replica.storage.cells(members.MEMBERS)[members.member_path(d.id)]]
    assert decode(record(d, lambda kv: kv.put("k", 2))).stamp > joined


@guards(
    "Counters by the part not seen",
    Line(
        pending._why_lost,
        'return "what it added to may have been deleted while this colo was away" if forgot and not item.first else None',
        "return None",
    ),
)
def what_was_counted_before_a_delete_does_not_come_back_with_what_was_counted_since() -> None:
    """All had heard of e's 5, which a deleted and all forgot; its 3, counted on top of them, are told in the inbox."""
    colos = Colos("a", "b", "e")
    a, e = colos["a"], colos["e"]
    e.counter("n").add(5)
    colos.meet()
    e.counter("n").add(3)
    a.delete("n")
    del colos["e"]
    a.evict("e")
    colos.purge()
    colos["e"] = e
    colos.meet(4)
    assert colos.read("n") is None and len(e.conflicts()) == 1


@guards(
    "A copy of which its members were only itself is a namespace of its own from then on.",
    Line(life._wake_copy, "None if state.copied else _rename(replica)", "None"),
    Line(life._wake_copy, "state.home = replica.storage.home()", "pass"),
)
def a_copy_of_a_lone_store_takes_a_new_name_once() -> None:
    """Nobody can sponsor it. Where it lies now it is at home: opened again, it is who it was."""
    colos = Disks("a")
    colos["a"].put("k", 1)
    name = colos["a"].id
    a = colos.put_back("a", colos.copy("a"), elsewhere=True)
    a.put("k", 2)
    assert a.id != name
    again = a.id
    a = colos.open("a")
    a.put("k", 3)
    assert a.id == again and a.members == [again]


@guards(
    "where its base lacks some of F, or what stood beside it is gone",
    Line(
        pending._why_lost,
        "(past or not covers_all(item.vector, replica.state.dropped))",
        "not covers_all(item.vector, replica.state.dropped)",
    ),
)
def a_remove_that_stood_beside_it_wins_also_when_it_is_forgotten() -> None:
    """e knows that its add lost to a remove. The remove is forgotten, e evicted: as it returns the add is in the inbox."""
    colos = Colos("a", "p", "e", purge_step_ms=10_000)
    a, p, e = colos["a"], colos["p"], colos["e"]
    a.put("s", ["el"], strategy="set?wins=remove")
    colos.meet()
    removed = record(a, lambda kv: kv.set("s").remove("el"))
    e.set("s").add("el")
    arrive(e, removed)
    assert "s" not in e
    colos.clock.wait(12)
    a.evict("e")
    a.sync(p)
    a.sync(p)
    assert a.compact() > 0
    colos.meet()
    assert colos.read("s") is None and [c.value for c in e.conflicts()] == ["el"]


@guards(
    "What it was minted anew from may stand where we return to, or was deleted there.",
    Line(pending._said_before, "if row else None", "if False else None"),
)
def what_was_minted_anew_is_not_minted_once_more_where_its_first_form_was_deleted() -> None:
    """e returns to b, which loses a conflict with a: there e's write had been absorbed as it first was, and deleted."""
    colos = Colos("a", "b", "e")
    a, b, e = colos.values()
    e.put("s", ["w"], strategy="set")
    a.sync(e)
    b.evict("a")
    b.evict("e")
    a.evict("b")
    for _ in range(3):
        b.sync(e)
    assert shows(b, "s") == ["w"]
    a.delete("s")
    a.sync(b)
    a.resolve(next(link for link in a.forks[0] if link.startswith("a~")))
    colos.meet(4)
    assert colos.read("s") is None
    colos.check()


@guards(
    "But a delete of what is absent writes nothing, minted anew or not.",
    Line(pending._writes, "joined is None or nothing", "joined is None"),
)
def a_counter_that_all_had_deleted_is_not_deleted_anew() -> None:
    """e had deleted it too while it was out. It has returned, and waits; a forgets k, and then e hears that all agree."""
    colos = Colos("a", "b", "e")
    a, b = colos["a"], colos["b"]
    a.counter("k").add(1)
    colos.meet()
    e = colos.pop("e")
    e.counter("k").add(1)
    e.delete("k")
    a.delete("k")
    a.evict("e")
    colos.meet()
    colos.clock.wait(20)
    e.sync(b)
    a.sync(b)
    a.sync(b)
    a.compact()
    assert cells(a, "k") == 0 < cells(b, "k")
    e.sync(b)
    a.sync(b)
    assert a.floor == b.floor and shows(a, "k") is None
    colos["e"] = e
    colos.check()
    colos.meet(4)
    colos.check()


@guards(
    "Where two that meet for the first time had put the same, nothing is lost.",
    Line(pending._rewrite, "if winner is None or winner.payload != item.lost.payload:", "if True:"),
    Line(pending._standing, "return max(", "return None and max("),
)
def a_first_sync_tells_of_what_is_lost_alone() -> None:
    """And of what stands in its place."""
    for mine, theirs, lost in (
        ({"a": 1, "b": 2}, {"a": 1, "b": 2}, []), ([1, 2], [3], []), ({"a": 1}, {"b": 2}, []), (5, 5, []),
        ("one", "two", [("", "one", "two")]), ({"a": 1, "b": 1}, {"a": 2, "b": 1}, [("/a", 1, 2)]),
    ):  # fmt: skip
        a, b = (crdtkv.open(colo=colo, clock=lambda at=at: 1_767_261_600 + at) for colo, at in (("a", 0), ("b", 1)))
        a.put("k", mine)
        b.update({"k": theirs, "more": 1})
        assert a.sync(b).equal
        assert [(c.path, c.value, c.winner) for c in a.conflicts()] == lost and b.conflicts() == []
