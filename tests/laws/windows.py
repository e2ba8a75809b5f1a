"""Stories in a window that worlds drawn at random hardly ever come to.

One colo empties a key without having heard of an edit, and forgets; another, which has not heard of that,
still shows something there, and builds on it. `story(seed)` draws who does what; all must end equal, without a
repair.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from random import Random
from typing import Any

import crdtkv
from crdtkv.errors import CrdtkvError
from tests.colos import Colos, arrive, cut

__all__ = ["story"]

_STARTS: dict[str, Any] = {
    "list": ["x", "y", "z"], "set": ["x", "y", "z"], "hash": {"x": 1, "y": 2},
    "json": {"p": {"x": 1, "w": 2}, "tags": ["x", "y"]},
}  # fmt: skip
_SPECS = ("list", "list", "set", "set?wins=remove", "hash", "json", "json", "json?wins=delete")
_PATHS = ("/p", "/p", "/p/x", "/p/y", "/tags")


def story(seed: int) -> None:
    """Raises AssertionError where two colos end unlike, or one has to be repaired."""
    dice = Random(seed)
    spec = dice.choice(_SPECS)
    colos = Colos(*("abcd" if dice.random() < 0.4 else "abc"))
    a, b, c, *rest = stores = list(colos.values())
    for kv in stores:
        kv.rules.set("k", spec, paths=_paths(spec, dice))
    a.put("k", _STARTS[spec.partition("?")[0]])
    colos.meet(2)
    _Client(b, spec, dice).prepare()
    if dice.random() < 0.8:
        arrive(a, cut(b, a))
    read_at_a, read_at_b = _version(a), _version(b)
    _Client(c, spec, dice).take_out()
    colos.clock.wait(dice.choice((0, 1)))
    arrive(b, cut(c, b))
    _edit(rest, spec, dice, 0.5)
    colos.clock.wait(21)
    unheard = {(b, a), (c, a), *((source, d) for source in (b, c) for d in rest)}
    _exchange(pair for pair in _pairs(stores) if pair not in unheard)
    colos.clock.wait(2)
    _empty(a, spec, dice, read_at_a)
    for d in rest:
        arrive(d, cut(a, d))
        _edit([d, d], spec, dice, 0.7)
        _exchange([(d, a), (c, d), (b, d)])
    _exchange([(c, a), (b, a), *((d, a) for d in rest)])
    _edit([a, a], spec, dice, 0.4)
    a.compact()
    _edit([a], spec, dice, 0.4)
    _Client(b, spec, dice).build_on(read_at_b)
    _edit([c], spec, dice, 0.3)
    _end(colos, dice)


def _end(colos: Colos, dice: Random) -> None:
    """All exchange in any order, forget, and exchange again."""
    stores = list(colos.values())
    order = _pairs(stores) * 2
    dice.shuffle(order)
    for wait in (0, 30, 0):
        colos.clock.wait(wait)
        for source, target in order:
            assert not source.sync(target).repairs
        colos.check()
        for kv in stores:
            kv.compact()
    assert len({repr(kv.get("k") and kv["k"]) for kv in stores}) == 1


def _paths(spec: str, dice: Random) -> dict[str, str] | None:
    if not spec.startswith("json"):
        return None
    return {"/tags": "set", "/p/x": "counter"} if dice.random() < 0.3 else {"/tags": "set"}


def _pairs(stores: list[crdtkv.Store]) -> list[tuple[crdtkv.Store, crdtkv.Store]]:
    return [(source, target) for source in stores for target in stores if source is not target]


def _exchange(pairs: Iterable[tuple[crdtkv.Store, crdtkv.Store]]) -> None:
    for source, target in pairs:
        arrive(target, cut(source, target))


def _version(kv: crdtkv.Store) -> str | None:
    entry = kv.get("k")
    return entry and entry.version


def _edit(stores: Iterable[crdtkv.Store], spec: str, dice: Random, chance: float) -> None:
    for kv in stores:
        if dice.random() < chance:
            _Client(kv, spec, dice).edit()


def _empty(kv: crdtkv.Store, spec: str, dice: Random, read: str | None) -> None:
    """The key is deleted, perhaps made anew; or edited."""
    client = _Client(kv, spec, dice)
    if dice.random() < 0.25:
        client.edit(dice.choice((None, read)))
        return
    with suppress(CrdtkvError):
        kv.delete("k", base=dice.choice((None, read, None)))
        if dice.random() < 0.4:
            kv.put("k", dice.choice((client.start, type(client.start)())))


class _Client:
    """Edits of the key at one colo. What the key does not show any more is not edited."""

    def __init__(self, kv: crdtkv.Store, spec: str, dice: Random) -> None:
        self.kv, self.dice, self.family = kv, dice, spec.partition("?")[0]
        self.start = _STARTS[self.family]

    @property
    def shown(self) -> Any:
        entry = self.kv.get("k")
        return type(self.start)() if entry is None else entry.value

    def prepare(self) -> None:
        """What hangs on what stands there: a move, an add, a container made anew."""
        self._one_of(
            list=(lambda: self._set(0, "X"), lambda: self._move(0, 2)), set=(lambda: self.kv.set("k").add("x"),),
            hash=(lambda: self.kv.put("k", {"x": 5, "y": 2}),),
            json=(
                lambda: self._at("/p", {"k1": 1}, anew=True), lambda: self.kv.json("k").set("/tags").add("x"),
                lambda: self._at("/p/x", {"z": 1}),
            ),
        )  # fmt: skip

    def take_out(self) -> None:
        """What was there at first goes."""
        self._one_of(
            list=(lambda: self.kv.list("k").remove(0), lambda: self._move(0, 2, remove=True)),
            set=(lambda: self.kv.set("k").remove("x"),),
            hash=(lambda: self.kv.operate("k", "hash", "remove", "x"),),
            json=(
                lambda: self.kv.json("k").at("/p").delete(), lambda: self.kv.json("k").set("/tags").remove("x"),
                lambda: self._at("/p/y", 2, deleted="/p"),
            ),
        )  # fmt: skip

    def build_on(self, base: str | None) -> None:
        """An edit of what is still shown, by a client that read it a while ago."""
        self._one_of(
            list=(lambda: self._set(0, "XX"), lambda: self.kv.put("k", ["y"], base=base)),
            set=(lambda: self.kv.put("k", ["y"], base=base),),
            hash=(lambda: self.kv.put("k", {"y": 2, "x": 9}, base=base),),
            json=(
                lambda: self._at("/p/k2", 3), lambda: self._at("/p/x/q", 1),
                lambda: self.kv.put("k", {**self.shown, "tags": ["y"]}, base=base),
            ),
        )  # fmt: skip

    def edit(self, base: str | None = None) -> None:
        """Anything."""
        kv, value, dice = self.kv, self.dice.choice("xy"), self.dice
        path = dice.choice(_PATHS)
        self._one_of(
            list=(
                lambda: kv.list("k").append(value), lambda: kv.list("k").remove(0), lambda: self._set(0, value),
                lambda: self._move(0, 1), lambda: kv.put("k", self.shown[1:], base=base),
                lambda: kv.put("k", [], base=base),
            ),
            set=(
                lambda: kv.set("k").add(value), lambda: kv.set("k").remove(value), lambda: kv.set("k").clear(),
                lambda: kv.put("k", [*self.shown[1:], value], base=base),
            ),
            hash=(
                lambda: kv.operate("k", "hash", "add", value, dice.randrange(9)), lambda: kv.put("k", {}, base=base),
                lambda: kv.put("k", {**self.shown, value: dice.randrange(99)}, base=base),
            ),
            json=(
                lambda: self._at(path, [value] if path == "/tags" else dice.choice((1, {"x": 1}, {"y": {"z": 2}}))),
                lambda: kv.json("k").at(path).delete(), lambda: kv.json("k").set("/tags").add(value),
                lambda: kv.put("k", {**self.shown, "q": dice.randrange(9)}, base=base),
                lambda: kv.put("k", {"n": dice.randrange(9)}, base=base),
            ),
        )  # fmt: skip

    def _one_of(self, **edits: Any) -> None:
        chosen = self.dice.choice(edits[self.family])
        with suppress(CrdtkvError, IndexError):
            if self.dice.random() < 0.05:
                self.kv.expire("k", self.dice.choice((0.5, 3, 1000)))
            chosen()

    def _set(self, index: int, value: str) -> None:
        self.kv.list("k").set(index, value)

    def _move(self, index: int, to: int, remove: bool = False) -> None:
        self.kv.list("k").move(index, to)
        if remove:
            self.kv.list("k").remove(to)

    def _at(self, path: str, value: Any, anew: bool = False, deleted: str = "") -> None:
        """`anew`: what stood there is deleted first; `deleted`: what is deleted after."""
        document = self.kv.json("k")
        if anew:
            document.at(path).delete()
        document.at(path).put(value)
        if deleted:
            document.at(deleted).delete()
