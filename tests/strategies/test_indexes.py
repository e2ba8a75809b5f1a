"""What is kept beside the cells of a large value says what is in them, whatever was written and came in."""

from random import Random
from typing import Any

import pytest

import crdtkv
from crdtkv.core.values import unpack
from crdtkv.strategies.base import Operation
from crdtkv.strategies.fields import name_at
from crdtkv.strategies.indexes import Names, Ranking, members, names, ranking
from crdtkv.strategies.line import line
from crdtkv.strategies.zset import score_of


def pair() -> list[Any]:
    colos = [crdtkv.open(colo="lhr"), crdtkv.open(colo="sin")]
    colos[0].sync(colos[1])
    return colos


def shown(kv: Any) -> Any:
    return kv._replica.shown("k")


@pytest.mark.parametrize("seed", range(8))
def test_members_are_those_of_the_set(seed: int) -> None:
    dice, colos = Random(seed), pair()
    for _ in range(60):
        kv = dice.choice(colos)
        what = dice.choice(["add", "add", "remove", "clear", "sync"])
        if what == "sync":
            colos[0].sync(colos[1])
        elif what != "clear" or dice.random() < 0.3:
            kv.operate("k", "set", what, *(() if what == "clear" else dice.sample("abcdef", 2)))
        for each in colos:
            if (root := shown(each)) is not None:
                assert sorted(members(*root).paths) == sorted(root[0]._elements(root[1]))


@pytest.mark.parametrize("family", ["hash", "zset"])
@pytest.mark.parametrize("seed", range(8))
def test_names_are_those_of_the_cells(seed: int, family: str) -> None:
    dice, colos = Random(seed), pair()
    for _ in range(60):
        kv, name = dice.choice(colos), dice.choice("abcdef")
        what = dice.choice(["set", "set", "add", "remove", "clear", "sync"])
        given: dict[str, tuple[Any, ...]] = {
            "set": (name, dice.randrange(4), "z", 2), "add": (name, dice.choice((1, 0.5))), "remove": (name, "b"),
        }  # fmt: skip
        if what == "sync":
            colos[0].sync(colos[1])
        elif what != "clear" or dice.random() < 0.3:
            kv.operate("k", family, what, *given.get(what, ()))
        for each in colos:
            if (root := shown(each)) is not None:
                found: Names = (ranking if family == "zset" else names)(*root)
                values = {name_at(path): value for path, value in found.values.items()}
                assert values == root[0].read(root[1])
                if isinstance(found, Ranking):
                    by_score = sorted((score_of(v), n.encode()) for n, v in values.items())
                    assert [(score, name) for score, name, _ in found.order] == by_score


@pytest.mark.parametrize("seed", range(8))
def test_a_line_is_the_list(seed: int) -> None:
    """And what is done by an index is done to the element there, also where one was moved."""
    dice, colos = Random(seed), pair()
    for step in range(60):
        kv = dice.choice(colos)
        was = list(kv.list("k"))
        what = dice.choice(["append", "prepend", "insert", "set", "remove", "sync", "cut"] + ["move"] * (seed > 5))
        at = dice.randrange(len(was)) if was else 0
        if what == "sync":
            colos[0].sync(colos[1])
        elif what in ("append", "prepend"):
            kv.operate("k", "list", what, step)
        elif what == "insert":
            assert kv.operate("k", "list", "insert", at, step, -step).value == [*was[:at], step, -step, *was[at:]]
        elif was and what == "set":
            assert kv.operate("k", "list", "set", at, step).value == [*was[:at], step, *was[at + 1 :]]
        elif was and what == "remove":
            assert (kv.operate("k", "list", "remove", at).value or []) == [*was[:at], *was[at + 1 :]]
        elif was and what == "cut":
            n = dice.randrange(1, len(was) - at + 1)
            assert (kv.operate("k", "list", "remove", at, n).value or []) == [*was[:at], *was[at + n :]]
        elif was and what == "move":
            kv.operate("k", "list", "move", at, dice.randrange(len(was)))
        for each in colos:
            if (root := shown(each)) is not None and (plain := line(root[1])) is not None:
                cells = [root[1].cell(path) for path in plain.paths(0, len(plain))]
                found = [unpack(max((s.stamp, s.payload) for s in c if s.payload)[1]) for c in cells]
                assert found == root[0].read(root[1])


ENDS = ["append"] * 6 + ["prepend"] * 4 + ["two", "remove", "last", "move", "sync", "sync", "clear", "compact"]


def written_at_ends(seed: int, script: list[str] | None = None) -> list[bytes]:
    """What two colos wrote that work at the ends of a list, byte for byte."""
    dice, now, said = Random(seed), [1_700_000_000.0], []
    colos = [
        crdtkv.open(colo=c, clock=lambda: now[0], random=Random(c), purge_step_ms=1, history=False) for c in "ab"
    ]
    colos[0].sync(colos[1])
    for kv in colos:
        kv.on_commit.append(lambda record, data: said.append(data))
    for step, what in enumerate(script or dice.choices(ENDS, k=60)):
        kv, now[0] = dice.choice(colos), now[0] + 0.01
        count = len(kv.list("k"))
        if what == "sync":
            colos[0].sync(colos[1])
        elif what == "compact":
            for each in colos * 2:
                colos[0].sync(colos[1])
                each.compact()
        elif what in ("append", "prepend"):
            kv.operate("k", "list", what, *range(step, step + dice.randrange(1, 4)))
        elif what == "two":
            with kv.transaction() as t:
                t.list("k").append(step)
                t.list("k").prepend(-step)
                t.list("k").append(step)
        elif what == "clear":
            if dice.random() < 0.3:
                kv.operate("k", "list", what)
        elif count:
            at = (count - 1,) if what == "last" else (dice.randrange(count),)
            kv.operate("k", "list", "move" if what == "move" else "remove", *at, *((0,) if what == "move" else ()))
    return said


@pytest.mark.parametrize("seed", range(12))
def test_who_goes_on_at_an_end_stands_where_he_would(seed: int) -> None:
    found = written_at_ends(seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crdtkv.strategies.list.beyond", lambda *given: [])
        assert written_at_ends(seed) == found


def test_a_list_in_a_document_takes_the_same() -> None:
    kv = crdtkv.open(colo="lhr")
    kv.put("d", {"a": [1, 2, 3, 4]})
    assert kv.operate("d", "json", "at", ("a",), "list", Operation("remove", (1, 2))).value == {"a": [1, 4]}
    with pytest.raises(crdtkv.errors.WrongType, match="index 4 is outside"):
        kv.operate("d", "json", "at", ("a",), "list", Operation("remove", (1, 4)))
    for given in ((0, 0), (0, True), (0, 9), (5,)):
        with pytest.raises(crdtkv.errors.WrongType):
            kv.operate("l", "list", "append", 1)
            kv.operate("l", "list", "remove", *given)
