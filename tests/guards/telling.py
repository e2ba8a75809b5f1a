"""The inbox: every loser leaves a trace, once, at the colo that minted it."""

from __future__ import annotations

import crdtkv
from crdtkv.core import values
from crdtkv.replica import exchange, inbox
from crdtkv.replica.draft import Draft
from crdtkv.strategies import burial, json
from crdtkv.strategies.base import Strategy
from crdtkv.strategies.document_edit import Edit
from crdtkv.strategies.json import Json
from crdtkv.strategies.merge import Merge, install
from crdtkv.strategies.set import Set
from tests.colos import Colos, arrive, calls, cut, limited, record, shows
from tests.guards.mutation import Line, guards


def lost(kv: crdtkv.Store) -> list[tuple[object, object]]:
    """(what lost, what beat it), oldest first."""
    return [(c.value, c.winner) for c in kv.conflicts()]


@guards(
    "Our siblings that still stand but are not what a reader sees any more.",
    Line(inbox._beaten, "out += _outranked(path, mine, old, new, lost_in)", "pass"),
    Line(inbox._ours, "if s.dot[0] in replica.state.lineage and is_live(s.payload)", "if is_live(s.payload)"),
    Line(inbox.note, "if _is_of_others(replica.storage, key, changed, ours):", "if True:"),
    Line(inbox._has, "if dot[0] in ours:", "if False:"),
)
def who_wrote_earlier_is_told_and_nobody_else() -> None:
    """Also not who wrote something else of the key."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    c.put("doc", {"own": 0})
    colos.meet()
    for kv, value in ((a, 1), (b, 2)):
        kv.put("k", value)
        kv.json("doc").at("/x").put(value)
    c.sync(a)
    c.sync(b)
    colos.meet()
    assert lost(a) == [(1, 2), (1, 2)] and lost(b) == lost(c) == []


@guards(
    "Recorded once, at the colo that minted the loser, when it learns of what beat it.",
    Line(exchange.take, "inbox.note(replica)", "pass"),
    Line(exchange._take_record, "inbox.note(replica)", "pass"),
)
def who_lost_is_told_however_it_learns_of_it() -> None:
    for how in ("record", "catch-up"):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        a.put("k", 1)
        later = record(b, lambda kv: kv.put("k", 2))
        arrive(a, later if how == "record" else cut(b, a))
        arrive(a, later if how == "record" else cut(b, a))
        assert lost(a) == [(1, 2)]


@guards(
    "Our edits below a container that was taken away, or made something else, by who had not seen them.",
    Line(inbox._beaten, "out += _hidden(replica, key, path, old, new, arrived)", "pass"),
)
def who_edited_what_was_deleted_is_told() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"c": {"x": 1}}, strategy="json?wins=delete")
    colos.meet()
    a.json("doc").at("/c").delete()
    b.json("doc").at("/c/x").put(9)
    colos.meet()
    assert lost(b) == [(9, None)] and lost(a) == []


@guards(
    "Our edits below a container that was taken away, or made something else, by who had not seen them.",
    Line(inbox._hidden, "if kinds or not is_live(s.payload)", "if not is_live(s.payload)"),
    Line(Json.reaches, "if not of_kind(first(part)[1] if part[:1] == ORDER else part, shown.kind):", "if False:"),
)
def who_edited_what_was_made_something_else_is_told() -> None:
    """And what has its place now. Of what the other had seen nobody is told anything."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    b.put("doc", {"c": {"x": 1, "y": 2}}, strategy="json")
    colos.meet()
    a.put("doc", {"c": 5})
    b.json("doc").at("/c/x").put(9)
    colos.meet()
    assert colos.read("doc") == {"c": 5}
    assert lost(b) == [(9, 5)] and lost(a) == []


@guards(
    "Find what our transaction `dot`, on bases that had not seen them, took from our own earlier writes.",
    Line(Draft.record, "inbox.note_own(replica, self.dot)", "pass"),
    Line(inbox.note_own, "_replaced(_ours(replica, old), path, own, new)", "()"),
    Line(inbox.note_own, "_hidden(replica, key, path, old, new, own)", "()"),
    Line(Edit._made, "w._replace(beats=True)", "w"),
)
def of_two_clients_of_one_colo_the_one_who_lost_is_told() -> None:
    """Both had read the same: what the second put does not know the first. Equal values lost nothing."""
    kv = Colos("a")["a"]
    base = kv.put("k", 1, strategy="lww").version
    kv.put("k", 2, base=base)
    kv.put("k", 2, base=base)
    kv.put("k", 3, base=base)
    assert lost(kv) == [(2, 3)]
    for strategy, change in (
        ("json?wins=delete", lambda base: kv.json("json?wins=delete").at("/c").delete(base=base)),
        ("json", lambda base: kv.put("json", {"c": [1]}, base=base)),
    ):
        base = kv.put(strategy, {"c": {"x": 1}}, strategy=strategy).version
        kv.json(strategy).at("/c/x").put(9)
        kv.json(strategy).at("/d").put(0)
        change(base)
    assert sorted((c.key, c.path, c.value) for c in kv.conflicts("json")) == [
        ("json", "/c/x", 9), ("json?wins=delete", "/c/x", 9),
    ]  # fmt: skip


@guards(
    "Our siblings that who replaced them had not seen; two who wrote the same lost nothing.",
    Line(inbox._replaced, "and s.payload != w.payload", ""),
)
def who_wrote_the_same_lost_nothing() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    base = a.put("k", 1, strategy="lww").version
    colos.meet()
    a.put("k", 2)
    arrive(b, cut(a, b))
    b.put("k", 2, base=base)
    colos.meet()
    assert lost(a) == lost(b) == []


@guards(
    "Where it stands, and what it is.",
    Line(
        inbox._of_another_kind, "winner = (path, live[-1])", "winner = (above + ours[0][0], live[-1]) if ours else None"
    ),
    Line(Merge.says, "return said[0] if isinstance(said, list) and said else ABSENT", "return said"),
)
def a_note_tells_values_and_not_how_they_are_kept() -> None:
    """Of a merge function's put the value alone; of what beat it what it says where it stands."""
    install("telling", lambda base, mine, theirs: mine if theirs == base else theirs)
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.rules.set("doc", "json", paths={"/x": "merge:telling"})
    a.put("doc", {"x": 0})
    a.put("doc", {"y": 0})
    colos.meet()
    a.json("doc").at("/x").put(1)
    b.rules.set("doc", "json")
    b.json("doc").at("/x").put(["two"])
    colos.meet()
    assert colos.read("doc") == {"x": ["two"], "y": 0} and lost(a) == [(1, ["two"])]


@guards(
    "A new put of what was lost, by who has read what stands now.",
    Line(Merge.restore, "payload = values.pack([said[0]] if shown is ABSENT else [said[0], shown])", "pass"),
    Line(
        Json.restore,
        "again = nested_strategy(parts[at]).restore(",
        "again = Strategy.restore(nested_strategy(parts[at]), ",
    ),
)
def what_is_restored_under_a_merge_function_knows_what_stands() -> None:
    """Folded with a write of b that knew what a had restored over, it counts from that."""
    for path in ("", "/n", "/smerge:sum"):  # (the last is a name that looks like a strategy's component)
        install("sum", lambda base, mine, theirs: mine + theirs - (base or 0))
        kv = Colos("a")["a"]
        if path:
            kv.rules.set("n", "json", paths={path: "merge:sum"})
        put = (lambda n, kv=kv, path=path: kv.json("n").at(path).put(n)) if path else (lambda n, kv=kv: kv.put("n", n))
        if path:
            kv.put("n", {})
        else:
            kv.rules.set("n", "merge:sum")
        put(5)
        [old] = [s for at, c in kv._replica.storage.cells("n").items() for s in c if at.endswith(b"merge:sum\x00")]
        put(7)
        where = next(at for at in kv._replica.storage.cells("n") if at.endswith(b"merge:sum\x00"))
        kv._run(lambda draft, where=where, old=old: draft.restore("n", where, old.payload))
        [now] = kv._replica.storage.cells("n")[where]
        assert values.unpack(now.payload or b"") == [5, 7]


@guards(
    "Our deletes of containers above `path` that an edit which had not seen them may have undone.",
    Line(inbox.note, "in _undone(replica, key, path, [s for s in new if s not in old]):", "in ():"),
    Line(inbox._came_plainly, "and not _is_of_whole(path[: component_end(path, 0)])", ""),
    Line(inbox._came_alone, "or _is_of_whole(root)", ""),
)
def whose_delete_was_undone_is_told() -> None:
    """By an edit of what was there, and by one that adds to it, be it much."""
    for member in ("x", "y", "z"):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        a.put("doc", {"c": {"x": 1}}, strategy="json")
        colos.meet()
        a.json("doc").at("/c").delete()
        with b.transaction() as t:
            for n in range(40 if member == "z" else 1):
                t.json("doc").at(f"/c/{member}{n or ''}").put(9)
        colos.meet()
        assert {c.reason for c in a.conflicts()} == {"a concurrent edit brought back what was deleted"}


@guards(
    "A new life of the key began: our concurrent edits of a document that it replaced are lost.",
    Line(inbox.note, "_note_swept(replica, key)", "pass"),
    Line(inbox._note_swept, "if mine and not found.reaches(tree, path) else ()", "if mine and not tree.cell() else ()"),
)
def who_edited_what_was_made_anew_is_told() -> None:
    """Under another strategy, or under the same."""
    for strategy, value in (("lww", "text"), ("json", {"y": 2})):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        a.put("k", {"x": {"z": 1}}, strategy="json")
        colos.meet()
        a.delete("k")
        a.put("k", value, strategy=strategy)
        b.json("k").at("/x/z").put(9)
        colos.meet()
        assert lost(b) == [(9, None)] and lost(a) == [] and colos.read("k") == value


@guards(
    "Whether who had seen it deleted what it is in: then it is not lost.",
    Line(inbox._note_swept, "if not _deleted(tree, path, s)", ""),
    Line(inbox._hidden, "and not _deleted(tree, below, s)", ""),
)
def who_edited_in_what_a_new_document_lacks_is_told() -> None:
    """a's new document has no c, into which b wrote 9; that b itself deleted d is no loss."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", {"c": {"x": 1}, "d": {"y": 1}}, strategy="json")
    colos.meet()
    a.delete("k")
    a.put("k", {"n": 1}, strategy="json")
    b.json("k").at("/c/x").put(9)
    b.json("k").at("/d/y").put(8)
    b.json("k").at("/d").delete()
    colos.meet()
    assert lost(b) == [(9, None)] and colos.read("k") == {"n": 1}


@guards(
    "Bounded: the oldest go first.",
    Line(inbox.put, "if len(rows) >= MAX_INBOX:", "if False:"),
    Line(inbox.put, "put_inbox(min(rows), None)", "put_inbox(max(rows), None)"),
)
def an_inbox_holds_the_latest() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    with limited(inbox, "MAX_INBOX", 2):
        for n in range(3):
            a.put(f"k{n}", n)
            b.put(f"k{n}", "later")
        colos.meet()
    assert [value for value, _ in lost(a)] == [1, 2]


@guards(
    "What once stood at `path` stands there again, and the containers it was in: nothing else of theirs comes back.",
    Line(burial.restore, "yield Write(at, kind, all=True)", "pass"),
    Line(burial.restore, "yield from (w for w in bury(reader, at, node) if", "yield from (w for w in () if"),
)
def what_was_lost_can_be_brought_back() -> None:
    """Also into a container that is not there any more, without y, which was in it; and then it is no conflict."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"c": {"x": 1, "y": 2}}, strategy="json?wins=delete")
    colos.meet()
    a.json("doc").at("/c").delete()
    b.json("doc").at("/c/x").put(9)
    colos.meet()
    b.conflicts()[0].restore()
    assert shows(b, "doc") == {"c": {"x": 9}} and b.conflicts() == []
    colos.meet()
    assert colos.read("doc") == {"c": {"x": 9}}


@guards(
    "The writes that make what once stood at `path` stand there again, where a reader sees it.",
    Line(Strategy.restore, "[Write(path, payload, all=True)]", "[]"),
    Line(burial.restore, "yield Write(path, payload, all=True)", "pass"),
)
def a_value_that_lost_can_be_brought_back() -> None:
    for strategy in ("lww", "json"):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        a.put("k", 1, strategy=strategy)
        b.put("k", 2, strategy=strategy)
        colos.meet()
        a.conflicts()[0].restore()
        colos.meet()
        assert colos.read("k") == 1


@guards(
    "What a sibling at `path` says, shown or not; ABSENT for a delete.",
    Line(Strategy.told, "self.says(path, sibling)", "_readable(sibling.payload)"),
)
def what_was_lost_of_a_set_or_a_counter_is_told_in_their_words() -> None:
    """The element, and what was counted: not how a cell keeps it."""
    for spec, edit, said in (
        ("set", lambda kv: kv.set("k").add("x"), "x"),
        ("counter", lambda kv: kv.counter("k").add(3), 3),
    ):
        kv = Colos("a")["a"]
        edit(kv)
        [(found, tree)] = kv._replica.roots("k")
        [(path, cell)] = [(at, cell) for at, cell in tree.below()]
        assert found.name == spec and found.told(tree, path, cell[0]) == said


@guards(
    "Where a strategy of its own shows more than one value: the path and the values",
    Line(Json.siblings, "list(_siblings(reader, node, ()))", "[]"),
)
def values_side_by_side_in_a_document_are_shown() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.rules.set("doc", "json", paths={"/rooms/*": "mv"})
    a.put("doc", {"rooms": ["free"], "x": 0})
    colos.meet()
    a.json("doc").at("/rooms/0").put("ann")
    b.json("doc").at("/rooms/0").put("bob")
    colos.meet()
    for kv in colos.values():
        entry = kv.get("doc")
        assert entry is not None and entry.siblings == ({"path": "/rooms/0", "values": ["ann", "bob"]},)
    b.json("doc").at("/rooms/0").put("both")
    colos.meet()
    assert [kv.get("doc").siblings for kv in colos.values()] == [(), ()]  # type: ignore[union-attr]


@guards(
    "Under wins=remove what was added while another removed it.",
    Line(Set.losers, "if not self.add_wins else ()", "if False else ()"),
    Line(json._losers_of_its_own, "if not other and not node.disputed():", "if not other and len(node.cell) < 2:"),
)
def who_added_what_another_removed_is_told() -> None:
    """Where removes win; at a key of its own and in a document."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.rules.set("doc", "json", paths={"/s": "set?wins=remove"})
    a.put("doc", {"s": ["x", "y"]})
    a.put("s", ["x", "y"], strategy="set?wins=remove")
    colos.meet()
    for handle in (a.set("s"), a.json("doc").set("/s")):
        handle.remove("x")
    for handle in (b.set("s"), b.json("doc").set("/s")):
        handle.add("x")
    colos.meet()
    assert colos.read("s") == ["y"] and colos.read("doc") == {"s": ["y"]}
    assert lost(a) == [] and lost(b) == [("x", None)] * 2
    b.conflicts("s")[0].restore()
    b.conflicts("doc")[0].restore()
    colos.meet()
    assert colos.read("s") == ["x", "y"] and colos.read("doc") == {"s": ["x", "y"]}


@guards(
    "What loses in the cells of a strategy of its own: to siblings, or all of it to another kind that is read.",
    Line(json._losers_of_its_own, "for at, cell in node.cells():", 'for at, cell in [(b"", node.cell)]:'),
    Line(inbox._kin, "yield from (place + at for at, _ in below.below(root))", "pass"),
)
def who_added_to_what_became_another_kind_is_told() -> None:
    """a's set and counter, at places where b, under no rule yet, puts objects later; and the other way round."""
    for first in "ab":
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        b.put("doc", {"y": 0})
        colos.meet()
        a.rules.set("doc", "json", paths={"/s": "set", "/n": "counter"})

        def own(a: crdtkv.Store = a) -> None:
            a.json("doc").set("/s").add("x", "z")
            a.json("doc").counter("/n").add(3)

        def plain(b: crdtkv.Store = b) -> None:
            b.json("doc").at("/s").put({"o": 1})
            b.json("doc").at("/n").put({"o": 2})

        for act in (own, plain) if first == "a" else (plain, own):
            act()
        colos.meet()
        if first == "a":
            assert colos.read("doc") == {"s": {"o": 1}, "n": {"o": 2}, "y": 0} and lost(b) == []
            assert sorted(lost(a), key=repr) == [("x", {"o": 1}), ("z", {"o": 1}), (3, {"o": 2})]
        else:
            assert colos.read("doc") == {"s": ["x", "z"], "n": 3, "y": 0} and lost(a) == []
            assert [value for value, _ in lost(b)] == [{"o": 1}, {"o": 2}]


@guards(
    "Asked once for each strategy: to look through a document for each of its cells would take its size squared.",
    Line(inbox._Once.__missing__, "found = self[given] = self._of(given)", "found = self._of(given)"),
)
def to_tell_of_many_costs_what_they_are() -> None:
    """Four times as many members that both wrote are told of with some four times the work, not sixteen times."""
    work = []
    for count in (50, 200):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        a.put("doc", {}, strategy="json")
        colos.meet()
        for kv in (a, b):
            kv.put("doc", {f"m{i}": f"{kv.colo}{i}" for i in range(count)})
        said = cut(b, a)
        work.append(calls(lambda a=a, said=said: arrive(a, said)))
        assert len(a.conflicts()) == count
    assert work[1] < 8 * work[0]


@guards(
    "Where deletes win a value may stand beside one.",
    Line(json._losers, "if is_value(s.payload) and (shown is None or", "if shown is not None and is_value(s.payload) and ("),
)
def a_leaf_that_a_delete_beat_is_told() -> None:
    """A member, a whole document that is one value, and an element, under wins=delete."""
    for before, path in (({"x": 1, "y": 2}, "/x"), ({"l": [1, 2]}, "/l/0"), (1, "")):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        a.put("k", before, strategy="json?wins=delete")
        colos.meet()
        if path:
            a.json("k").at(path).delete()
        else:
            a.delete("k")
        b.json("k").at(path).put(5)
        colos.meet()
        assert [c.value for c in b.conflicts()] == [5], path
