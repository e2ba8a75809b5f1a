"""Items at three colos that write, delete, expire, exchange and purge as chance has it: equal in the end, and sound."""

from __future__ import annotations

import random
from typing import Any

import pytest

from crdtkv.core.keys import METADATA
from crdtkv.doors.items import holding
from crdtkv.doors.items.guessing import Readers
from crdtkv.doors.items.holding import Put
from tests.colos import Colos

KEYS = ("doc", "list", "n", "bytes")


def shown(kv: Any) -> Any:
    page = holding.listing(kv)
    return [(key.name, key.metadata, key.expires, holding.get(kv, key.name).body) for key in page.keys]  # type: ignore[union-attr]


def body(rng: random.Random, key: str) -> bytes:
    match key:
        case "doc":
            members = [b'"%s":%d' % (name, rng.randrange(3)) for name in rng.sample([b"a", b"b", b"c"], 2)]
            return b"{%s}" % b",".join(members)
        case "list":
            return b"[%s]" % b",".join(b"%d" % rng.randrange(5) for _ in range(rng.randrange(4)))
        case "n":
            return b"%d" % rng.randrange(9)
    return bytes(rng.randrange(256) for _ in range(3))


def step(rng: random.Random, colos: Colos, readers: dict[str, Readers], seen: dict[str, Any]) -> None:
    name = rng.choice("abc")
    kv, key = colos[name], rng.choice(KEYS)
    match rng.randrange(12):
        case 0 | 1 | 2 | 3:
            writer = readers[name].writer(kv, "t", seen[name] if rng.random() < 0.5 else None)
            expires = kv._replica.wall_ms() // 1000 + rng.randrange(60, 200) if rng.random() < 0.2 else None
            metadata = {"by": name, "at": rng.randrange(9)} if rng.random() < 0.6 else None
            with kv.transaction() as t:
                holding.put(t, Put(key, body(rng, key), metadata=metadata, expires=expires), writer)
            writer.done()
        case 4:
            with kv.transaction() as t:
                holding.delete(t, key)
        case 5:
            kv.pop(key, None)
        case 6:
            if key in kv and key in ("doc", "list"):
                kv[key] = [7] if key == "list" else {"z": 7}
        case 7:
            item = holding.get(kv, key)
            if item is not None:
                readers[name].told("t", seen[name], kv.namespace, item.entry)
        case 8 | 9:
            kv.sync(colos[rng.choice("abc".replace(name, ""))])
        case 10:
            colos.clock.wait(rng.choice((1, 30, 100)))
        case 11:
            kv.compact()
    check(kv)


def check(kv: Any) -> None:
    """Metadata is shown of what is there alone, and only the one that came with the last write."""
    for key in holding.listing(kv).keys:
        item = holding.get(kv, key.name)
        if item is None:  # its date came meanwhile: each look at the clock takes a millisecond
            assert key.expires is not None and key.expires * 1000 <= kv._replica.wall_ms()
            continue
        assert item.metadata == key.metadata
        if key.metadata is not None:
            stamps = [s.stamp for cell in kv._replica.storage.cells(METADATA + key.name).values() for s in cell]
            found, tree = kv._replica.shown(key.name)
            assert max(stamps) >= max(s.stamp for s in found.standing(tree))


@pytest.mark.parametrize("seed", range(6))
def test_three_colos_end_equal(seed: int) -> None:
    rng = random.Random(seed)
    colos = Colos("a", "b", "c", seed=seed)
    colos["a"].rules.set("n", "counter")
    colos["a"].rules.set("bytes", "lww")
    colos.meet()
    readers = {name: Readers(kv._replica.wall_ms) for name, kv in colos.items()}
    seen: dict[str, Any] = {name: {} for name in colos}
    for _ in range(250):
        step(rng, colos, readers, seen)
    colos.purge()
    colos.meet()
    first, *others = [shown(kv) for kv in colos.values()]
    assert all(other == first for other in others)
    assert len({kv.digest() for kv in colos.values()}) == 1
    for kv in colos.values():
        assert kv.check() == []
    for key in [key for key, *_ in first]:
        with colos["a"].transaction() as t:
            holding.delete(t, key)
    colos.meet()
    for _ in range(4):
        colos.purge(300)
    left = [key for kv in colos.values() for key in kv._replica.storage.keys(METADATA, METADATA + "\U0010ffff")]
    assert left == [], left
