"""The inbox: every loser leaves a trace, once, at the colo that minted it."""

from __future__ import annotations

import crdtkv
from crdtkv.replica import exchange, inbox
from crdtkv.strategies import burial
from crdtkv.strategies.base import Strategy
from tests.colos import Colos, arrive, cut, limited, record, shows
from tests.guards.mutation import Line, guards


def lost(kv: crdtkv.Store) -> list[tuple[object, object]]:
    """(what lost, what beat it), oldest first."""
    return [(c.value, c.winner) for c in kv.conflicts()]


@guards(
    "Our siblings that still stand but are not what a reader sees any more.",
    Line(inbox._beaten, "out += _outranked(replica, key, path, mine, old, new)", "pass"),
    Line(inbox._beaten, "if s.dot[0] in replica.state.lineage and is_live(s.payload)", "if is_live(s.payload)"),
)
def who_wrote_earlier_is_told_and_nobody_else() -> None:
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.put("k", 1)
    b.put("k", 2)
    c.sync(a)
    c.sync(b)
    colos.meet()
    assert lost(a) == [(1, 2)] and lost(b) == lost(c) == []


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
    "Our edits below a container that a concurrent delete has taken away.",
    Line(inbox._beaten, "out += _hidden(replica, key, path, arrived)", "pass"),
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
    "Our deletes of containers above `path` that an edit which had not seen them may have undone.",
    Line(inbox.note, "in _undone(hides, path, [s for s in new if s not in old]) if hides else ():", "in ():"),
)
def whose_delete_was_undone_is_told() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"c": {"x": 1}}, strategy="json")
    colos.meet()
    a.json("doc").at("/c").delete()
    b.json("doc").at("/c/x").put(9)
    colos.meet()
    assert [c.reason for c in a.conflicts()] == ["a concurrent edit brought back what was deleted"]


@guards(
    "A new life of the key began: our concurrent edits of a document that it replaced are lost.",
    Line(inbox.note, "_note_swept(replica, key)", "pass"),
)
def who_edited_what_was_made_anew_is_told() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("k", {"x": 1}, strategy="json")
    colos.meet()
    a.delete("k")
    a.put("k", "text", strategy="lww")
    b.json("k").at("/x").put(9)
    colos.meet()
    assert lost(b) == [(9, None)] and colos.read("k") == "text"


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
