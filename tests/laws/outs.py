"""Stories of colos that are all out: what they wrote to one another's is minted anew, in whatever order they return.

Worlds drawn at random evict one now and then, and it comes back before the next. Here what one wrote another has
replaced, and both are evicted by who has heard of neither. All must end equal, without a repair.
"""

from __future__ import annotations

from contextlib import suppress
from random import Random
from typing import Any

import crdtkv
from crdtkv.errors import CrdtkvError
from tests.colos import Colos, arrive, cut

__all__ = ["story"]

_STARTS: dict[str, Any] = {
    "set": ["v", "w"], "set?wins=remove": ["v", "w"], "list": ["v", "w"], "lww": 0, "mv": 0, "hash": {"w": 1},
    "counter": 3, "json": {"p": {"x": 1}, "l": ["w"]},
}  # fmt: skip


def story(seed: int) -> None:
    """Raises AssertionError where two colos end unlike, or one has to be repaired."""
    dice = Random(seed)
    spec = dice.choice(list(_STARTS))
    colos = Colos(*"abcd")
    a, *outs = colos.values()
    a.rules.set("k", spec)
    a.put("k", _STARTS[spec])
    colos.meet()
    for n in range(dice.randrange(3, 9)):
        kv, other = dice.sample(outs, 2)
        if dice.random() < 0.4:
            arrive(kv, cut(other, kv))
        else:
            with suppress(CrdtkvError):
                _write(kv, spec, n, dice)
        colos.clock.wait(dice.choice((0, 0.1, 2)))
    for kv in outs:
        a.evict(kv.colo)
    if dice.random() < 0.5:
        a.put("k", _STARTS[spec]) if dice.random() < 0.5 else a.delete("k")
    _return(colos, dice.sample(outs, 3), dice)
    _end(colos, dice)


def _write(kv: crdtkv.Store, spec: str, n: int, dice: Random) -> None:
    if dice.random() < 0.25:
        kv.delete("k")
    elif spec == "counter":
        kv.counter("k").add(dice.choice((1, 2, -1)))
    elif spec == "hash":
        kv.operate("k", "hash", *dice.choice((("add", "w", 1), ("remove", "w"), ("set", "u", n))))
    elif spec == "json":
        place = kv.json("k").at(dice.choice(("/p", "/p/x", "/p/y", "/l")))
        place.delete() if dice.random() < 0.4 else place.put(dice.choice((n, {"x": n}, [n])))
    elif spec in ("lww", "mv"):
        kv.put("k", n)
    else:
        shown = list(kv["k"]) if "k" in kv else []
        if shown and dice.random() < 0.5:
            del shown[dice.randrange(len(shown))]
        else:
            shown.append(f"{kv.colo}{n}")
        kv.put("k", shown)


def _return(colos: Colos, outs: list[crdtkv.Store], dice: Random) -> None:
    """Through a, which forgets in between, and evicts some once more."""
    a = colos["a"]
    for kv in outs:
        for _ in range(dice.choice((1, 3))):
            kv.sync(a)
        if dice.random() < 0.3:
            a.compact()
        if dice.random() < 0.3:
            colos.clock.wait(1)
            a.evict(kv.colo)


def _end(colos: Colos, dice: Random) -> None:
    pairs = [(one, other) for one in colos.values() for other in colos.values() if one is not other]
    for _ in range(6):
        dice.shuffle(pairs)
        for one, other in pairs:
            assert not one.sync(other).repairs
    colos.check()
    for kv in colos.values():
        kv.compact()
    colos.meet(3)
    colos.check()
    assert len({repr(kv.get("k") and kv["k"]) for kv in colos.values()}) == 1
