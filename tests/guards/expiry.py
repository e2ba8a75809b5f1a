"""Expiry: a date on a key, judged by who reads, and by a purge."""

from __future__ import annotations

from collections.abc import Mapping

from crdtkv.core import cells as joins
from crdtkv.core.cells import MARK_OBJECT, Cell, Sibling, expiry, make_cell, sweep
from crdtkv.core.state import State
from crdtkv.core.tree import Tree
from crdtkv.replica import cutting, pending
from crdtkv.replica.core import Replica
from crdtkv.replica.draft import Draft
from crdtkv.replica.purge import purge_to
from crdtkv.storage.memory import MemoryStorage
from crdtkv.store.operations import Operations
from crdtkv.store.reading import Reading
from crdtkv.strategies import forgetting
from crdtkv.strategies.document import Reader
from crdtkv.strategies.roots import TTL_PATH
from tests.colos import Colos, arrive, cells, cut, record, shows
from tests.guards.mutation import Line, guards

LATE = 100
"""Seconds after which every date here has passed."""


@guards(
    "Effective date: max of the siblings' (none wins)",
    Line(joins.expiry_of, "max(given, default=None) if", "min(given, default=None) if"),
)
def the_later_of_two_dates_holds() -> None:
    """Case 31: 10 s at a, 50 s at b."""
    colos = Colos("a", "b")
    colos["a"].put("k", 1)
    colos.meet()
    colos["a"].expire("k", 10)
    colos["b"].expire("k", 50)
    colos.meet()
    colos.clock.wait(20)
    assert colos.read("k") == 1
    colos.clock.wait(LATE)
    assert colos.read("k") is None


@guards(
    "Effective date: max of the siblings' (none wins)",
    Line(joins.expiry_of, "if len(given) == len(dates) else None", ""),
    Line(joins.expiry_of, "+ [None for s in cell if s.payload is None]", ""),
)
def to_stay_wins_over_a_date() -> None:
    """Case 31: 10 s at a; at b the key is put anew without a date, or told to stay."""
    for stays in (lambda kv: kv.expire("k", None), lambda kv: kv.put("k", 2)):
        colos = Colos("a", "b")
        colos["a"].put("k", 1, ttl=50)
        colos.meet()
        colos["a"].expire("k", 10)
        stays(colos["b"])
        colos.meet()
        colos.clock.wait(LATE)
        assert colos.read("k") in (1, 2)


@guards(
    "or min if any sibling says min (none loses)",
    Line(joins.expiry_of, 'if any(rule == "min" for _, rule in said):', "if False:"),
    Line(joins.expiry_of, "return min(given, default=None)", "return max(given, default=None)"),
)
def under_min_the_earlier_of_two_dates_holds() -> None:
    colos = Colos("a", "b")
    colos["a"].rules.set("k", "lww", ttl="min")
    colos["a"].put("k", 1)
    colos.meet()
    colos["a"].expire("k", 10)
    colos["b"].expire("k", 50)
    colos.meet()
    colos.clock.wait(20)
    assert colos.read("k") is None


@guards(
    "It is judged once per read or write against the replica's hybrid clock",
    Line(Replica.now, "max(self.state.clock, make_stamp(self.wall_ms()))", "make_stamp(self.wall_ms())"),
)
def a_clock_that_is_behind_learns_that_a_date_has_passed() -> None:
    """b's wall is half a minute behind; it has heard what a wrote after the date."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", 1, ttl=10)
    colos.meet()
    colos.clock.ahead["b"] = -30
    colos.clock.wait(20)
    a.put("other", 1)
    colos.meet()
    assert a.get("k") is None and b.get("k") is None


@guards(
    "It is judged once per read or write",
    Line(Reading.entries, "self._entry(key, now)", "self._entry(key, None)"),
)
def keys_read_together_are_read_at_one_instant() -> None:
    """Two keys have one date; time passes between the reading of the one and of the other."""
    colos = Colos("a")
    kv = colos["a"]
    with kv.transaction() as t:
        t.put("x", 1, ttl=10)
        t.put("y", 1, ttl=10)
    colos.clock.step = 4
    for _ in range(4):
        found = kv.get_many(["x", "y"])
        assert (found["x"] is None) == (found["y"] is None)


@guards(
    "When E has passed, every cell whose siblings are all stamped before E is not shown.",
    Line(Tree.below, "newest_stamp(cell) < self.expiry", "False"),
    Line(Tree.below, "newest_stamp(cell) < self.expiry", "True"),
)
def what_was_added_after_the_date_is_shown() -> None:
    """b had not heard of a's date when it added y, after it: y is there and x is not."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.set("s").add("x")
    colos.meet()
    a.expire("s", 10)
    colos.clock.wait(20)
    b.set("s").add("y")
    colos.meet()
    assert colos.read("s") == ["y"]


@guards(
    "the unit is the whole document: as if a hider stood at its root",
    Line(Reader.root, "self.shown(node) if outside is not None else None", "None"),
    Line(forgetting._dead_date, "if not found.whole:", "if True:"),
    Line(forgetting._dead_date, "and not found.present(tree)", ""),
)
def a_document_expires_whole_or_not_at_all() -> None:
    """b's edit after the date, of which it had not heard, keeps all of the document; also when both are old."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"x": 1, "y": 2}, strategy="json")
    colos.meet()
    a.expire("doc", 10)
    colos.clock.wait(20)
    assert a.get("doc") is None
    b.json("doc").at("/x").put(9)
    colos.meet()
    assert colos.read("doc") == {"x": 9, "y": 2}
    colos.purge()
    assert colos.read("doc") == {"x": 9, "y": 2}


@guards(
    "Under delete-wins expiry hides of a document's root what is stamped before E, no more (a delete too).",
    Line(Reader.root, "if self.delete_wins:", "if False:"),
)
def under_delete_wins_an_edit_inside_does_not_keep_an_expired_document() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"x": 1, "y": 2}, strategy="json?wins=delete")
    colos.meet()
    a.expire("doc", 10)
    colos.clock.wait(20)
    b.json("doc").at("/x").put(9)
    colos.meet()
    assert colos.read("doc") is None


@guards(
    "A put without ttl tombstones the cell; operations keep it.",
    Line(Operations._writing, "if not whole:", "if True:"),
    Line(Operations._writing, "if not whole:", "if False:"),
)
def a_put_takes_the_date_away_and_an_operation_keeps_it() -> None:
    colos = Colos("a", "b")
    kv = colos["a"]
    kv.put("put", ["x"], strategy="set", ttl=50)
    kv.put("kept", ["x"], strategy="set", ttl=50)
    kv.put("put", ["x", "y"])
    kv.set("kept").add("y")
    colos.meet()
    colos.clock.wait(LATE)
    assert colos.read("put") == ["x", "y"]
    assert colos.read("kept") is None


@guards(
    "A write to a key part of which has expired first sweeps what the date hides",
    Line(Draft.operate, "self._clear_expired(key)", "pass"),
    Line(Draft._clear_expired, "hidden = {TTL_PATH}", "hidden = set()"),
    Line(Draft._clear_expired, "sweep(self._seen(key), only=sorted(hidden))", "sweep(self._seen(key))"),
)
def what_a_date_hid_does_not_come_back_without_it() -> None:
    """x has expired, y has not, z is added; then the date is taken away: of x nothing is left to be shown."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.set("s").add("x")
    colos.meet()
    a.expire("s", 10)
    colos.clock.wait(20)
    b.set("s").add("y")
    colos.meet()
    a.set("s").add("z")
    assert a.get("s").expires is None
    a.expire("s", None)
    colos.meet()
    assert colos.read("s") == ["y", "z"]


@guards(
    "A write to a key part of which has expired first sweeps what the date hides",
    Line(Draft._clear_expired, "if found.whole and found.present(tree):", "if False:"),
)
def what_was_written_after_one_date_is_not_taken_away_by_another() -> None:
    """a deletes the x that had kept the document beyond a's date; c's date, concurrent, has passed as well: y stays."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.put("doc", {"x": 1, "y": 2}, strategy="json")
    colos.meet()
    a.expire("doc", 10)
    c.expire("doc", 15)
    colos.clock.wait(12)
    b.json("doc").at("/x").put(9)
    colos.clock.wait(8)
    arrive(a, cut(b, a))
    a.json("doc").at("/x").delete()
    assert shows(a, "doc") == {"y": 2}
    colos.meet()
    assert colos.read("doc") == {"y": 2}


@guards(
    "A date in a catch-up ships the whole key.",
    Line(cutting._roots_of, '[b""] if TTL_PATH in given else sorted(given)', "sorted(given)"),
)
def a_new_date_does_not_bring_back_what_an_old_one_hid() -> None:
    """a purges what had expired under the old date, and gives the key a new one; b catches up: no x there either."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.set("s").add("x")
    colos.meet()
    a.expire("s", 10)
    colos.clock.wait(20)
    b.set("s").add("y")
    colos.purge_only("a")
    a.expire("s", 1000)
    arrive(b, cut(a, b))
    assert shows(a, "s") == shows(b, "s") == ["y"]
    colos.check()


@guards(
    "It is judged once per read or write against the replica's hybrid clock, and by a purge against S",
    Line(
        forgetting._dead_root, "expired(cells, floor) if settled else 0", "expired(cells, 1 << 62) if settled else 0"
    ),
)
def a_purge_judges_a_date_by_what_is_stable() -> None:
    """The date has passed by the clock and not by the floor; b, cut off, puts it off: nothing of the key is lost."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"x": 1, "y": 2}, strategy="json", ttl=30)
    a.json("doc").at("/y").delete()
    for _ in range(2):
        colos.clock.wait(5)
        colos.meet(2)
    b.expire("doc", 1000)
    colos.clock.wait(60)
    assert a.get("doc") is None
    assert a.compact() == 1
    colos.meet()
    assert colos.read("doc") == {"x": 1}
    colos.check()


@guards(
    "a root stays where something live stands beside a delete and is later than a date in that cell",
    Line(forgetting._dead_root, "cells if settled else _undeleted(cells, root, found)", "cells"),
)
def a_purge_leaves_what_a_delete_that_expires_does_not_take() -> None:
    """a's document was deleted and its date has passed; b, which saw nothing of that, made its own, and dated it.

    a purges to between these two at first, b not.
    """
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.rules.set("d", "json?wins=delete", ttl="min")
    colos.meet()
    a.put("d", {"x": 1}, ttl=4)
    colos.clock.wait(2)
    a.delete("d")
    colos.clock.wait(3)
    b.put("d", {"y": 2})
    colos.clock.wait(0.5)
    early = cut(a, b)
    colos.clock.wait(0.5)
    b.expire("d", 100)
    arrive(b, early)
    arrive(a, cut(b, a))
    showed = shows(b, "d")
    colos.clock.wait(5)
    late = cut(a, b)
    a.compact()
    arrive(b, late)
    arrive(a, cut(b, a))
    a.compact()
    arrive(b, cut(a, b))
    assert a.floor == b.floor and showed and shows(a, "d") == shows(b, "d") == showed
    colos.check()


@guards(
    "(and than when that was written: else it may come to who has purged without it)",
    Line(forgetting._undeleted, "s.stamp >= min(dates, default=_EVER + 1)", "dates"),
)
def a_date_that_comes_after_a_purge_is_no_reason_to_keep() -> None:
    """The document that b shows took the place of a's, and not of c's, which deletes hide too. Then b dates the key, and
    purges; a purges before it hears of the date."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.put("d", {"x": 1}, strategy="json?wins=delete")
    c.put("d", {"z": 1}, strategy="json?wins=delete")
    colos.clock.wait(0.1)
    b.put("d", {"y": 1}, strategy="json")
    b.sync(a)
    colos.clock.wait(0.1)
    b.put("d", {"y": 2})
    colos.clock.wait(0.1)
    colos.meet()
    colos.clock.wait(0.1)
    colos.meet()
    b.expire("d", 100)
    b.compact()
    a.compact()
    assert a.floor == b.floor > 0
    colos.meet()
    colos.check()


@guards(
    "A date takes nothing that a sweep above S had not seen",
    Line(forgetting._dead_date, "old -= set(_missed(cells, old, floor))", "pass"),
    Line(forgetting._young, "if stamp > floor]", "if False]"),
)
def a_purge_leaves_what_is_hidden_where_a_sweep_took_what_showed_it() -> None:
    """b's y has expired, and stands beside a's, which is later than the date. d, which saw a's alone, cleared the set;
    b, which saw both, goes on with it, so its date ends and y stays."""
    colos = Colos("a", "b", "d")
    a, b, d = colos["a"], colos["b"], colos["d"]
    b.set("s").add("y")
    b.expire("s", 1)
    colos.clock.wait(2)
    arrive(d, record(a, lambda kv: kv.set("s").add("y")))
    colos.clock.wait(0.1)
    arrive(a, cut(d, a))
    arrive(b, cut(d, b))
    a.sync(b)
    a.sync(b)
    colos.clock.wait(0.1)
    d.set("s").clear()
    arrive(d, cut(a, d))
    d.compact()
    assert d.floor > 0
    b.set("s").add("q")
    colos.meet()
    assert colos.read("s") == ["q", "y"]
    colos.check()


@guards(
    "What a life's sweep is kept to remember goes with it, for this one takes its place.",
    Line(Draft._clear_expired, "hidden |= {at + path for at, group in groups for path in group}", "pass"),
)
def what_ends_a_date_ends_what_lost_its_container() -> None:
    """b edits in what a sweeps away with a new life; c had dated that key, and the date has passed when b goes on."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.put("d", {"c": {"x": 1}}, strategy="json")
    colos.meet()
    c.expire("d", 1)
    colos.clock.wait(2)
    b.json("d").at("/c/y").put(1)
    a.delete("d")
    a.put("d", {"w": 1}, strategy="json")
    for _ in range(2):
        colos.clock.wait(0.5)
        colos.meet()
    colos.clock.wait(0.5)
    b.json("d").at("/z").put(1)
    b.compact()
    a.compact()
    assert a.floor == b.floor > 0
    colos.meet()
    assert colos.read("d") == {"w": 1, "z": 1}
    colos.check()


@guards(
    "Without its date, what is still older than the date would be shown again, now or when what is beside it goes.",
    Line(forgetting._dead_date, "return out if any(s.stamp < date for cell in left for s in cell) else", "return"),
)
def a_date_stays_while_something_older_than_it_does() -> None:
    """b, unaware of a's date, deletes x after it; the floor lies between: what is left of the document is not shown."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.put("doc", {"x": 1}, strategy="json")
    colos.meet()
    a.expire("doc", 10)
    colos.clock.wait(12)
    for source, target in ((b, c), (a, c), (c, a)):
        arrive(target, cut(source, target))
    colos.clock.wait(3)
    b.json("doc").at("/x").delete()
    arrive(b, cut(a, b))
    arrive(a, cut(b, a))
    assert a.get("doc") is None
    a.compact()
    assert a.floor > 0 and a.get("doc") is None
    colos.meet()
    colos.check()
    assert colos.read("doc") is None


@guards(
    "A date that is not stable may still be put off, so it hides nothing from a purge.",
    Line(forgetting._dead_root, "if settled else 0", ""),
)
def a_date_that_came_late_hides_nothing_from_a_purge() -> None:
    """e, who was evicted, comes back and mints its date anew: it has passed. b, unaware, sets another."""
    colos = Colos("a", "b", "e")
    a, b, e = colos["a"], colos["b"], colos["e"]
    a.put("doc", {"x": 1, "y": 2}, strategy="json")
    colos.meet()
    e.expire("doc", 10)
    a.evict("e")
    a.json("doc").at("/y").delete()
    colos.clock.wait(20)
    a.sync(e)
    for source, target in ((a, b), (b, a), (a, e), (b, e), (e, b), (e, a), (a, b), (b, a)):
        arrive(target, cut(source, target))
    colos.clock.wait(5)
    assert pending.remint(e._replica, e._rule_of) == 1
    arrive(a, cut(e, a))
    assert a.get("doc") is None
    assert a.compact() >= 1
    b.expire("doc", 1000)
    colos.meet()
    assert colos.read("doc") == {"x": 1}
    colos.check()


@guards(
    "cells expired at E <= S and stamped <= S go (json: whole document)",
    Line(
        forgetting._dead,
        "out.update(_dead_date(cells, floor))",
        "out.add(TTL_PATH)",
    ),
)
def a_date_takes_with_it_what_it_hid() -> None:
    colos = Colos("a", "b")
    colos["a"].put("s", ["w"], strategy="set", ttl=30)
    colos["a"].put("doc", {"x": 1}, strategy="json", ttl=30)
    colos.meet()
    colos.clock.wait(60)
    colos.purge()
    for key in ("s", "doc"):
        assert colos.read(key) is None and [cells(kv, key) for kv in colos.values()] == [0, 0]


@guards(
    "From `date` on the key is not shown (None: it stays). Nothing if there is no such key, or nothing changes.",
    Line(Draft.expire, "self._clear_expired(key)", "pass"),
    Line(Draft.expire, "if self._shown(key) is None:", "if False:"),
    Line(Draft.expire, "if date is None and not any(s.payload for s in cell):", "if False:"),
)
def a_new_date_is_for_what_is_shown() -> None:
    """What an earlier one hid does not come back by it; and where nothing is shown it writes nothing."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.set("s").add("x")
    colos.meet()
    a.expire("s", 10)
    colos.clock.wait(20)
    b.set("s").add("y")
    colos.meet()
    a.expire("s", 1000)
    colos.meet()
    assert colos.read("s") == ["y"]
    a.put("k", 1)
    before = a.vector
    a.expire("never", 10)
    a.expire("k", None)
    assert a.vector == before


def _left(cells: Mapping[bytes, Cell], *floors: int) -> set[bytes]:
    """What a purge to these floors, one after the other, leaves of a key with these cells."""
    replica = Replica(MemoryStorage(), State("a~x", ["a~x"], "n"), lambda: 0, lambda: "")
    with replica.transaction():
        for path, cell in cells.items():
            replica.set_cell("k", path, cell)
    for floor in floors:
        with replica.transaction():
            purge_to(replica, floor)
    return {*replica.storage.cells("k")}


@guards(
    "(and than when that was written: else it may come to who has purged without it)",
    Line(forgetting._undeleted, "s.stamp >= min(dates, default=_EVER + 1)", "dates"),
)
def dates_that_came_after_a_delete_leave_nothing_of_it() -> None:
    """A document was deleted beside a concurrent put, and then dated twice. Who had purged before that has dropped it."""
    root, later = b"sjson?wins=delete\0", (("b", 9), 9, expiry(12, "min"))
    cells = {
        root: make_cell([Sibling(("a", 1), 1, None), Sibling(("b", 3), 3, MARK_OBJECT)]),
        TTL_PATH: make_cell([Sibling(("c", 7), 7, expiry(8, "max")), Sibling(*later)]),
    }
    assert _left(cells, 8) == _left(cells, 4, 8) == {TTL_PATH}
    cells[root] = make_cell([Sibling(("a", 1), 1, None), Sibling(("b", 8), 8, MARK_OBJECT)])
    assert _left(cells, 8) == {root, TTL_PATH}, "when the first date has passed it may be shown"


@guards(
    "A date takes nothing that a sweep above S had not seen",
    Line(forgetting._dead_root, "and not _missed(cells, [TTL_PATH], floor)", ""),
)
def nor_does_it_keep_what_goes_without_it() -> None:
    """What is deleted goes before the date came, and after it."""
    dated = {
        b"": (Sibling(("b", 7), 7, sweep({"b": 5}, only=[])),), b"slww\0": (Sibling(("b", 1), 1, None),),
        TTL_PATH: (Sibling(("a", 3), 3, expiry(5, "max")),),
    }  # fmt: skip
    assert _left(dated, 6) == _left(dated, 2, 6) == {b"", TTL_PATH}
