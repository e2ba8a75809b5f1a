"""Who belongs: evicted, returned, evicting each other; what anyone wrote stands once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import crdtkv
from tests.colos import Colos, cells


def test_case_42_evicted_with_a_write_older_than_the_purge() -> None:
    """7 is in the inbox or stands, not both, and A and B read the same for ever."""
    colos = Colos("a", "b", "e")
    colos["a"].put("k", 1)
    colos.meet()
    colos["e"].put("k", 7)
    colos.clock.wait(1)
    colos["a"].delete("k")
    e = colos.pop("e")
    colos.meet()
    colos["a"].evict("e")
    colos.purge()
    assert cells(colos["a"], "k") == 0
    colos["e"] = e
    colos.meet(4)
    colos.check()
    stands = colos.read("k") == 7
    lost = 7 in [c.value for c in e.conflicts()]
    assert stands != lost
    colos.purge()
    assert (colos.read("k") == 7) == stands


@pytest.mark.parametrize("kind", ["list", "counter", "lww", "set"])
def test_case_55_once_not_twice(kind: str) -> None:
    """Z absorbed E's write before E was evicted, X had not; E comes back at X: the write stands once."""
    colos = Colos("x", "z", "e")
    x, z = colos["x"], colos["z"]
    colos["x"].put("k", {"list": ["s"], "counter": 0, "lww": 0, "set": ["s"]}[kind], strategy=kind)
    colos.meet()
    write: dict[str, Callable[[crdtkv.Store], Any]] = {
        "list": lambda kv: kv.list("k").append("e"),
        "counter": lambda kv: kv.counter("k").add(5),
        "lww": lambda kv: kv.put("k", 5),
        "set": lambda kv: kv.set("k").add("e"),
    }
    e = colos.pop("e")
    write[kind](e)
    z.sync(e)
    x.evict("e")
    colos["e"] = e
    x.sync(e)
    colos.meet(4)
    colos.check()
    assert colos.read("k") == {"list": ["s", "e"], "counter": 5, "lww": 5, "set": ["e", "s"]}[kind]
    assert len(x.members) == 3


def test_case_56_the_side_that_was_picked_keeps_its_name() -> None:
    """Two evict each other, one side is picked: the other returns as evicted, and nothing is lost."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.put("left", 1)
    b.put("right", 1)
    a.evict("b")
    b.evict("a")
    a.sync(b)
    assert a.forks and b.forks
    names = a.id, b.id
    link = next(link for fork in a.forks for link in fork if link.startswith("a~"))
    a.resolve(link)
    colos.meet()
    assert a.id == names[0] and b.id != names[1]
    assert (a.forks, b.forks) == ([], [])
    assert colos.read("left") == colos.read("right") == 1
    assert a.members == b.members == sorted([a.id, b.id])
