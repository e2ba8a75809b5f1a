"""Deleting much: sweeps of independent elements, hiders of JSON containers."""

from __future__ import annotations

from crdtkv.core import sweeps
from crdtkv.replica import exchange
from crdtkv.replica.draft import Draft
from crdtkv.strategies import document
from crdtkv.strategies.document_edit import Edit
from tests.colos import Colos, arrive, cut, outbox, record, shows
from tests.guards.mutation import Line, guards


@guards(
    "replaces at once every sibling that seen covers in the cells strictly below the container's cell",
    Line(Draft._write, "self._sweep(key, write)", "pass"),
)
def a_sweep_takes_what_its_writer_sees() -> None:
    colos = Colos("a")
    kv = colos["a"]
    kv.set("s").add("x", "y")
    kv.set("s").clear()
    assert "s" not in kv


@guards(
    "absorbing the record that carries it, replaces at once every sibling that seen covers",
    Line(exchange._write, "if write.payload is not None and is_sweep(write.payload):", "if False:"),
    Line(sweeps.swept, "s.dot == skip or not covers(hider.seen, s.dot)", "s.dot == skip or s.dot[1] > 1"),
    Line(sweeps.swept, "s.dot == skip or not covers(hider.seen, s.dot)", "s.dot == skip"),
)
def a_record_s_sweep_takes_what_its_writer_had_seen() -> None:
    """Case 15: clear at a, while b adds red: x goes and red stands, at both."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.set("s").add("x")
    a.set("s").add("y")
    colos.meet()
    cleared = record(a, lambda kv: kv.set("s").clear())
    b.set("s").add("red")
    assert arrive(b, cleared) == "absorbed"
    assert shows(b, "s") == ["red"]
    colos.meet()
    colos.check()
    assert colos.read("s") == ["red"]


@guards(
    "In a record the sweeps are applied before the record's other writes.",
    Line(
        exchange._write,
        "    for write in record.writes:\n        if write.payload",
        "    for write in record.writes:\n        _write_one(replica, write, dot, record.stamp)\n"
        "    for write in record.writes:\n        if write.payload",
    ),
)
def a_sweep_spares_what_was_added_after_it() -> None:
    """add x, clear, add y in one transaction: elsewhere too y is there. (The clear had seen its own transaction.)"""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    sent = outbox(a)
    with a.transaction() as t:
        t.set("s").add("x")
        t.set("s").clear()
        t.set("s").add("y")
    assert arrive(b, sent[0]) == "absorbed"
    assert b["s"] == a["s"] == ["y"]
    colos.check()


@guards(
    "(before below, when bounded)",
    Line(sweeps.swept, "if hider.below is not None and path >= hider.below:", "if False:"),
)
def a_trim_keeps_what_is_younger() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.log("l").append("old")
    colos.clock.wait(10)
    now = int(colos.clock.now * 1000)
    a.log("l").append("new")
    colos.meet()
    trimmed = record(a, lambda kv: kv.log("l").trim(now))
    arrive(b, trimmed)
    assert shows(a, "l") == shows(b, "l") == ["new"]


@guards(
    "An earlier sweep has done its work, and may be purged elsewhere; a mark that the base had not seen stands.",
    Line(Draft._write, "or (sweeps and not is_live(s.payload))", ""),
)
def a_sweep_stands_alone_in_its_cell() -> None:
    """A clear on a base that lacks an earlier clear, where that was purged and where it was not: equal cells."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("s", ["x"], strategy="set")
    colos.meet()
    base = b.set("s").add("y").version
    a.set("s").clear()
    colos.meet()
    colos.clock.wait(20)
    colos.meet()
    b.compact()
    assert b.floor > a.floor
    arrive(b, record(a, lambda kv: kv.delete("s", base=base)))
    arrive(a, cut(b, a))
    assert a.floor == b.floor and a.vector == b.vector
    colos.check()


@guards(
    "Two sweeps of one transaction at one cell are one that reaches what both did, where one can",
    Line(Draft._with_earlier, "join_sweeps(prior[0].payload, write.payload) if prior else write.payload", "write.payload"),
    Line(sweeps.join_sweeps, "merge([a.seen, b.seen])", "b.seen"),
)
def two_sweeps_of_a_transaction_are_one() -> None:
    """The second has an older base: what the first took is gone elsewhere too."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    old = a.set("s").add("x").version
    new = a.set("s").add("y").version
    a.set("s").add("stays")
    colos.meet()
    sent = outbox(a)
    with a.transaction() as t:
        t.operate("s", "set", "clear", base=new)
        t.set("s").add("z")
        t.operate("s", "set", "clear", base=old)
    arrive(b, sent[0])
    assert a["s"] == b["s"] == ["stays"]
    colos.check()


@guards(
    "else the earlier is spelled out, for one that reached more would take elsewhere what its writer left.",
    Line(sweeps._reaches, "covers_all(a.seen, b.seen) and ", ""),
    Line(sweeps._reaches, "and bounded", ""),
    Line(Draft._write, "if joined is None:", "if joined is None and not sweeps:"),
)
def two_sweeps_of_which_neither_reaches_what_the_other_does_are_not_one() -> None:
    """A trim of all up to a time, and a delete of all that an older reader had seen: what is late and unseen stays."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.log("l").append("early, seen")
    unseen = record(b, lambda kv: kv.log("l").append("early, not seen"))
    colos.clock.wait(1)
    bound = int(colos.clock.now * 1000)
    colos.clock.wait(1)
    old = a.log("l").append("late, seen").version
    a.log("l").append("late, not seen")
    arrive(a, unseen)
    colos.meet()
    sent = outbox(a)
    with a.transaction() as t:
        t.log("l").trim(bound)
        t.operate("l", "log", "delete", base=old)
    arrive(b, sent[0])
    assert a["l"] == b["l"] == ["late, not seen"]
    colos.check()


@guards(
    "The cell of an own sweep is about to be written again: what it swept gets tombstones instead.",
    Line(Draft._write, "self._spell_out(key, write.path)", "pass"),
)
def a_sweep_that_is_written_over_in_its_transaction_is_spelled_out() -> None:
    """clear, then put the empty set, in one transaction: its mark stands where the sweep stood; x is gone."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    base = a.set("s").add("x").version
    a.set("s").add("stays")
    colos.meet()
    sent = outbox(a)
    with a.transaction() as t:
        t.operate("s", "set", "clear", base=base)
        t.put("s", [])
    arrive(b, sent[0])
    assert a["s"] == b["s"] == []
    colos.check()


@guards(
    "The cell of an own sweep is about to be written again: what it swept gets tombstones instead.",
    Line(Draft._spell_out, "tuple(sorted({*own.parents, *gone}))", "own.parents"),
)
def what_a_sweep_took_and_its_transaction_wrote_again_is_named() -> None:
    """clear, add x once more, put the empty set, in one transaction: what x had been goes elsewhere too."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    base = a.set("s").add("x").version
    a.set("s").add("stays")
    colos.meet()
    sent = outbox(a)
    with a.transaction() as t:
        t.operate("s", "set", "clear", base=base)
        t.set("s").add("x")
        t.put("s", [])
    arrive(b, sent[0])
    assert a["s"] == b["s"] == []
    colos.check()


@guards(
    "What a sweep covers goes at once; what this draft itself wrote there becomes a tombstone.",
    Line(Draft._sweep, "s._replace(payload=None) if s.dot == self.dot else s for s in cell", "cell"),
)
def a_sweep_takes_what_its_own_transaction_wrote() -> None:
    colos = Colos("a", "b")
    with colos["a"].transaction() as t:
        t.set("s").add("x")
        t.set("s").clear()
    colos.meet()
    assert colos.read("s") is None
    colos.check()


# hiders


@guards(
    "It replaces what its base covers in that cell",
    Line(
        Edit.delete,
        "Write(path, hide(self.env.seen, kind or MARK_OBJECT))",
        "Write(path, hide(self.env.seen, kind or MARK_OBJECT), all=True)",
    ),
)
def a_delete_on_an_old_base_leaves_what_was_made_anew() -> None:
    """c was deleted and made anew since the base: the new one stays."""
    colos = Colos("a", "b")
    a = colos["a"]
    base = a.put("doc", {"c": {"x": 1}}, strategy="json").version
    a.json("doc").at("/c").delete()
    a.json("doc").at("/c").put({})
    a.json("doc").at("/c").delete(base=base)
    assert a["doc"] == {"c": {}}


@guards(
    "some live sibling below, in a child of kind K that is itself shown, is outside every standing hider's seen",
    Line(document.Reader._revived, "s.dot == dot or covers(h.seen, s.dot)", "True"),
)
def an_edit_that_had_not_seen_the_delete_brings_all_back() -> None:
    """Case 11: the whole element with all its members."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"c": {"x": 1, "y": 2}, "d": 0}, strategy="json")
    colos.meet()
    a.json("doc").at("/c").delete()
    b.json("doc").at("/c/x").put(9)
    colos.meet()
    assert colos.read("doc") == {"c": {"x": 9, "y": 2}, "d": 0}


@guards(
    "seen is the base alone; what the hiding transaction itself wrote below is hidden too, by the hider's own dot.",
    Line(document.Reader._revived, "s.dot == dot or covers(h.seen, s.dot)", "covers(h.seen, s.dot)"),
)
def a_delete_hides_what_its_own_transaction_wrote() -> None:
    """On an old base, which does not know of its own transaction."""
    colos = Colos("a", "b")
    base = colos["a"].put("doc", {"c": {"x": 1}}, strategy="json").version
    with colos["a"].transaction() as t:
        t.json("doc").at("/c/y").put(2)
        t.json("doc").at("/c").delete(base=base)
    colos.meet()
    assert colos.read("doc") == {}


@guards(
    "(under `delete-wins`, as for a value: and neither a hider nor a tombstone)",
    Line(document.Reader.candidates, "if self.delete_wins and any(", "if False and any("),
)
def under_delete_wins_an_edit_inside_does_not_bring_it_back() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"c": {"x": 1}, "d": 0}, strategy="json?wins=delete")
    colos.meet()
    a.json("doc").at("/c").delete()
    b.json("doc").at("/c/x").put(9)
    colos.meet()
    assert colos.read("doc") == {"d": 0}
    assert [c.value for c in b.conflicts()] == [9]


@guards(
    "in a child of kind K that is itself shown",
    Line(
        document.Reader._latest_outside,
        "shown = self.shown(node)",
        "shown = self.shown(node) or Shown(MARK_OBJECT, (0, ('', 0)), None)",
    ),
)
def what_is_gone_itself_brings_nothing_back() -> None:
    """b edits c/d/x and then deletes c/d, while a deletes c: the edit is no reason to keep c."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"c": {"d": {"x": 1}}}, strategy="json")
    colos.meet()
    a.json("doc").at("/c").delete()
    b.json("doc").at("/c/d/x").put(2)
    b.json("doc").at("/c/d").delete()
    colos.meet()
    assert colos.read("doc") == {}


@guards(
    "Where several kinds (or scalar values) are shown at one path, the one with the latest rank is read",
    Line(document.Reader.shown, "max(self.candidates(node)", "min(self.candidates(node)"),
)
def of_two_kinds_at_one_path_the_later_is_read() -> None:
    """Case 14: an object and an array: the same winner everywhere, the loser a conflict."""
    colos = Colos("a", "b")
    colos["a"].put("doc", {"c": 0}, strategy="json")
    colos.meet()
    colos["a"].json("doc").at("/c").put({"x": 1})
    colos["b"].json("doc").at("/c").put(["y"])
    colos.meet()
    assert colos.read("doc") == {"c": ["y"]}
    assert colos["a"].get("doc").conflicts == ({"x": 1},)


@guards(
    "A leaf write (delete included) below standing hiders that its base covers also writes a mark in their place.",
    Line(Edit.reassert, "return [Write(path, kind), *writes]", "return writes"),
)
def an_edit_below_a_delete_that_it_knows_puts_a_mark() -> None:
    """c was brought back by b's edit of x; a, who knows, deletes x: y is still there."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"c": {"x": 1, "y": 2}}, strategy="json")
    colos.meet()
    a.json("doc").at("/c").delete()
    b.json("doc").at("/c/x").put(9)
    colos.meet()
    a.json("doc").at("/c/x").delete()
    colos.meet()
    assert colos.read("doc") == {"c": {"y": 2}}


@guards(
    "A container cell that is missing or all tombstones is absent, whatever is below.",
    Line(
        document.Reader.candidates,
        "return [*out, *self._revived(",
        "out = out or [Shown(MARK_OBJECT, (0, ('', 0)), None)][: bool(node.children)]; return [*out, *self._revived(",
    ),
)
def without_a_mark_there_is_no_container() -> None:
    """A number takes the place of an object in which b adds a member; then the number is deleted: nothing is there."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"c": {"x": 1}}, strategy="json")
    colos.meet()
    a.json("doc").at("/c").put(5)
    b.json("doc").at("/c/y").put(9)
    colos.meet()
    a.json("doc").at("/c").delete()
    colos.meet()
    assert colos.read("doc") == {}


@guards(
    "a delete writes, for each strategy root that is present, that strategy's delete",
    Line(Draft.operate, 'if operation.name == "delete":', "if False:"),
)
def a_delete_takes_a_key_under_every_strategy() -> None:
    """Case 39: made as a set at a and as a counter at b; deleted, it is neither."""
    colos = Colos("a", "b")
    colos["a"].put("k", ["x"], strategy="set")
    colos["b"].put("k", 7, strategy="counter")
    colos.meet()
    colos["a"].delete("k")
    colos.meet()
    assert colos.read("k") is None


@guards(
    "What other strategies show of the key is replaced with it, as far as the base had seen it.",
    Line(Draft.operate, 'if operation.name == "put" and shown is not None:', "if False:"),
)
def a_put_takes_the_place_of_what_other_strategies_show() -> None:
    colos = Colos("a", "b")
    colos["a"].put("k", ["x"], strategy="set")
    colos["b"].put("k", 7, strategy="counter")
    colos.meet()
    colos["a"].put("k", 8)
    colos.meet()
    assert colos.read("k") == 8 and colos["a"].get("k").conflicts == ()


@guards(
    "What other strategies show of the key is replaced with it, as far as the base had seen it.",
    Line(Draft.operate, 'if operation.name == "put" and shown is not None:', "if shown is not None:"),
)
def an_operation_leaves_what_other_strategies_show() -> None:
    """Who counts has not looked at the set that another colo made of the key."""
    colos = Colos("a", "b")
    colos["a"].put("k", ["x"], strategy="set")
    colos["b"].put("k", 7, strategy="counter")
    colos.meet()
    colos["a"].counter("k").add(1)
    colos.meet()
    assert colos.read("k") == 8
    assert colos["a"].get("k").conflicts == ({"strategy": "set", "value": ["x"]},)
