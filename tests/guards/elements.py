"""Elements of lists and arrays: who they are, where they stand."""

from __future__ import annotations

from collections.abc import Callable

import crdtkv
from crdtkv.core import positions
from crdtkv.replica import bases, cutting
from crdtkv.replica.memos import Memos
from crdtkv.strategies import document, forgetting, json, sequence
from crdtkv.strategies import list as lists
from crdtkv.strategies.base import Operation
from crdtkv.strategies.document_edit import Edit
from crdtkv.strategies.list import List
from crdtkv.strategies.set import Set
from tests.colos import Colos, arrive, calls, cells, cut, record, shows
from tests.guards.mutation import Both, Line, guards


@guards(
    "Order: position, or the value of the lww cell at a+element once moved",
    Line(sequence.position_of, "if live and (", "if False and ("),
)
def a_moved_element_stands_where_it_was_moved() -> None:
    colos = Colos("a", "b")
    colos["a"].put("l", ["x", "y", "z"], strategy="list")
    colos["a"].list("l").move(2, 0)
    colos.meet()
    assert colos.read("l") == ["z", "x", "y"]


@guards(
    "A move writes only that cell and is no edit.",
    Line(document.of_kind, "return is_element(component)", "return is_element(component) or component[:1] == b'o'"),
)
def a_move_is_no_reason_to_keep_what_is_deleted() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"l": ["x", "y"], "d": 0}, strategy="json")
    colos.meet()
    a.json("doc").at("/l").delete()
    b.json("doc").list("/l").move(1, 0)
    colos.meet()
    assert colos.read("doc") == {"d": 0}


@guards(
    "A delete of an element also tombstones its order cell, where that says something.",
    Line(lists._remove, "*([Write(order, TOMBSTONE)] if moved else [])", ""),
)
def a_delete_forgets_where_an_element_was_moved() -> None:
    """z was moved to the front and is removed, while b sets it: what stands is b's, where z was made."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("l", ["x", "y", "z"], strategy="list")
    a.list("l").move(2, 0)
    colos.meet()
    a.list("l").remove(0)
    b.list("l").set(0, "Z")
    colos.meet()
    assert colos.read("l") == ["x", "y", "Z"]


@guards(
    "A delete of an element also tombstones its order cell, where that says something.",
    Line(Edit.delete_element, "writes.append(Write(path + order, TOMBSTONE))", "pass"),
)
def a_delete_forgets_where_an_element_of_a_document_was_moved() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", ["x", "y", "z"], strategy="json")
    a.json("doc").list("").move(2, 0)
    colos.meet()
    a.json("doc").list("").remove(0)
    b.json("doc").list("").set(0, "Z")
    colos.meet()
    assert colos.read("doc") == ["x", "y", "Z"]


@guards(
    "An order cell goes with its element: beside one that was made anew since, it must not be found",
    Line(cutting.along, "for order in orders_on(path) if order in cells}", "for order in ()}"),
)
def what_is_made_anew_does_not_stand_where_the_old_was_moved_to() -> None:
    """b moved an element while a took it out; a forgets both, then who had read it before edits it: it stands again."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    base = a.put("doc", [{"n": 1, "m": 2, "x": 1}, {"n": 2}, {"n": 3}]).version
    colos.meet()
    a.put("doc", [{"n": 2}, {"n": 3}], base=base)
    b.list("doc").move(0, 2)
    colos.purge_only("a")
    a.put("doc", [{"n": 1, "m": 2, "x": 9}, {"n": 2}, {"n": 3}], base=base)
    arrive(b, cut(a, b))
    assert a.floor == b.floor and colos.read("doc") == [{"n": 1, "m": 2, "x": 9}, {"n": 2}, {"n": 3}]
    colos.check()


@guards(
    "An order cell goes with its element: beside one that was made anew since, it must not be found",
    Line(cutting._on_ordered, "if not moved[root]:", "if True:"),
)
def what_is_restored_does_not_stand_where_the_old_was_moved_to() -> None:
    """As above, of a list: the first is moved at b, removed at a, which forgets both and then restores it."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.list("l").append("x", "y", "z")
    colos.meet()
    [where] = [path for path, cell in a._replica.storage.cells("l").items() if cell[0].payload == b"\xa1x"]
    a.list("l").remove(0)
    b.list("l").move(0, 2)
    colos.purge_only("a")
    a._run(lambda draft: draft.restore("l", where, b"\xa1x"))
    arrive(b, cut(a, b))
    assert colos.read("l") == ["x", "y", "z"]
    colos.check()


@guards(
    "An absent element goes with its order cell, or not yet.",
    Both(
        Line(lists.List.dead, "order = tree.cell(order_path(path)) if path else ()", "order = ()"),
        Line(sequence.taken_in, "or stands(order_path(element))", ""),
    ),
)
def a_place_is_not_given_again_while_an_order_cell_names_it() -> None:
    """y is removed, and moved by b later than what a purge reaches; what a appends next does not stand there."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.list("l").append("x")
    a.list("l").append("y")
    colos.meet()
    a.list("l").remove(1)
    colos.clock.wait(20)
    heard, removed = cut(a, b), record(a, lambda kv: kv.put("other", 1))
    b.list("l").move(1, 0)
    arrive(b, heard)
    arrive(a, cut(b, a))
    a.compact()
    assert a.floor > 0
    a.list("l").append("z")
    arrive(b, removed)
    colos.meet()
    colos.check()
    assert colos.read("l") == ["x", "z"]


@guards(
    "An order cell whose element is absent is not shown and is dropped with it",
    Line(lists.List.dead, "not tree.cell(first(path)[1])", "True"),
)
def a_purge_leaves_what_was_moved_where_it_is() -> None:
    colos = Colos("a", "b")
    colos["a"].put("l", ["x", "y", "z"], strategy="list")
    colos["a"].list("l").move(2, 0)
    colos.purge()
    assert colos.read("l") == ["z", "x", "y"]


@guards(
    "An order cell whose element is absent is not shown and is dropped with it",
    Line(json._dead_because, "first(part)[1] not in parent.children and ", ""),
)
def a_purge_leaves_what_was_moved_in_a_document_where_it_is() -> None:
    colos = Colos("a", "b")
    colos["a"].put("doc", ["x", "y", "z"], strategy="json")
    colos["a"].json("doc").list("").move(2, 0)
    colos.purge()
    assert colos.read("doc") == ["z", "x", "y"]


@guards(
    "An order cell whose element is absent is not shown and is dropped with it",
    Both(
        Line(lists.List.dead, "[path, order_path(path)] if order else [path]", "[path]"),
        Line(forgetting._around, "yield from orders_on(path)", "pass"),
    ),
)
def a_purge_takes_an_order_cell_with_its_element() -> None:
    """b removes what a moves. b purges in one step what a purged in two: the same is left."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("l", ["x", "y"], strategy="list")
    arrive(b, cut(a, b))
    removed = record(b, lambda kv: kv.list("l").remove(1))
    a.list("l").move(1, 0)
    arrive(a, removed)
    answers = []
    for told in [cut(a, b), cut(a, b)]:
        arrive(b, told)
        answers.append(cut(b, a))
    for answer in answers:
        before = a.floor
        arrive(a, answer)
        a.compact()
        assert a.floor > before
    assert arrive(b, cut(a, b)) == "absorbed" and a.floor == b.floor
    colos.check()
    assert [cells(kv, "l") for kv in (a, b)] == [1, 1]


@guards(
    "one of tombstones alone, all <= S, is dropped by itself",
    Line(json._dead_because, "spent or only_tombstones(node.cell, floor)", "spent"),
)
def an_order_cell_that_says_nothing_waits_for_no_element() -> None:
    """An element was deleted, and where that is not purged yet a scalar ends all that was in the array: the element too."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("doc", {"l": ["x", "y"], "d": 0}, strategy="json")
    a.json("doc").list("/l").move(1, 0)
    a.json("doc").list("/l").append({"m": 1})
    a.json("doc").list("/l").move(2, 0)
    a.json("doc").list("/l").remove(0)
    colos.purge_only("b")
    arrive(b, record(a, lambda kv: kv.json("doc").at("/l").put(1)))
    arrive(a, cut(b, a))
    assert a.floor == b.floor and colos.read("doc") == {"l": 1, "d": 0}
    colos.check()


@guards(
    "one of tombstones alone, all <= S, is dropped by itself",
    Line(lists.List.dead, "only_tombstones(cell, floor) or ", ""),
)
def an_order_cell_of_a_list_that_says_nothing_is_not_kept() -> None:
    """z was moved and is removed, while b sets it: it stands, and what is left of the move is forgotten."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("l", ["x", "y", "z"], strategy="list")
    a.list("l").move(2, 0)
    colos.meet()
    a.list("l").remove(0)
    b.list("l").set(0, "Z")
    colos.purge()
    assert colos.read("l") == ["x", "y", "Z"] and cells(a, "l") == 3


@guards(
    "A put to an absent list element replaces its order cell: else its place depends on who has purged.",
    Line(lists.List._put, "for path, _ in new if tree.cell(order_path(path))", "for path, _ in ()"),
)
def a_list_element_made_anew_stands_where_it_is_made() -> None:
    """y is removed while b moves it. a has purged it, c has not, and makes it anew from an older life's list."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.put("l", ["x"], strategy="list")
    old = a.delete("l").version
    a.put("l", ["x", "y"], strategy="list")
    colos.meet()
    a.list("l").remove(1)
    b.list("l").move(1, 0)
    colos.purge_only("a")
    arrive(a, record(c, lambda kv: kv.put("l", ["x", "y"], base=old)))
    assert shows(c, "l") == shows(a, "l") == ["x", "y"]
    colos.meet()
    colos.check()


@guards(
    "A put to an absent list element replaces its order cell: else its place depends on who has purged.",
    Line(
        Edit._put_element,
        "[*writes, Write(path + order, TOMBSTONE, all=True)] if order in now.children else writes",
        "writes",
    ),
)
def an_element_of_a_document_made_anew_stands_where_it_is_made() -> None:
    """The same in an array: c edits, on the old base, what was removed, moved, and purged at a."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    base = a.put("doc", ["x", {"n": 1, "m": 2}], strategy="json").version
    colos.meet()
    a.json("doc").list("").remove(1)
    b.json("doc").list("").move(1, 0)
    colos.purge_only("a")
    arrive(a, record(c, lambda kv: kv.put("doc", ["x", {"n": 1, "m": 3}], base=base)))
    assert shows(c, "doc") == shows(a, "doc") == ["x", {"n": 1, "m": 3}]
    colos.meet()
    colos.check()


@guards(
    "keyed elements always have one",
    Line(Edit._create, "inner += [order_write(path, part, position)] if position else []", ""),
)
def keyed_elements_stand_in_the_order_they_were_put() -> None:
    """By their keys alone they would be sorted."""
    colos = Colos("a", "b")
    colos["a"].rules.set("doc", "json", paths={"/items": {"list": {"key": ["sku"]}}})
    value = {"items": [{"sku": "b"}, {"sku": "a"}]}
    assert colos["a"].put("doc", value).value == value
    colos.meet()
    assert colos.read("doc") == value


@guards(
    "a position once taken is never given again",
    Line(lists._taken, "bool(tree.raw().cell(path))", "False"),
)
def an_insert_does_not_take_the_place_of_what_was_removed() -> None:
    """y is removed at a, which puts w behind x, while b sets y: two elements, not one."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.list("l").append("x")
    a.list("l").append("y")
    colos.meet()
    a.list("l").remove(1)
    a.list("l").insert(1, "w")
    b.list("l").set(1, "Y")
    colos.meet()
    assert sorted(colos.read("l")) == ["Y", "w", "x"]


@guards(
    "a position once taken is never given again",
    Line(sequence.taken_in, "or stands(order_path(element))", ""),
)
def an_insert_does_not_take_the_place_of_what_was_moved_while_all_was_cleared() -> None:
    """a clears, b sets y, c moves x: of x its order cell is left, and c puts w before y."""
    for whole, part in (("l", "list"), ("doc", "json")):
        colos = Colos("a", "b", "c")
        a, b, c = colos["a"], colos["b"], colos["c"]
        here = {kv: kv.list(whole) if part == "list" else kv.json(whole).list("") for kv in (a, b, c)}
        c.put(whole, [], strategy=part)
        for value in ("x", "y"):
            here[c].append(value)
        colos.meet()
        here[a].clear()
        here[b].set(1, "Y")
        here[c].move(0, 1)
        colos.meet()
        assert colos.read(whole) == ["Y"]
        assert c.put(whole, ["w", "Y"]).value == ["w", "Y"]
        colos.meet()
        assert colos.read(whole) == ["w", "Y"]


@guards(
    "No: what a replica inserts next to its own elements continues their run, and a run stands together "
    "wherever others insert.",
    Line(positions._Gap.candidates, "for skip in self._skips(lefts, rights):", "for skip in ():"),
    Line(positions._Gap.candidates, "for skip in self._skips(rights, lefts):", "for skip in ():"),
)
def runs_never_interleave() -> None:
    """Case 10: appended one by one while apart, and prepended one by one; to a list, and to one in a document."""
    for strategy in ("list", "json"):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        for key in ("append", "prepend"):
            a.put(key, ["-"], strategy=strategy)
        colos.meet()
        for one, other in zip("abc", "123", strict=True):
            for kv, value in ((a, one), (b, other)):
                kv.list("append").append(value)
                kv.list("prepend").prepend(value)
        colos.meet()
        assert "".join(colos.read("append")) in {"-abc123", "-123abc"}
        assert "".join(colos.read("prepend")) in {"cba321-", "321cba-"}


@guards(
    "The same at every colo, so two colos that make the same list do not double it.",
    Line(lists.List._put, "if not base and not (self.present(tree) and self.present(env.base)):", "if False:"),
)
def two_who_make_the_same_list_make_one() -> None:
    """Case 13."""
    colos = Colos("a", "b")
    for kv in colos.values():
        kv.put("l", ["x", "y"], strategy="list")
    colos.meet()
    assert colos.read("l") == ["x", "y"]


@guards(
    "One cell per element, at the position it was created at, so an element is itself wherever it is moved",
    Line(
        lists._move,
        'order_write(b"", now[at][1], made[0])',
        'order_write(b"", now[at][1], made[0]), Write(now[at][1], _payload(now[at]), all=True)',
    ),
)
def moves_and_edits_of_one_element_both_hold() -> None:
    """Case 12: moved by a and c and set by b: one copy, moved and set; removed, it is gone whoever moves it."""
    colos = Colos("a", "b", "c")
    a, b, c = colos["a"], colos["b"], colos["c"]
    a.put("l", ["x", "y", "z"], strategy="list")
    colos.meet()
    b.list("l").set(2, "Z")
    a.list("l").move(2, 0)
    c.list("l").move(2, 1)
    colos.meet()
    assert colos.read("l") == ["x", "Z", "y"]
    a.list("l").remove(1)
    b.list("l").move(1, 0)
    colos.meet()
    assert colos.read("l") == ["x", "y"]


@guards(
    "append and prepend cost O(log n); by index too, but the first time and where an element was moved: O(n).",
    Line(lists._last, "return _edge(tree, reverse=True)", "return max((e[0] for e in _shown(tree)), default=None)"),
    Line(lists._end_element, 'path = tree.last_before(ELEMENT + b"\\xff")', "path = max(p for p, _ in tree.below())"),
    Line(lists._go_on, "if not made:", "if not max(p for p, _ in tree.below()) or not made:"),
)
def an_append_costs_the_same_in_any_size() -> None:
    """Case 19: about the same work in a thousand elements as in ten, also behind what another colo appended.

    (A receipt holds the whole value: not counted.)
    """
    work = []
    for size in (10, 1000):
        colos = Colos("a", "b")
        kv, other = colos["a"], colos["b"]
        kv.put("l", list(range(size)), strategy="list")

        def append(kv: crdtkv.Store = kv) -> None:
            kv._run(lambda draft: draft.operate("l", Operation("append", ("x",))))

        append()
        colos.meet()
        append(other)
        colos.meet()
        work.append(calls(append))
    assert work[1] < 2 * work[0], work


@guards(
    "`put_cell` keeps the tree of a key up to date and forgets only along the path that changed.",
    Line(Memos.changed, "self._kept[key].changed(path, old, new)", "self._kept.pop(key)"),
)
def a_member_costs_the_same_in_any_size() -> None:
    """Case 19, in a document."""
    work = []
    for size in (10, 1000):
        kv = Colos("a")["a"]
        kv.put("doc", {str(n): n for n in range(size)}, strategy="json")

        def put(name: str, kv: crdtkv.Store = kv) -> None:
            inner = Operation("put", (1,))
            kv._run(lambda draft: draft.operate("doc", Operation("at", ((name,), "json", inner))))

        put("x")
        work.append(calls(lambda put=put: put("y")))
    assert work[1] < 2 * work[0], work


@guards(
    "A cell counts as at or below S only when whoever wrote a sweep above it that is itself above S knew all of it",
    Line(forgetting._dead_root, "if missed else gone", "if False else gone"),
    Line(forgetting._above, "out.append(path[:at])", "pass"),
)
def what_a_sweep_took_comes_back_to_where_it_was_moved() -> None:
    """a takes the list away, not having heard of c's move; b, which has, sets the element: a must not forget the move."""
    b, colos = _apart(lambda kv: kv.put("l", ["x", "y", "z"], strategy="list"), lambda a, base: a.delete("l"))
    b.list("l").set(2, "X")
    colos.meet()
    assert colos.read("l") == ["X"]
    colos.check()


@guards(
    "A cell counts as at or below S only when whoever wrote a sweep above it that is itself above S knew all of it",
    Line(forgetting._above, "out, at = [b\"\"], 0", "out, at = [], 0"),
)
def what_a_new_life_took_comes_back_to_where_it_was_moved() -> None:
    """The same in a document: a deletes it and makes it anew, all that before it hears of the move."""

    def again(a: crdtkv.Store, base: str) -> None:
        a.delete("l")
        a.put("l", ["n", "m"])

    b, colos = _apart(lambda kv: kv.put("l", [["x"], ["y"], ["z"]], strategy="json"), again)
    b.json("l").at("/2").put("X")
    colos.meet()
    colos.check()


@guards(
    "(One of tombstones alone may be forgotten elsewhere.)",
    Line(lists._remove, "any(is_live(s.payload) for s in tree.cell(order))", "bool(tree.cell(order))"),
)
def a_delete_says_nothing_of_a_move_that_says_nothing() -> None:
    """a moved x and removed it, b set it: x stands. a forgets that it was moved, and b removes it by an old base."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("l", ["x", "y", "z"], strategy="list")
    colos.meet()
    b.list("l").set(0, "X")
    read = b.get("l")
    a.list("l").move(0, 2)
    a.list("l").remove(2)
    colos.meet()
    colos.purge_only("a")
    assert read is not None
    b.put("l", ["y", "z"], base=read.version)
    for source, target in ((b, a), (a, b)):
        arrive(target, cut(source, target))
    assert a.floor == b.floor and colos.read("l") == ["y", "z"]
    colos.check()


def _apart(
    make: Callable[[crdtkv.Store], object], take: Callable[[crdtkv.Store, str], object]
) -> tuple[crdtkv.Store, Colos]:
    """c moves an element of what `make` made, which b hears; later a does `take` before it hears of the move, forgets
    what all have heard of by then, and b has not heard of that."""
    colos = Colos("a", "b", "c")
    a, b, c = (colos[name] for name in "abc")
    make(a)
    base = colos["a"].get("l")
    colos.meet()
    c.list("l").move(0, 2)
    arrive(b, cut(c, b))
    colos.clock.wait(21)
    for source, target in ((a, b), (a, c), (b, c), (c, b)):
        arrive(target, cut(source, target))
    colos.clock.wait(2)
    take(a, base.version if base else "")
    arrive(a, cut(c, a))
    arrive(a, cut(b, a))
    a.compact()
    assert a.floor > 0
    return b, colos


@guards(
    "Of a put of a list or a set of which nothing is shown any more, what its base showed is not put again, if that can be told where it is put",
    Line(bases.unseen, "chosen.since(was[1], value)", "value"),
    Line(bases.unseen, "() if value and not new else (new,)", "(new,)"),
    Line(List.since, ").inserted]", ").inserted[:0]]"),
    Line(Set.since, "if path not in seen]", "if path in seen]"),
)
def a_slow_put_brings_back_nothing_of_what_others_deleted() -> None:
    """Two clients each remove the entry that the other keeps; a third has read both, and adds one."""
    for spec in ("list", "set"):
        colos = Colos("a", "b")
        a, b = colos["a"], colos["b"]
        a.rules.set("*", spec)
        read = a.put("todo", [1, 5]).version
        colos.meet()
        a.put("todo", [5], base=read)
        b.put("todo", [1], base=read)
        colos.meet()
        assert shows(a, "todo") is None
        a.put("todo", [1, 5], base=read)
        assert shows(a, "todo") is None
        b.put("todo", [1, 5, 8], base=read)
        colos.meet()
        assert shows(a, "todo") == shows(b, "todo") == [8]
        assert a.put("todo", [1, 5, 8]).value == [1, 5, 8]
