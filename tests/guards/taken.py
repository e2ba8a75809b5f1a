"""Members: of what one wrote that is out, another had taken away that is out, too. They come back, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import crdtkv
from crdtkv.replica import life, pending, taken
from crdtkv.replica.draft import Draft
from tests.colos import Colos, Disks, arrive, come_in, cut, limited, shows
from tests.guards.mutation import Line, guards

Act = Callable[[crdtkv.Store], object]

SETS: tuple[Any, ...] = (
    ("set", ["w"], lambda kv: kv.set("k").add("x"), lambda kv: kv.set("k").remove("x")),
    ("list", ["w"], lambda kv: kv.list("k").append("x"), lambda kv: kv.list("k").remove(1)),
)
"""A strategy, what is there first, what one does, and how another takes that away again, and no more."""

WHOLE: tuple[Any, ...] = (
    ("set", ["w"], lambda kv: kv.set("k").add("x"), lambda kv: kv.delete("k")),
    ("list", ["w"], lambda kv: kv.list("k").append("x"), lambda kv: kv.put("k", [])),
    ("json", {"w": 1}, lambda kv: kv.patch("k", {"x": 1}), lambda kv: kv.delete("k")),
    ("json", {"o": {"w": 1}}, lambda kv: kv.patch("k", {"o": {"x": 1}}), lambda kv: kv.patch("k", {"o": None})),
    ("json", {}, lambda kv: kv.patch("k", {"o": {"x": 1}}), lambda kv: kv.patch("k", {"o": None})),
)
"""All that is there."""


def out(spec: str, value: Any, does: Act, takes: Act, more: str = "") -> tuple[Colos, dict[str, crdtkv.Store]]:
    """b does it, c hears of that and takes it away; a, which has heard of neither, evicts both; and b and c."""
    colos = Colos("a", "b", "c", *more)
    a, b, c = (colos[name] for name in "abc")
    a.put("k", value, strategy=spec)
    colos.meet()
    does(b)
    arrive(c, cut(b, c))
    takes(c)
    colos.clock.wait(1)
    gone = {name: colos.pop(name) for name in "bc"}
    for name in gone:
        a.evict(name)
    colos.meet()
    return colos, gone


def back(
    spec: str, value: Any, does: Act, takes: Act, order: str, between: Callable[[Colos], None] = Colos.meet
) -> Colos:  # fmt: skip
    """They come back in that order; between the two something happens."""
    colos, gone = out(spec, value, does, takes)
    for name in order:
        colos[name] = gone[name]
        colos.meet(4)
        if name == order[0]:
            between(colos)
    colos.check()
    return colos


def told_of(names: str, who: str) -> Colos:
    """All have a's 1; b has put 2 over it, and those have heard of that."""
    colos = Colos(*names)
    colos["a"].put("k", 1, strategy="mv")
    colos.meet()
    b = colos["b"]
    b.put("k", 2)
    for name in who:
        arrive(colos[name], cut(b, colos[name]))
    return colos


def _come_back(colos: Colos, to: crdtkv.Store, *who: crdtkv.Store) -> None:
    """Each in turn returns to that one; then all meet, and are alike."""
    for kv in who:
        for _ in range(3):
            kv.sync(to)
    colos.meet(4)
    colos.check()


@guards(
    "What is live and lay in what a row of its key tells of, and was known there, is not minted anew",
    Line(pending._rewrite, "is_live(item.lost.payload) and told.has(item.path, before)", "False"),
    Line(life.return_to, "taken.leave(draft, rows)", "None"),
)
def what_was_removed_does_not_come_back_with_who_wrote_it() -> None:
    for case in SETS:
        colos = back(*case, "cb")
        assert colos.read("k") == ["w"] and all(not kv.conflicts() for kv in colos.values())


@guards(
    "What it removes anew says so too, but only until that is forgotten, as any delete is",
    Line(taken.Taken.has, "return True", "continue"),
    Line(taken.Taken.has, "takes_below(path, at, payload) and any(", "False and any("),
)
def nor_when_all_have_forgotten_that() -> None:
    for case in (*SETS, *WHOLE):
        assert back(*case, "cb", Colos.purge).read("k") in (["w"], [], {}, None)


@guards(
    "A sweep or hider takes what it had taken, by the numbers that it has been minted anew with since.",
    Line(pending._rewrite, "if item.wide:", "if False:"),
    Line(taken.takes_below, "in_sweep(path, at, payload)", "False"),
    Line(taken.takes_below, "path == at or is_below(path, at)", "False"),
)
def nor_does_it_stay_in_what_is_deleted_whole() -> None:
    """Whoever comes back first."""
    for case in WHOLE:
        for order in ("cb", "bc"):
            assert back(*case, order).read("k") in ([], {}, None)


@guards(
    "A sweep or hider takes what it had taken, by the numbers that it has been minted anew with since.",
    Line(pending._take_below, "and all(covers(seen, d) or item.covered(d) for d in s.parents)", ""),
)
def what_another_put_there_who_had_seen_the_same_stands() -> None:
    """d replaced x, too, and had not heard of c: its own stands."""
    colos = Colos("a", "b", "c", "d")
    a, b, c, d = colos.values()
    a.put("k", {"w": 1})
    colos.meet()
    d.patch("k", {"x": 0})
    arrive(b, cut(d, b))
    b.patch("k", {"x": 1})
    for kv in (c, d):
        arrive(kv, cut(b, kv))
    d.patch("k", {"x": 2})
    c.delete("k")
    for name in "bcd":
        a.evict(name)
    _come_back(colos, a, d, c, b)
    assert colos.read("k") == {"w": 1, "x": 2}


@guards(
    "But where the container that was hidden is shown all the same, nothing was taken away.",
    Line(taken.row_of, "is_hider(payload) and _is_shown(replica, key, path)", "False"),
)
def what_was_deleted_and_is_shown_again_stands_whole() -> None:
    """c deleted o, but there b's edit shows it, and all that is in it."""
    colos, gone = out("json", {}, lambda kv: kv.patch("k", {"o": {"x": 1, "y": 1}}), lambda kv: None)
    b, c = gone.values()
    c.patch("k", {"o": None})
    b.patch("k", {"o": {"y": 2}})
    arrive(c, cut(b, c))
    assert shows(c, "k") == {"o": {"x": 1, "y": 2}}
    for name in "cb":
        colos[name] = gone[name]
        colos.meet(4)
    colos.check()
    assert colos.read("k") == {"o": {"x": 1, "y": 2}}


@guards(
    "of another's counter cell what it had come to, which counts with what that writes anew",
    Line(pending._rewrite, "told.counts.get(item.path, ())", "()"),
    Line(pending._joined, "*stands, *more", "*stands"),
)
def what_was_reset_does_not_count_again() -> None:
    def new_counter(kv: crdtkv.Store) -> None:
        kv.counter("n").add(5)

    for takes in (lambda kv: kv.delete("n"), lambda kv: kv.counter("n").reset()):
        colos = back("json", 0, new_counter, takes, "cb", Colos.purge)
        assert colos.read("n") in (0, None) and colos.read("k") == 0


@guards(
    "What a delete had seen is dead.",
    Line(pending._joined, "_without_life(s) if item.covered(s.dot) else s", "s"),
)
def a_counter_that_was_deleted_is_absent() -> None:
    colos = back("counter", 3, lambda kv: kv.counter("k").add(5), lambda kv: kv.delete("k"), "cb")
    assert colos.read("k") is None


@guards(
    "and what others have told here, and may not have there",
    Line(taken.rows_of, "for key in _keys(replica):", "for key in ():"),
)
def it_is_told_once_more_by_who_comes_back_twice() -> None:
    """c came back by a, and had nothing more to say; d, which has not heard of what it left there, evicts c and a."""
    colos, gone = out(*SETS[0], "d")
    (a, d), (b, c) = colos.values(), gone.values()
    life_of(c, a, d)
    d.evict("c")
    d.evict("a")
    for kv in (c, b, a):
        for _ in range(3):
            kv.sync(d)
    colos.update(gone)
    colos.meet(4)
    colos.check()
    assert colos.read("k") == ["w"]


def life_of(c: crdtkv.Store, a: crdtkv.Store, d: crdtkv.Store) -> None:
    """c comes back by a, and d hears of that, and of nothing that c writes."""
    come_in(c, a)
    for _ in range(2):
        for source, target in ((a, d), (d, a), (a, c)):
            arrive(target, cut(source, target))
    assert pending.remint(c._replica, c._rule_of) == 1 and c._replica.state.pending == []


@guards(
    "So long they are kept, at least.",
    Line(taken.leave, "make_stamp(oldest_ms)", "0"),
)
def what_was_told_long_ago_is_forgotten() -> None:
    colos = back(*SETS[0], "cb")
    [row] = _rows(colos["a"])
    colos.clock.wait(taken.KEEP_TAKEN_MS / 1000 + 60)
    colos["b"].set("k").add("y")
    arrive(colos["c"], cut(colos["b"], colos["c"]))
    colos["c"].set("k").remove("y")
    gone = {name: colos.pop(name) for name in "bc"}
    for name in gone:
        colos["a"].evict(name)
    colos.update({name: gone[name] for name in "cb"})
    colos.meet(4)
    assert colos.read("k") == ["w"] and row not in _rows(colos["a"]) and len(_rows(colos["b"])) == 1


@guards(
    "So many rows of a key are left at one return",
    Line(taken.leave, "said[:MAX_TAKEN]", "said"),
)
def what_is_told_is_bounded() -> None:
    def adds(kv: crdtkv.Store) -> None:
        kv.set("k").add("x", "y", "z")

    def removes(kv: crdtkv.Store) -> None:
        for each in "xyz":
            kv.set("k").remove(each)

    with limited(taken, "MAX_TAKEN", 2):
        assert len(_rows(back("set", ["w"], adds, removes, "cb")["a"])) == 2


def _rows(kv: crdtkv.Store) -> list[Any]:
    found: list[Any] = kv._replica.read(taken.TAKEN + "k")
    return found


def alone(spec: str, value: Any, acts: Act) -> Any:
    """What is shown when e has done this, was evicted unheard, and came back."""
    colos = Colos("a", "e", "f")
    a, e, _ = colos.values()
    a.put("k", value, strategy=spec)
    colos.meet()
    acts(e)
    del colos["e"]
    a.evict("e")
    colos.meet()
    colos["e"] = e
    colos.meet(4)
    colos.check()
    return colos.read("k")


@guards(
    "that of a key's life, which is not minted anew itself, also what still has its number",
    Line(pending._take_below, "(not item.path and covers(seen, s.dot))", "False"),
)
def what_was_deleted_before_a_key_was_made_anew_does_not_stand_beside_that() -> None:
    for spec, value, makes, made in (
        ("set", ["w"], lambda kv: kv.set("k").add("x"), ["x"]),
        ("list", ["w"], lambda kv: kv.list("k").append("x"), ["x"]),
        ("json", {"w": 1}, lambda kv: kv.patch("k", {"x": 1}), {"x": 1}),
    ):

        def acts(e: crdtkv.Store, makes: Act = makes) -> None:
            e.delete("k")
            makes(e)

        assert alone(spec, value, acts) == made


@guards(
    "So does what this store has minted anew from what it had itself replaced.",
    Line(pending._is_earlier, "s.dot == draft.dot or ", ""),
    Line(pending._is_earlier, "any(map(item.covered, _said_before(draft.replica, s.dot)))", "False"),
)
def what_was_made_anew_is_not_lost_to_the_delete_before_it() -> None:
    """Where deletes win: the delete is minted anew, too, before what was put there after it."""

    def acts(e: crdtkv.Store) -> None:
        e.delete("k")
        for value in (1, 2):
            e.put("k", {"x": value}, strategy="json?wins=delete")

    assert alone("json?wins=delete", {"x": 0, "w": 1}, acts) == {"x": 2}


# what was put over it


@guards(
    "also names as parents what it was minted from, and what that had replaced that nobody covers",
    Line(pending._rewrite, "any(not before.isdisjoint(s.parents) for s in place.cell)", "False"),
    Line(Draft.rewrite, "if named:", "if False:"),
)
def what_was_replaced_does_not_stand_beside_what_replaced_it() -> None:
    for order in ("cb", "bc"):
        colos = back("mv", 1, lambda kv: kv.put("k", 2), lambda kv: kv.put("k", 3), order)
        assert colos["a"].get("k").siblings == (3,)  # type: ignore[union-attr]


@guards(
    "what names one that a write had replaced, and nothing that its writer had not seen, is replaced by it",
    Line(pending._Item.takes, "or (anew and all(", "or (False and all("),
    Line(pending._rewrite, "item.replaced | before", "item.replaced"),
)
def nor_does_it_stay_until_who_removed_it_comes_back() -> None:
    for case in SETS:
        assert back(*case, "bc").read("k") == ["w"]


@guards(
    "What it so replaces is neither later nor a remove that it had not seen.",
    Line(pending._rewrite, "if s.dot not in gone]", "if not item.covered(s.dot)]"),
)
def what_was_put_over_it_stands_whoever_comes_back_first() -> None:
    """Also where what is minted anew says last what another had put something over: b is back first."""
    for spec, value, does, puts, shown in (
        ("lww", 0, lambda kv: kv.put("k", 1), lambda kv: kv.put("k", 2), 2),
        ("json", {}, lambda kv: kv.patch("k", {"x": 1}), lambda kv: kv.patch("k", {"x": 2}), {"x": 2}),
        ("json", {}, lambda kv: kv.patch("k", {"o": {"x": 1}}), lambda kv: kv.patch("k", {"o": 5}), {"o": 5}),
        ("list", ["w"], lambda kv: kv.list("k").set(0, "x"), lambda kv: kv.list("k").set(0, "y"), ["y"]),
        ("set?wins=remove", ["x"], lambda kv: kv.set("k").remove("x"), lambda kv: kv.set("k").add("x"), ["x"]),
    ):
        for order in ("cb", "bc"):
            colos = back(spec, value, does, puts, order)
            assert colos.read("k") == shown and not colos["c"].conflicts()


@guards(
    "So does what names one that nobody covers, where nothing of what it names was left in the cell of who returns.",
    Line(pending._Item.takes, "(self.covered(d) and not covers(self.known, d))", "False"),
)
def nor_does_it_stand_where_it_was_removed_before_something_was_put_there() -> None:
    def puts(kv: crdtkv.Store) -> None:
        kv.patch("k", {"x": None})
        kv.patch("k", {"x": 2})

    for order in ("cb", "bc"):
        assert back("json", {"w": 1}, lambda kv: kv.patch("k", {"x": 1}), puts, order).read("k") == {"w": 1, "x": 2}


@guards(
    "So does what names one that nobody covers, where nothing of what it names was left in the cell of who returns.",
    Line(pending._Item.takes, "(self.covered(d) and not covers(self.known, d))", "self.covered(d)"),
)
def what_another_put_over_what_all_had_seen_stands() -> None:
    colos = Colos("a", "b", "c")
    a, b, c = colos.values()
    a.put("k", 1, strategy="mv")
    colos.meet()
    c.put("k", 3)
    a.evict("c")
    b.put("k", 2)
    colos.meet(4)
    colos.check()
    assert sorted(a.get("k").siblings) == [2, 3]  # type: ignore[union-attr]


@guards(
    "A copy's own name, under which nobody ever knew it, is named too.",
    Line(pending._rewrite, "item.replaced | before", "{d for d in item.replaced | before if d[0][-5:] != '~copy'}"),
)
def what_a_copy_put_over_the_same_stands() -> None:
    """d is a copy, and does not know it, when it puts something over what c puts something over, too."""
    for order in ("dcb", "cdb"):
        colos = Disks("a", "b", "c", "d")
        a, b, c, d = colos.values()
        a.put("k", 1, strategy="mv")
        colos.meet()
        copy = colos.copy("d")
        d.put("other", 1)
        arrive(a, cut(d, a))
        d = colos.put_back("d", copy)
        b.put("k", 2)
        for kv, value in ((c, 3), (d, 4)):
            arrive(kv, cut(b, kv))
            kv.put("k", value)
        for name in "bc":
            a.evict(name)
        for name in order:
            for _ in range(4):
                colos[name].sync(a)
        colos.meet(4)
        colos.check()
        assert sorted(a.get("k").siblings) == [3, 4]  # type: ignore[union-attr]


@guards(
    "what names one that a write had replaced, and nothing that its writer had not seen, is replaced by it",
    Line(pending._Item.takes, "and all(d in self.replaced or self.covered(d) for d in s.parents)", ""),
)
def who_had_replaced_the_same_stands_beside_it() -> None:
    """b's value was replaced by c and by d, which had not heard of each other; all three are out."""
    colos = told_of("abcd", "cd")
    a, b, *others = colos.values()
    for kv in others:
        kv.put("k", kv.colo)
    colos.clock.wait(1)
    for name in "bcd":
        a.evict(name)
    _come_back(colos, a, b, *others)
    assert sorted(a.get("k").siblings) == ["c", "d"]  # type: ignore[union-attr]


@guards(
    "also names as parents what it was minted from, and what that had replaced that nobody covers",
    Line(pending._plain, "if dot[0] != own or covers(base, dot)", "if covers(base, dot)"),
)
def nor_where_who_replaced_it_comes_back_twice() -> None:
    """c's 3 was minted anew, and its name is all that is left of b's 2 there; d, which has neither, evicts c and a."""
    colos = told_of("abcd", "c")
    a, b, c, d = colos.values()
    c.put("k", 3)
    a.evict("b")
    a.evict("c")
    come_in(c, a)
    for _ in range(2):
        for source, target in ((c, a), (a, d), (d, a), (a, c), (d, c)):
            arrive(target, cut(source, target))
    assert pending.remint(c._replica, c._rule_of) == 1
    d.evict("c")
    d.evict("a")
    _come_back(colos, d, c, b, a)
    assert a.get("k").siblings == (3,)  # type: ignore[union-attr]


@guards(
    "also names as parents what it was minted from, and what that had replaced that nobody covers",
    Line(
        pending.uncovered,
        "_plain(s, key,",
        "_plain(s._replace(parents=tuple(d for d in s.parents if not covers(to, d))), key,",
    ),
)
def nor_where_what_it_returned_to_first_had_that_too() -> None:
    """p has b's 2 when c, which replaced it, returns there; a has not, and evicts all three before c has minted."""
    colos = told_of("abcp", "cp")
    a, b, c, p = colos.values()
    c.put("k", 3)
    p.evict("c")
    come_in(c, p)
    for name in "bcp":
        a.evict(name)
    _come_back(colos, a, c, b, p)
    assert a.get("k").siblings == (3,)  # type: ignore[union-attr]


@guards(
    "of what has come here since it returned no names are needed, and anybody may name it",
    Line(pending._Item.told_since, "if not covers(vector, dot)", ""),
)
def who_had_replaced_what_came_meanwhile_stands_beside_it() -> None:
    """b's value was replaced by c and by d, which had not heard of each other; c alone is out, and back before a hears
    of the others."""
    colos = told_of("abcd", "cd")
    a, _, *others = colos.values()
    for kv in others:
        kv.put("k", kv.colo)
    a.evict("c")
    come_in(colos["c"], a)
    colos.meet(4)
    colos.check()
    assert sorted(a.get("k").siblings) == ["c", "d"]  # type: ignore[union-attr]
