"""Absent: what is created where nothing is shown, and the lives of keys."""

from __future__ import annotations

from crdtkv.core import sweeps
from crdtkv.replica import exchange, pending
from crdtkv.replica.draft import Draft
from crdtkv.strategies import cell_reading, forgetting
from crdtkv.strategies.base import Strategy
from crdtkv.strategies.document_edit import Edit
from crdtkv.strategies.list import List
from tests.colos import Colos, arrive, cells, cut, record, shows
from tests.guards.mutation import Line, guards


@guards(
    "A put to a leaf that reads as absent replaces all its siblings, whatever its base.",
    Line(cell_reading.put_beside, 'Write(b"", payload, all=absent)', 'Write(b"", payload)'),
)
def a_put_to_an_absent_leaf_replaces_its_tombstones() -> None:
    """On a base older than the delete, where the tombstone still is and where it was purged: equal cells."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.rules.set("doc", "json", paths={"/m": "mv"})
    base = a.put("doc", {"m": 1, "stays": 0}).version
    a.json("doc").at("/m").delete()
    colos.purge_only("b")
    assert arrive(b, record(a, lambda kv: kv.json("doc").at("/m").put(2, base=base))) == "absorbed"
    arrive(a, cut(b, a))
    assert a.floor == b.floor and colos.read("doc") == {"m": 2, "stays": 0}
    colos.check()


@guards(
    "A delete of what reads as absent writes nothing.",
    Line(Edit.delete, "shown = self.shown(now)", "shown = self.shown(now) or Shown(MARK_OBJECT, (0, ('', 0)), None)"),
)
def a_delete_of_nothing_writes_nothing() -> None:
    """Else it would leave a tombstone at one colo where another has purged one."""
    colos = Colos("a")
    kv = colos["a"]
    kv.put("doc", {"c": {"x": 1}}, strategy="json")
    kv.json("doc").at("/c").delete()
    before = kv.vector
    kv.json("doc").at("/c").delete()
    kv.delete("never")
    assert kv.vector == before


@guards(
    "A delete of what reads as absent writes nothing.",
    Line(List.edit, "tree.range(ELEMENT)", "tree.below()"),
)
def a_clear_of_a_list_of_which_only_a_move_is_left_writes_nothing() -> None:
    """a removes both elements while b moves one. (It had written, and where a purge had been that began a key.)"""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("l", ["x", "y"], strategy="list")
    colos.meet()
    b.list("l").move(1, 0)
    a.list("l").remove(1)
    a.list("l").remove(0)
    colos.meet()
    before = a.vector
    a.list("l").clear()
    assert a.vector == before and colos.read("l") is None


@guards(
    "(Were it written anyway, deletes repeated on one old base would pile up.)",
    Line(cell_reading.take_away, "if covers_live(tree.cell(path), env) else []", ""),
)
def a_delete_of_what_its_base_had_not_seen_writes_nothing() -> None:
    """Three deletes on one old base: the first takes what the base shows, the others nothing."""
    colos = Colos("a", "b")
    a = colos["a"]
    base = a.put("k", 1, strategy="mv").version
    a.put("k", 2)
    for _ in range(3):
        a.delete("k", base=base)
    assert a.get("k").siblings == (2,)
    assert len(a._replica.storage.cells("k")[b"smv\x00"]) == 1


@guards(
    "and tombstones, in the same transaction, every other cell below it that is present here",
    Line(Edit._made, "*inner, *buried]", "*inner]"),
)
def what_is_made_anew_has_none_of_its_old_members() -> None:
    """Case 17."""
    colos = Colos("a", "b")
    colos["a"].put("doc", {"c": {"old": 1, "deep": {"older": 2}}}, strategy="json")
    colos.meet()
    colos["a"].json("doc").at("/c").delete()
    colos["a"].json("doc").at("/c").put({"new": 1, "deep": {}})
    colos.meet()
    colos["b"].json("doc").at("/c").delete()
    colos["b"].json("doc").at("/c").put({"deep": {"newer": 3}})
    colos.meet()
    assert colos.read("doc") == {"c": {"deep": {"newer": 3}}}


@guards(
    "A json container that reads as absent is created by a mark that replaces all siblings of its cell",
    Line(Edit._made, "Write(path, kind, all=True, beats=True)", "Write(path, kind)"),
)
def what_is_made_anew_has_nothing_beside_its_mark() -> None:
    """Under delete-wins, a put of the whole on a base that had not seen the delete of c: c is there again."""
    colos = Colos("a", "b")
    a = colos["a"]
    base = a.put("doc", {"c": {"x": 1}, "d": 0}, strategy="json?wins=delete").version
    a.json("doc").at("/c").delete()
    a.put("doc", {"c": {"x": 2}, "d": 0}, base=base)
    colos.meet()
    assert colos.read("doc") == {"c": {"x": 2}, "d": 0}


@guards(
    "every write that knows of something absent writes as if it had been purged",
    Line(Edit._here, "if shown is None:", "if False:"),
)
def an_operation_where_something_was_deleted_leaves_nothing_of_the_delete() -> None:
    """An array was deleted; a set is begun there by its first element, and b, who knows of neither, edits the array."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"tags": [1], "stays": 0}, strategy="json")
    colos.meet()
    a.json("doc").at("/tags").delete()
    a.rules.set("doc", "json", paths={"/tags": "set"})
    a.json("doc").set("/tags").add(2)
    b.json("doc").list("/tags").append(3)
    colos.meet()
    assert colos.read("doc") == {"tags": [2], "stays": 0}


@guards(
    "neither for which strategy of a key or kind at a path is the later",
    Line(Strategy.standing, "if not self.gone(cell):", "if True:"),
)
def an_add_that_lost_says_nothing_of_how_late_a_key_is() -> None:
    """A set where removes win is made at a, then a register at b; later a adds y once more, which b removes."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    c.put("k", "a register", strategy="lww")
    colos.clock.wait(-1)
    a.put("k", ["x", "y"], strategy="set?wins=remove")
    a.sync(b)
    colos.clock.wait(5)
    b.set("k").remove("y")
    a.set("k").add("y")
    colos.meet()
    assert colos.read("k") == "a register" and c.get("k").conflicts


@guards(
    "An edit by path into it creates each container on the way as above",
    Line(Edit._at, "self._buried(now, part) if shown is None else now.children", "now.children"),
)
def an_edit_by_path_into_what_was_deleted_makes_all_on_the_way_anew() -> None:
    """c is deleted with d in it, where d's own cell still says that it stands."""
    colos = Colos("a", "b")
    a = colos["a"]
    a.put("doc", {"c": {"d": {"x": 1}}}, strategy="json")
    a.json("doc").at("/c").delete()
    a.json("doc").at("/c/d/y").put(2)
    colos.meet()
    assert colos.read("doc") == {"c": {"d": {"y": 2}}}
    colos.check()


# lives


@guards(
    "starts a new life: it replaces the key context",
    Line(Draft._begin_life, "self.replica.set_context(key, {})", "pass"),
)
def a_new_life_has_a_new_version() -> None:
    """Case 45: b's entry of the old life is no part of it."""
    colos = Colos("a", "b")
    colos["b"].put("k", 1)
    colos.meet()
    colos["a"].delete("k")
    colos["a"].put("k", 2)
    colos.meet()
    assert list(colos["b"]._replica.storage.context("k")) == [colos["a"].id]
    colos.check()


@guards(
    "A receiver drops each named entry whose own value is not higher.",
    Line(Draft.record, "tuple(self.lives.items())", "()"),
    Line(exchange._write, "if n > replaced.get(r, 0)", "if True"),
    Line(exchange._write, "if n > replaced.get(r, 0)", "if r not in replaced"),
    Line(exchange._write, "if n > replaced.get(r, 0)", "if False"),
)
def a_record_s_new_life_replaces_what_its_writer_knew() -> None:
    """c's entry goes; b's, raised by a write that a had not seen, stays."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    b.set("s").add("x")
    c.set("s").add("y")
    colos.meet()
    a.set("s").clear()
    anew = cut(a, b)
    life = record(a, lambda kv: kv.set("s").add("new"))
    b.set("s").add("z")
    arrive(b, anew)
    assert arrive(b, life) == "absorbed"
    assert set(b._replica.storage.context("s")) == {a.id, b.id}
    colos.meet()
    colos.check()
    assert colos.read("s") == ["new", "z"]


@guards(
    "nothing of an old life is left standing under any root",
    Line(Draft._begin_life, 'if old or set(self._cells(key)) - written - {b""}:', "if False:"),
)
def a_new_life_leaves_nothing_of_the_old() -> None:
    """b edits the document that a deletes and makes anew as a set: no version could delete b's leaf any more."""
    colos = Colos("a", "b", "c")
    a, b = colos["a"], colos["b"]
    a.put("k", {"x": 1}, strategy="json")
    colos.meet()
    a.delete("k")
    a.put("k", ["s"], strategy="set")
    b.json("k").at("/x").put(9)
    colos.meet()
    assert colos.read("k") == ["s"] and a.get("k").conflicts == ()
    a.delete("k")
    colos.purge()
    assert [cells(kv, "k") for kv in colos.values()] == [0, 0, 0]


@guards(
    "Counters' cells are cancelled and dead instead, and left as they are where they are dead already.",
    Line(Draft._begin_life, "self._cancel(key, set(self._cells(key)))", "pass"),
)
def a_counter_that_expired_begins_at_nothing() -> None:
    """a and b counted 5 each; the key expires; a counts 1: that is all there is."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    for kv in (a, b):
        kv.counter("n").add(5)
    colos.meet()
    a.expire("n", 10)
    colos.meet()
    colos.clock.wait(20)
    assert colos.read("n") is None
    a.counter("n").add(1)
    colos.meet()
    assert colos.read("n") == 1


@guards(
    "It never takes a counter's cell: those are cancelled and dead.",
    Line(sweeps.swept, "and not is_counted(full)", ""),
)
def a_sweep_takes_no_counter_s_cell() -> None:
    """b counts on while a deletes the counter and begins it anew: what was deleted does not count again."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    b.counter("n").add(5)
    colos.meet()
    a.delete("n")
    a.counter("n").add(1)
    b.counter("n").add(2)
    colos.meet()
    assert colos.read("n") == 3


@guards(
    "it goes because of the sweep at the key's own cell, when that and all of it are <= S",
    Line(forgetting._dead_sweep, "return [*(at + path for at, group in old for path in group), *", "return [*"),
)
def edits_of_a_document_that_was_made_anew_are_forgotten() -> None:
    """b's leaf has no document any more; nothing deleted it, so the life's sweep is what remembers it."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", {"x": 1}, strategy="json")
    colos.meet()
    a.delete("k")
    a.put("k", "text", strategy="lww")
    b.json("k").at("/x").put(9)
    colos.purge()
    assert colos.read("k") == "text"
    assert [cells(kv, "k") for kv in colos.values()] == [1, 1]


@guards(
    "it goes because of the sweep at the key's own cell, when that and all of it are <= S, and the sweep goes after all such",
    Line(forgetting._dead_sweep, "if len(old) == len(groups) else []", ""),
    Line(forgetting._dead_sweep, "if all(newest_stamp(cell) <= floor for cell in group.values())", ""),
)
def a_new_life_is_remembered_while_an_edit_of_the_old_one_is_young() -> None:
    """b's leaf is later than the floor, and the life's sweep older: both stay, and go together."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.put("k", {"x": 1}, strategy="json")
    colos.meet()
    a.delete("k")
    a.put("k", "text", strategy="lww")
    colos.clock.wait(10)
    for source, target in ((b, c), (a, c), (c, a)):
        arrive(target, cut(source, target))
    colos.clock.wait(10)
    b.json("k").at("/x").put(9)
    arrive(b, cut(a, b))
    arrive(a, cut(b, a))
    before = cells(a, "k")
    a.compact()
    assert a.floor > 0 and cells(a, "k") == before
    colos.meet()
    colos.check()
    colos.purge()
    assert [cells(kv, "k") for kv in colos.values()] == [1, 1, 1]


@guards(
    "A put to a leaf that reads as absent replaces all its siblings, whatever its base.",
    Line(
        Draft.operate,
        "then = bases.showed(self.replica, key, base, chosen) if shown is not None else None",
        "then = bases.showed(self.replica, key, base, chosen)",
    ),
)
def what_is_absent_can_be_made_whatever_the_base() -> None:
    """The version is a day older than the delete, and forgotten: there is nothing to compare with, and no need to."""
    colos = Colos("a", "b")
    kv = colos["a"]
    old = kv.put("k", ["x"], strategy="set").version
    kv.put("k", ["y"])
    colos.clock.wait(25 * 3600)
    kv.delete("k")
    kv.compact()
    assert kv.put("k", ["z"], base=old, strategy="set").value == ["z"]


@guards(
    "No dot is ever minted twice: a new, wiped, restored or uncertain store takes a new incarnation, and what it wrote "
    "before is kept as it is, minted anew",
    Line(Draft.rewrite, "self._begin_life(key, {write.path})", "pass"),
)
def what_is_minted_anew_where_nothing_is_left_begins_a_life() -> None:
    """e's element of a set that was deleted: p has forgotten the set before e comes back, e has not: equal cells."""
    colos = Colos("x", "p", "z", "e")
    x, p, z, e = (colos[name] for name in "xpze")
    x.put("s", ["el"], strategy="set")
    colos.meet()
    e.set("s").add("el")
    x.set("s").remove("el")
    x.evict("e")
    for _ in range(2):
        for one, other in ((x, p), (x, z), (p, z)):
            arrive(other, cut(one, other))
            arrive(one, cut(other, one))
        colos.clock.wait(20)
    x.sync(e)
    for source, target in ((x, p), (p, e), (e, p), (x, z), (z, p)):
        arrive(target, cut(source, target))
    p.compact()
    assert cells(p, "s") == 0 and cells(e, "s") == 1
    arrive(e, cut(z, e))
    assert pending.remint(e._replica, e._rule_of) == 1
    for source, target in ((e, p), (p, e), (e, p)):
        arrive(target, cut(source, target))
    assert shows(p, "s") == shows(e, "s") == ["el"]
    assert e.vector == p.vector and e.floor == p.floor and e.digest() == p.digest()


@guards(
    "So every write that knows of something absent writes as if it had been purged",
    Line(
        Draft._edit,
        "writes = [w for w in writes if w.payload is not None or self._cells(key).get(tree.prefix + w.path)]",
        "pass",
    ),
)
def a_new_life_says_nothing_of_the_old_one_s_members() -> None:
    """Deleted, and made anew at both: a's document does not delete the member that b's has. (It had, and where a
    purge had been it had not.)"""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("d", {"x": 1}, strategy="json?wins=delete")
    a.delete("d")
    colos.meet()
    a.put("d", {"y": 2}, strategy="json?wins=delete")
    b.put("d", {"x": 3}, strategy="json?wins=delete")
    colos.meet()
    colos.check()
    assert colos.read("d") == {"x": 3, "y": 2}
