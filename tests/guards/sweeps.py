"""What a sweep had not seen: while the sweep is not stable, it is not either."""

from __future__ import annotations

from collections.abc import Callable

import crdtkv
from crdtkv.core import cells as core
from crdtkv.core import paths
from crdtkv.replica.draft import Draft
from crdtkv.replica.purge import purge_to
from crdtkv.strategies import forgetting
from crdtkv.strategies.list import List
from tests.colos import Colos, arrive, calls, cells, cut, record
from tests.guards.mutation import Line, Setting, guards

Act = Callable[[crdtkv.Store], object]

SEEN = "A cell counts as at or below S only when whoever wrote a sweep above it that is itself above S knew all of it"


def _nothing(kv: crdtkv.Store) -> None:
    pass


def _apart(
    spec: str, value: object, at_b: Act, at_c: Act, take: Act, finish: Act = _nothing, unheard: Act = _nothing
) -> tuple[Colos, str]:
    """b and c write to what all have. a hears of b's alone before it does `take`, and of c's, and what b does `unheard`
    of that, after; then it finishes, and forgets what all know of. b has heard of c's, and of nothing that a did. The
    version at b before it heard."""
    colos = Colos("a", "b", "c")
    a, b, c = colos.values()
    for kv in colos.values():
        kv.rules.set("k", spec, paths={"/tags": "set"} if spec == "json" else None)
    a.put("k", value)
    colos.meet()
    at_b(b)
    arrive(a, cut(b, a))
    read = _version(b)
    at_c(c)
    colos.clock.wait(1)
    unheard(b)
    arrive(b, cut(c, b))
    colos.clock.wait(21)
    for source, target in ((a, b), (a, c), (b, c), (c, b)):
        arrive(target, cut(source, target))
    colos.clock.wait(2)
    take(a)
    arrive(a, cut(c, a))
    arrive(a, cut(b, a))
    finish(a)
    a.compact()
    assert a.floor > 0
    return colos, read


def _version(kv: crdtkv.Store) -> str:
    found = kv.get("k")
    assert found is not None
    return found.version


def _make_anew(b: crdtkv.Store) -> None:
    b.json("k").at("/p").delete()
    b.json("k").at("/p").put({"x": 1})


def _write_and_delete(c: crdtkv.Store) -> None:
    c.json("k").at("/p/y").put(2)
    c.json("k").at("/p").delete()


def _again(a: crdtkv.Store) -> None:
    a.delete("k")
    a.put("k", {"n": 1})


@guards(
    SEEN,
    Line(forgetting._dead_root, "if missed else gone", "if False else gone"),
    Line(forgetting._above, "out.append(path[:at])", "pass"),
)
def a_remove_stays_beside_which_a_clear_took_an_add() -> None:
    """b added x again, c removed it; a, which knew of the add alone, took the set. b goes on from what it read."""
    colos, read = _apart(
        "set", ["x", "y"], lambda b: b.set("k").add("x"), lambda c: c.set("k").remove("x"), lambda a: a.delete("k")
    )
    colos["b"].put("k", ["y"], base=read)
    colos.meet()
    assert colos.read("k") is None
    colos.check()


@guards(SEEN, Line(forgetting._dead_root, "if missed else gone", "if False else gone"))
def a_move_stays_with_the_remove_beside_which_a_delete_took_an_edit() -> None:
    """b edits and moves x, c removes it; a takes the list, knowing of the edit alone. To b x is where it was moved."""
    colos = Colos("a", "b", "c")
    a, b, c = colos.values()
    a.put("k", ["x", "y", "z"], strategy="list")
    colos.meet()
    b.list("k").set(0, "X")
    arrive(a, cut(b, a))
    b.list("k").move(0, 2)
    c.list("k").remove(0)
    arrive(b, cut(c, b))
    colos.clock.wait(21)
    for source, target in ((a, b), (a, c), (b, c), (c, b)):
        arrive(target, cut(source, target))
    colos.clock.wait(2)
    a.delete("k")
    arrive(a, cut(c, a))
    arrive(a, cut(b, a))
    a.compact()
    assert a.floor > 0
    b.list("k").set(2, "XX")
    colos.meet()
    assert colos.read("k") == ["XX"]
    colos.check()


@guards(
    SEEN,
    Line(forgetting._dead_root, "if missed else gone", "if False else gone"),
    Line(forgetting._above, "out, at = [b\"\"], 0", "out, at = [], 0"),
)
def a_container_that_another_shows_is_not_forgotten() -> None:
    """b made p anew; c wrote in the old p, and deleted it. a, which knew of b's, made the document anew. To b p is
    there, with what c wrote, and it writes into it."""
    colos, _ = _apart("json", {"p": {"w": 1}}, _make_anew, _write_and_delete, _again)
    assert colos["b"].json("k").get() == {"p": {"x": 1, "y": 2}}
    colos["b"].json("k").at("/p/z").put(3)
    colos.meet()
    assert colos.read("k") == {"n": 1, "p": {"y": 2, "z": 3}}
    colos.check()


@guards(
    SEEN,
    Line(forgetting._above, "if part[:1] == STRATEGY:", "if part[:1] == STRATEGY and not out[1:]:"),
)
def nor_is_what_is_in_a_set_of_a_document() -> None:
    colos, read = _apart(
        "json", {"tags": ["x", "y"]}, lambda b: b.json("k").set("/tags").add("x"),
        lambda c: c.json("k").set("/tags").remove("x"), lambda a: a.json("k").at("/tags").delete(),
    )  # fmt: skip
    colos["b"].put("k", {"tags": ["y"]}, base=read)
    colos.meet()
    assert colos.read("k") == {}
    colos.check()


@guards(SEEN, Line(forgetting._dead_date, "or _missed(cells, [TTL_PATH], floor)", ""))
def a_date_stays_beside_which_a_new_life_took_another() -> None:
    """b put the date off, c did not. a, which knew of b's, began the key anew. b's put, of what it read, ends its own."""
    colos, read = _apart(
        "list", ["x"], lambda b: b.expire("k", 1000), lambda c: c.expire("k", 5),
        lambda a: [a.delete("k"), a.put("k", ["n"])],
    )  # fmt: skip
    colos["b"].put("k", ["x", "y"], base=read)
    colos.meet()
    colos.check()


@guards(
    "one that takes the place of another without taking all that is here says what that one had seen, and its stamp",
    Line(Draft._telling, "() if whole else self._young(stood)", "()"),
)
def what_a_sweep_had_not_seen_is_said_by_the_next() -> None:
    """As above, but c gave the key a date, too: a's first write after it leaves a sweep in the place of the other."""

    def write_and_delete(c: crdtkv.Store) -> None:
        _write_and_delete(c)
        c.expire("k", 0.5)

    colos, _ = _apart(
        "json", {"p": {"w": 1}}, _make_anew, write_and_delete, _again, lambda a: a.json("k").at("/m").put(1),
        lambda b: b.json("k").at("/q").put(1),
    )  # fmt: skip
    colos["b"].json("k").at("/p/z").put(3)
    colos.meet()
    assert colos.read("k") == {"m": 1, "n": 1, "p": {"y": 2, "z": 3}, "q": 1}
    colos.check()


@guards(
    "Where what takes the place of a sweep is none, one at the key's own cell that takes nothing says it.",
    Line(Draft._write, "if not sweeps and (stood := self._young(stood)):", "if False:"),
)
def what_a_sweep_had_not_seen_is_said_where_a_mark_takes_its_place() -> None:
    """b added x again, c removed it; a, which knew of the add alone, took the set, and d, which had not heard of that
    remove either, emptied what was left."""
    colos = Colos("a", "b", "c", "d")
    a, b, c, d = colos.values()
    a.put("k", ["x", "y"], strategy="set")
    colos.meet()
    b.set("k").add("x")
    arrive(a, cut(b, a))
    read = b.put("k", ["x", "y"]).version
    c.set("k").remove("x")
    arrive(b, cut(c, b))
    colos.clock.wait(21)
    for source, target in ((a, b), (a, c), (a, d), (d, b), (d, c), (d, a), (b, c), (c, b)):
        arrive(target, cut(source, target))
    colos.clock.wait(2)
    d.set("k").add("w")
    a.delete("k")
    arrive(d, cut(a, d))
    d.put("k", [])
    for source, target in ((d, a), (c, d), (b, d), (c, a), (b, a), (d, a)):
        arrive(target, cut(source, target))
    a.compact()
    assert a.floor > 0
    b.put("k", ["y"], base=read)
    colos.meet()
    assert colos.read("k") == []
    colos.check()


@guards(
    "For this a sweep says what its writer knew of the key, where that is more than it takes",
    Line(Draft._telling, "None if full else merge([known, found.seen])", "None"),
)
def who_sweeps_by_an_old_base_says_what_he_knew() -> None:
    """c removes x, and all know that; a forgets it, and b takes the set as it was before."""
    colos = Colos("a", "b", "c")
    a, b, c = colos.values()
    read = a.put("k", ["x", "y"], strategy="set").version
    colos.meet()
    c.set("k").add("x")
    c.set("k").remove("x")
    colos.meet()
    colos.purge_only("a")
    arrive(a, record(b, lambda kv: kv.delete("k", base=read)))
    for source, target in ((a, b), (a, c), (c, b)):
        arrive(target, cut(source, target))
    assert len({kv.floor for kv in colos.values()}) == 1
    colos.check()
    assert colos.read("k") is None


@guards(
    "until that is at or below the writer's floor",
    Line(core.told, "*found.stood]", "*((sibling.stamp, knew) for _, knew in found.stood)]"),
)
def what_a_stable_sweep_had_not_seen_waits_for_none_in_its_place() -> None:
    """c removed x, and b added w, while a cleared the set; all know that, c forgets it, and a empties what is left."""
    colos = Colos("a", "b", "c")
    a, b, c = colos.values()
    a.put("k", ["x", "y"], strategy="set")
    colos.meet()
    c.set("k").remove("x")
    b.set("k").add("w")
    a.set("k").clear()
    colos.meet()
    colos.purge_only("c")
    a.put("k", [])
    for source, target in ((a, b), (a, c), (c, a), (c, b)):
        arrive(target, cut(source, target))
    assert len({kv.floor for kv in colos.values()}) == 1 and colos.read("k") == []
    colos.check()


@guards(
    "A sweep by an old base leaves a tombstone where it takes what is live in a cell and not all of it",
    Line(Draft._sweep, "if cell and not full and", "if False and"),
)
def who_sweeps_by_an_old_base_ends_what_is_left_of_what_it_takes() -> None:
    """a has heard of c's remove, but takes the set as a client had read it before. b shows x, and goes on."""
    seen: list[str] = []
    colos, version = _apart(
        "set", ["x", "y"], lambda b: b.set("k").add("x"), lambda c: c.set("k").remove("x"),
        lambda a: seen.append(_version(a)), lambda a: a.delete("k", base=seen[0]),
    )  # fmt: skip
    colos["b"].put("k", ["y"], base=version)
    colos.meet()
    assert colos.read("k") is None
    colos.check()


@guards(
    "and the order cells of the elements that it takes get one, too",
    Line(List.edit, ", *_end_orders(tree, env)]", "]"),
)
def and_moves_of_what_it_takes() -> None:
    """a has heard of c's move, but takes the list as a client had read it before. b edits what it shows there."""
    seen: list[str] = []
    colos, _ = _apart(
        "list", ["x", "y", "z"], _nothing, lambda c: c.list("k").move(0, 2),
        lambda a: seen.append(_version(a)), lambda a: a.delete("k", base=seen[0]),
    )  # fmt: skip
    colos["b"].list("k").set(2, "X")
    colos.meet()
    assert colos.read("k") == ["X"]
    colos.check()


@guards(
    "(Not a counter's, which no sweep takes, nor an entry of a log, which has one writer.)",
    Setting(forgetting, "_ALONE", (paths.ENTRY,)),
)
def what_is_counted_waits_for_no_sweep() -> None:
    """c counts in a hash, and removes that; a, which did not know, takes the hash."""

    def count(c: crdtkv.Store) -> None:
        c.operate("k", "hash", "add", "n", 5)
        c.operate("k", "hash", "remove", "n")

    colos, _ = _apart("hash", {"y": 1}, lambda b: b.put("k", {"y": 2}), count, lambda a: a.delete("k"))
    assert cells(colos["a"], "k") == 1


@guards(
    "all that may go now because the cells at `changed` have changed, given what stood there",
    Line(forgetting.woken, "if _young(was, floor):", "if False:"),
    Line(forgetting.woken, "shared if at else below.below()", "shared"),
    Setting(forgetting, "_SHARED", ()),
)
def what_waits_goes_when_nothing_is_left_to_wait_for() -> None:
    """However a sweep went: as if it had not been there when the rest was forgotten."""
    of_a_set, _ = _apart(
        "set", ["x", "y"], lambda b: b.set("k").add("x"), lambda c: c.set("k").remove("x"), lambda a: a.delete("k")
    )
    of_a_key, _ = _apart("json", {"p": {"w": 1}}, _make_anew, _write_and_delete, _again)
    for colos, at, left in ((of_a_set, b"sset\0", 0), (of_a_key, b"", 2)):
        replica = colos["a"]._replica
        with replica.transaction():
            assert replica.storage.cells("k")[at]
            replica.set_cell("k", at, ())
            purge_to(replica, 0)
        assert cells(colos["a"], "k") == left


@guards(
    "keep and remove cost O(n) once, then O(log n).",
    Setting(forgetting, "_SHARED", (*forgetting._SHARED, paths.ENTRY)),
)
def a_trim_costs_the_same_in_any_size() -> None:
    """Also while the one before it is not stable, where something was purged."""
    work = []
    for size in (20, 2000):
        colos = Colos("a")
        kv = colos["a"]
        kv.put("k", list(range(size)), strategy="log")
        kv.put("gone", 1)
        kv.delete("gone")
        colos.purge()
        assert kv.floor > 0
        kv.operate("k", "log", "keep", size - 1)
        work.append(calls(lambda kv=kv, size=size: kv.operate("k", "log", "keep", size - 2)))
    assert work[1] < 2 * work[0], work
