"""Cells: the join, and what a write replaces."""

from __future__ import annotations

from crdtkv.core import cells as joins
from crdtkv.core import usual
from crdtkv.core.paths import MEMBER, component
from crdtkv.replica import cutting, exchange
from crdtkv.replica.core import Replica
from crdtkv.replica.draft import Draft
from crdtkv.strategies.document_edit import Edit
from crdtkv.strategies.lww import Lww
from crdtkv.strategies.roots import root_path
from tests.colos import Colos, arrive, cut, outbox, record
from tests.guards.mutation import Both, Line, guards


@guards(
    "keep what both have, and what one has and the other has not seen",
    Line(joins.join_cells, "if s.dot in in_theirs or not covers(their_vector, s.dot)", "if True"),
    Both(
        Line(joins.join_cells, "if s.dot in in_theirs or not covers(their_vector, s.dot)", "if True"),
        Line(usual.succeeds, "if len(theirs) != 1 or len(mine) > 1:", "if True:"),
    ),
)
def what_the_other_saw_and_replaced_goes() -> None:
    """b puts 2 over the 0 and 1 it had seen: who joins b's cell keeps neither."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    for kv, value in ((a, 0), (b, 1)):
        kv.put("k", value, strategy="mv")
    colos.meet()
    b.put("k", 2)
    assert arrive(a, cut(b, a)) == "absorbed"
    assert a.get("k").siblings == (2,)
    colos.check()


@guards(
    "keep what both have, and what one has and the other has not seen",
    Line(joins.join_cells, "if s.dot not in in_mine and not covers(my_vector, s.dot)", "if s.dot not in in_mine"),
)
def what_i_saw_and_replaced_does_not_return() -> None:
    """A catch-up comes twice, the second time after its value was replaced: it stays replaced."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", 1, strategy="mv")
    late = cut(a, b)
    arrive(b, late)
    b.put("k", 2)
    arrive(b, late)
    assert b.get("k").siblings == (2,)


@guards(
    "keep what both have, and what one has and the other has not seen",
    Line(joins.join_cells, "if s.dot in in_theirs or not covers", "if not covers"),
    Line(joins.join_cells, "if s.dot in in_theirs or not covers(their_vector, s.dot)", "if s.dot in in_theirs"),
)
def concurrent_values_all_stand() -> None:
    """1 and 2 are known to both, 3 to b and 4 to a: after the join all four stand."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    for value, kv in ((1, a), (2, b), (3, c)):
        kv.put("k", value, strategy="mv")
    version = a.get("k").version
    a.sync(b)
    b.sync(c)
    a.put("k", 4, base=version)
    arrive(a, cut(b, a))
    assert sorted(a.get("k").siblings) == [2, 3, 4]


@guards(
    "one new sibling, where nothing was or one that its sender had seen and replaced",
    Line(usual.succeeds, "n <= their_vector.get(replica, 0)", "True"),
    Line(usual.succeeds, "if len(theirs) != 1 or len(mine) > 1:", "if len(theirs) != 1:"),
    Line(usual.succeeds, "if n <= my_vector.get(replica, 0):", "if False:"),
)
def what_comes_alone_takes_the_place_of_what_it_replaced_and_of_no_other() -> None:
    """c put 3 over a's 1, not knowing b's 2; the message comes once more when all is deleted and purged."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    for kv, value in ((a, 1), (b, 2)):
        kv.put("k", value, strategy="mv")
    arrive(c, cut(a, c))
    arrive(a, cut(b, a))
    assert a.get("k").siblings == (1, 2)
    c.put("k", 3)
    late = cut(c, a)
    arrive(a, late)
    assert a.get("k").siblings == (2, 3)
    colos.meet()
    a.delete("k")
    colos.purge()
    arrive(a, late)
    assert a.get("k") is None
    colos.check()


@guards(
    "Those of `cells` that stand where nothing does here",
    Line(exchange._new_here, "if not parents and n > known(replica, 0):", "if not parents:"),
    Line(exchange._new_here, "and len(cell) == 1", ""),
)
def what_was_swept_does_not_come_back_with_what_is_new() -> None:
    """c clears b's x, and is told of it once more; by d, together with a's, which c had not seen."""
    for beside in (False, True):
        colos = Colos("a", "b", "c", "d")
        a, b, c, d = (colos[name] for name in "abcd")
        b.set("tags").add("x")
        late = cut(b, c)
        arrive(c, late)
        arrive(d, late)
        if beside:
            a.set("tags").add("x")
            arrive(d, cut(a, d))
            late = cut(d, c)
        c.set("tags").clear()
        arrive(c, late)
        assert set(c.set("tags")) == ({"x"} if beside else set())
        [swept, *left] = c._replica.storage.cells("tags").values()
        assert len(swept) == 1 and list(map(len, left)) == [1] * beside
        colos.meet()
        colos.check()


@guards(
    "Join a key of which nothing is known here, where all that came is new",
    Line(exchange._begin_key, "n <= before.get(r, 0) or", ""),
)
def what_was_forgotten_whole_is_no_new_key() -> None:
    """Not even its history is kept; an old message comes once more."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.rules.set("k", "mv", keep_cells=0)
    colos.meet()
    a.put("k", 1)
    late = cut(a, b)
    arrive(b, late)
    a.delete("k")
    colos.purge()
    arrive(b, late)
    assert b.get("k") is None
    colos.check()


@guards(
    "A payload is a value, a mark (a container of some kind stands here), a hider, a sweep, or nothing (tombstone).",
    Line(Draft._write, "make_cell([own, *(", "make_cell([*[own] * (write.payload is not None), *("),
)
def a_delete_leaves_a_trace() -> None:
    """What is gone without a tombstone would be told to nobody."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", 1)
    colos.meet()
    a.delete("k")
    arrive(b, cut(a, b))
    assert b.get("k") is None


@guards(
    "A transaction mints one dot and leaves at most one sibling with it per cell.",
    Line(Draft._write, "gone = {*replaced, self.dot}", "gone = {*replaced}"),
)
def a_cell_written_twice_in_a_transaction_holds_the_second() -> None:
    colos = Colos("a", "b")
    with colos["a"].transaction() as t:
        version = t.put("k", 1, strategy="mv").version
        t.put("k", 2, base=version)
    colos.meet()
    assert colos["b"].get("k").siblings == (2,)
    colos.check()


@guards(
    "parents = what it replaced; lost = those its base had not covered.",
    Line(Draft._sibling, "tuple(sorted({*replaced, *(prior.parents if prior else ())})),", "tuple(sorted(replaced)),"),
    Line(Draft._sibling, "tuple(sorted({*replaced, *(prior.parents if prior else ())})),", "(),"),
    Line(Draft.put_leaf, "payload, (was[0],), ()))", "payload, (), ()))"),
    Line(Draft.put_leaf, "and was[0] != dot", ""),
    Line(Draft.put_leaf, "[s.dot for s in old if s.dot != dot]", "[]"),
)
def a_record_names_all_that_its_writes_replaced() -> None:
    """Written twice in one transaction, a cell's sibling has the parents of both writes."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    for key in ("k", "l"):
        a.put(key, 1)
    a.set("m").add("x")
    colos.meet()
    for kv in (a, b):
        kv.set("s").add("x")
    colos.meet()
    sent = outbox(a)
    with a.transaction() as t:
        t.put("k", 2)
        t.put("k", 3)
        base = t.get("l").version
        t.put("l", 2, base=base)
        t.put("l", 3, base=base)
        t.set("s").add("x")
        t.set("m").add("x")
    assert arrive(b, sent[0]) == "absorbed"
    colos.check()
    assert [len(b._replica.storage.cells(key).popitem()[1]) for key in ("k", "l", "s", "m")] == [1, 1, 1, 1]


@guards(
    "parents = what it replaced; lost = those its base had not covered.",
    Line(Draft._write, "if write.beats and based and not covered(dot)", "if False"),
    Line(Draft._sibling, "*(prior.lost if prior else ())", ""),
)
def who_is_overwritten_unseen_is_told() -> None:
    """b's 2 is overwritten on a base that lacks it, and once more in the same transaction: b's inbox has it."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    version = a.put("k", 1).version
    colos.meet()
    b.put("k", 2)
    colos.meet()
    with a.transaction() as t:
        t.put("k", 3, base=version)
        t.put("k", 4, base=version)
    colos.meet()
    assert [(c.value, c.winner) for c in b.conflicts()] == [(2, 4)]


@guards(
    "A write replaces, at its cell, either what its base covers or (all) whatever stands",
    Line(Draft._covers, "covers(base, dot) or dot == own", "True"),
)
def a_base_covers_what_it_had_seen() -> None:
    """Two puts on one base, of a strategy that keeps what nobody replaced: both stand."""
    colos = Colos("a", "b")
    a = colos["a"]
    version = a.put("k", 1, strategy="mv").version
    a.put("k", 2, base=version)
    a.put("k", 3, base=version)
    assert a.get("k").siblings == (2, 3)


@guards(
    "A base is a key context. Default: all that this replica has absorbed.",
    Line(Draft._covers, "return _everything", "return lambda dot: dot[0] == self.dot[0]"),
)
def without_a_base_all_that_is_here_is_replaced() -> None:
    """One by the long way: two stood there."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    version = a.put("k", 1, strategy="mv").version
    for kv in (a, b):
        colos.meet()
        kv.put("k", 2, base=version)
    colos.meet()
    b.put("k", 3)
    colos.meet()
    assert colos.read("k") == 3 and a.get("k").siblings == (3,)


@guards(
    "for strategies that rank (lww, max, min, latch, counters; values put and containers made in a document: "
    "everything ranked lower here)",
    Line(Lww.edit, '[Write(b"", values.pack(value), all=True, beats=True)]', '[Write(b"", values.pack(value))]'),
)
def what_ranks_keeps_one_sibling_whatever_the_base() -> None:
    """Case 48: puts on one old base leave one sibling, not one each."""
    colos = Colos("a", "b")
    a = colos["a"]
    base = a.put("k", 0, strategy="lww").version
    for value in (1, 2, 3):
        a.put("k", value, base=base)
    [cell] = [c for p, c in a._replica.storage.cells("k").items() if p[:1] == b"s"]
    assert len(cell) == 1 and a["k"] == 3


@guards(
    "for strategies that rank (lww, max, min, latch, counters; values put and containers made in a document: "
    "everything ranked lower here)",
    Line(Edit._put_value, "Write(path, packed, all=True, beats=True)", "Write(path, packed)"),
    Line(Edit._made, "Write(path, kind, all=True, beats=True)", "Write(path, kind)"),
)
def so_does_a_member_of_a_document() -> None:
    """On one old base a value, a container and a value again are put: the last is all that stands, and the inbox says
    what it beat. A delete on that base has seen none of it, and takes nothing."""
    colos = Colos("a")
    a = colos["a"]
    base = a.put("doc", {"x": 0}, strategy="json").version
    for value in (1, {"y": 2}, 3):
        a.put("doc", {"x": value}, base=base)
        cell = a._replica.storage.cells("doc")[root_path("json") + component(MEMBER, b"x")]
        assert a["doc"] == {"x": value} and len(cell) == 1
    assert list(a.conflicts("doc"))
    before = a.vector
    a.json("doc").at("/x").delete(base=base)
    assert a["doc"] == {"x": 3} and a.vector == before


@guards(
    "The order that decides between concurrent siblings: stamp, then dot.",
    Line(joins.rank, "(sibling.stamp, sibling.dot)", "(sibling.dot, sibling.stamp)"),
)
def the_later_of_two_concurrent_writes_shows() -> None:
    """Case 22: c wrote first, a later, neither knowing of the other: a's shows, though c is the greater name."""
    colos = Colos("a", "b", "c")
    colos["c"].put("k", "earlier")
    colos.clock.wait(1)
    colos["a"].put("k", "later")
    colos.meet()
    assert colos.read("k") == "later"


@guards(
    "(Not a plain maximum: the write that re-creates an absent key replaces its context, and a maximum "
    "would bring the replaced entries back.)",
    Line(joins.join_contexts, "elif m > their_vector.get(replica, 0):", "elif m:"),
    Line(joins.join_contexts, "elif t > my_vector.get(replica, 0):", "elif t:"),
)
def contexts_join_as_siblings_do() -> None:
    """a deletes what b wrote, and makes the key anew: who catches up forgets b's entry, for good."""
    colos = Colos("a", "b", "c")
    a, b = colos["a"], colos["b"]
    b.put("k", 1)
    colos.meet()
    late = cut(b, colos["c"], full=True)
    a.delete("k")
    a.put("k", 2)
    arrive(b, cut(a, b))
    arrive(a, late)
    assert a.get("k").version == b.get("k").version
    assert list(a._replica.storage.context("k")) == [a.id] == list(b._replica.storage.context("k"))


@guards(
    "Then the writer's entry is set to n.",
    Line(Replica.touch, "{**context, replica: n}", "context"),
    Line(exchange._write, "replica.touch(key, dot)", "pass"),
    Line(exchange._write, "replica.touch(one[0], dot)", "pass"),
    Line(cutting._cut, "make(key, storage.context(key), cells, paths)", "make(key, {}, cells, paths)"),
)
def a_version_names_the_last_who_touched_the_key_of_each_colo() -> None:
    """At who wrote, at who got the record, of one write or of several, and at who got a catch-up."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    for wrote in (("k",), ("k",), ("k", "l")):
        arrive(b, record(a, lambda kv, wrote=wrote: kv.update(dict.fromkeys(wrote, a.vector.get(a.id, 0)))))
        arrive(c, cut(a, c))
        assert [kv._replica.storage.context("k") for kv in (a, b, c)] == [{a.id: a.vector[a.id]}] * 3


@guards(
    "where both have an entry, the greater",
    Line(joins.join_contexts, "out[replica] = max(m, t)", "out[replica] = m"),
)
def of_two_entries_of_a_context_the_greater_holds() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", 1)
    colos.meet()
    a.put("k", 2)
    arrive(b, cut(a, b))
    assert a.get("k").version == b.get("k").version


@guards(
    "what it replaces without its base having seen it is a lost write, for the inbox of who wrote that",
    Line(Draft._write, "if write.beats and based and not covered(dot)", "if based and not covered(dot)"),
    Line(Draft._write, "if write.beats and based and not covered(dot)", "if write.beats and based"),
)
def who_was_seen_or_agreed_with_lost_nothing() -> None:
    """b's 2 was in the base; its element, added by a as well on a base without it, is in the set; a move is no write."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", 1)
    base = a.put("s", ["x"], strategy="set").version
    unmoved = a.put("l", ["x", "y", "z"], strategy="list").version
    colos.meet()
    b.put("k", 2)
    b.set("s").add("y")
    b.list("l").move(2, 0)
    colos.meet()
    a.put("k", 3, base=a.get("k").version)
    a.operate("s", "set", "add", "y", base=base)
    a.operate("l", "list", "move", 0, 1, base=unmoved)
    colos.meet()
    assert b.conflicts() == []


@guards(
    "Its own dot is not absorbed yet, but a receipt of this transaction may name it.",
    Line(Draft.operate, "{r: n for r, n in base.items() if (r, n) != self.dot}", "base"),
    Line(Draft._covers, "covers(base, dot) or dot == own", "covers(base, dot)"),
)
def a_transaction_may_edit_what_it_has_just_written() -> None:
    """On the version of its own receipt; and on an older one, which covers it all the same."""
    colos = Colos("a")
    kv = colos["a"]
    old = kv.put("s", ["x"], strategy="set").version
    with kv.transaction() as t:
        new = t.put("s", ["x", "y"]).version
        t.put("s", ["x", "y", "z"], base=new)
        t.operate("s", "set", "remove", "y", base=old)
    assert kv["s"] == ["x", "z"]


@guards(
    "Operations to which it does not matter what the client had read.",
    Line(Draft.operate, "base = None if operation.name in chosen.baseless else base", "pass"),
)
def an_add_asks_for_no_base() -> None:
    """b counts on with a version that it has not heard of yet."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.counter("n").add(1)
    colos.meet()
    version = a.counter("n").add(1).version
    b.operate("n", "counter", "add", 1, base=version)
    colos.meet()
    assert colos.read("n") == 3
