"""Hashes and sorted sets: a name's last write, and what was added since. Lists and logs by place."""

from __future__ import annotations

from crdtkv.strategies import fields, indexes, line, log, zset
from crdtkv.strategies.fields import Fields
from tests.colos import Colos
from tests.guards.mutation import Line, guards


@guards(
    "a write cancels the adds that its base had seen",
    Line(fields._set, "yield from _cancel(tree, path, env, delete=False)", "return"),
    Line(fields._cancel, "env.with_base(was)", "env.with_base(Tree({}))"),
)
def what_was_added_before_a_write_is_gone() -> None:
    """And what is added meanwhile counts on top of it."""
    colos = Colos("a", "b")
    colos["a"].operate("h", "hash", "add", "x", 5)
    colos.meet()
    colos["a"].operate("h", "hash", "set", "x", 100)
    colos["b"].operate("h", "hash", "add", "x", 1)
    colos.meet()
    assert colos.read("h") == {"x": 101}


@guards(
    "A remove takes away both as far as its base had seen them",
    Line(fields._remove, "yield Write(path, None)", "yield Write(path, None, all=True)"),
    Line(fields._remove, "yield from _cancel(tree, path, env, delete=True)", "return"),
    Line(fields._remove, "if covers_live(tree.cell(path), env):", "if True:"),
)
def a_remove_leaves_what_it_had_not_seen() -> None:
    """On an old base, and of what another colo adds meanwhile: just that."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    base = a.operate("h", "hash", "set", "x", 1).version
    a.operate("h", "hash", "set", "x", 2)
    a.operate("h", "hash", "remove", "x", base=base)
    colos.meet()
    assert colos.read("h") == {"x": 2}
    seen = a.operate("h", "hash", "set", "x", 3).version
    b.operate("h", "hash", "set", "x", 4)
    colos.meet()
    a.operate("h", "hash", "remove", "x", base=seen)
    colos.meet()
    assert colos.read("h") == {"x": 4}
    a.operate("h", "hash", "remove", "none")
    assert a._replica.storage.cells("h").keys() == b._replica.storage.cells("h").keys()
    a.operate("z", "zset", "set", "m", 10)
    colos.meet()
    b.operate("z", "zset", "add", "m", 3)
    colos.meet()
    a.operate("z", "zset", "remove", "m")
    b.operate("z", "zset", "add", "m", 2)
    colos.meet()
    assert colos.read("z") == {"m": 2}


@guards(
    "A share is counted by its replica in a cell of its own for each time that it begins",
    Line(fields._own_share, 'f"{env.replica}/{env.n}{unit}"', 'f"{env.replica}{unit}"'),
)
def what_is_added_anew_is_not_cancelled_by_who_saw_more() -> None:
    """The name was added to, removed and forgotten, and is added to again; then a remove on the first base comes."""
    colos = Colos("a", "b")
    a = colos["a"]
    a.operate("h", "hash", "set", "stays", 1)
    base = a.operate("h", "hash", "add", "x", 7).version
    a.operate("h", "hash", "remove", "x")
    colos.meet()
    colos.purge()
    a.operate("h", "hash", "add", "x", 5)
    a.operate("h", "hash", "remove", "x", base=base)
    colos.meet()
    assert colos.read("h") == {"stays": 1, "x": 5}


@guards(
    "sums are exact whatever their order, and rounded once, by who reads them",
    Line(Fields._add, "if (step * 10**u).denominator == 1", "if True"),
    Line(fields._added, "total += Fraction(said, 10 ** _places(at))", "total = Fraction(float(total) + said / 10 ** _places(at))"),
)
def tenths_add_up() -> None:
    """At three colos, in fields that say so in text; and what is too fine for 17 decimals is not lost."""
    colos = Colos("a", "b", "c")
    for kv in colos.values():
        for n in ("0.1", 1e16, "0.2", -1e16):
            kv.operate("h", "hash", "add", "x", n)
        kv.operate("h", "hash", "add", "fine", 1e-30)
    colos.meet()
    assert colos.read("h") == {"fine": 3e-30, "x": 0.9}


@guards(
    "An add counts what makes the score that its own colo then shows the sum in floats, as one server would.",
    Line(zset.Zset.step, "_exact(after) - _exact(before)", "_exact(step)"),
)
def a_colo_alone_adds_floats_as_one_server_would() -> None:
    kv = Colos("a")["a"]
    for _ in range(3):
        kv.operate("z", "zset", "add", "m", 0.1)
    assert kv["z"] == {"m": 0.1 + 0.1 + 0.1}


@guards(
    "hears of each cell that changes (`put_cell`), and says what would be found in the cells",
    Line(indexes.Names.put_cell, "self._changed[path[: component_end(path, 0)]] = None", "pass"),
    Line(indexes.Ranking._place, "self.order.remove(old)", "pass"),
    Line(indexes.Members.put_cell, "self.order[at] = last", "pass"),
)
def what_is_kept_beside_the_cells_follows_them() -> None:
    """Also what comes from another colo."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.operate("z", "zset", "set", "x", 1, "y", 2)
    a.operate("s", "set", "add", "x", "y", "z")
    colos.meet()
    order = lambda kv: [(s, n) for s, n, _ in indexes.ranking(*kv._replica.shown("z")).order]  # noqa: E731
    inside = lambda kv: sorted(indexes.members(*kv._replica.shown("s")).order)  # noqa: E731
    assert order(a) == [(1.0, b"x"), (2.0, b"y")] and len(inside(a)) == 3
    b.operate("z", "zset", "add", "x", 5)
    b.operate("s", "set", "remove", "x")
    colos.meet()
    assert order(a) == [(2.0, b"y"), (6.0, b"x")]
    assert inside(a) == inside(b) == sorted(indexes.members(*b._replica.shown("s")).paths)


@guards(
    "There is none where an element was moved, or some have expired",
    Line(line.line, "None if moved(tree) else ", ""),
    Line(line.Line.put_cell, "self.order.discard(path)", "pass"),
)
def a_list_is_read_by_place_also_after_a_move() -> None:
    kv = Colos("a")["a"]
    for value in "abcd":
        kv.list("l").append(value)
    kv.operate("l", "list", "remove", 1)
    kv.operate("l", "list", "set", 1, "C")
    assert kv["l"] == ["a", "C", "d"]
    kv.list("l").move(2, 0)
    kv.operate("l", "list", "set", 0, "D")
    assert kv["l"] == ["D", "a", "C"]


@guards(
    "what was appended meanwhile elsewhere stands",
    Line(log._keep, "there.path(len(there) - n) if n else _END", "_END"),
    Line(log._remove, "if covers_live(tree.cell(path), env)", "if False"),
)
def a_log_forgets_what_is_seen() -> None:
    """By place; on an old base nothing that came later."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.log("l").append(1)
    base = a.get("l").version
    a.log("l").append(2)
    a.log("l").append(3)
    colos.meet()
    a.operate("l", "log", "keep", 2)
    b.log("l").append(4)
    colos.meet()
    assert colos.read("l") == [2, 3, 4]
    a.operate("l", "log", "remove", 1)
    a.operate("l", "log", "remove", 0, base=base)
    colos.meet()
    assert colos.read("l") == [2, 4]
