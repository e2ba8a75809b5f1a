"""Pages of a file in the place of others, exchanged, or with bits that changed: errors of ours, and no other."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest

import crdtkv
from crdtkv.errors import Corrupt, CrdtkvError

_PAGE = 4096
_SEEDS = range(400 if os.environ.get("CRDTKV_LAWS") == "long" else 12)

_CALLS: dict[str, Callable[[crdtkv.Store], object]] = {
    "items": lambda kv: dict(kv.items()), "scan": lambda kv: kv.scan(limit=10), "history": lambda kv: kv.history("k1"),
    "digest": crdtkv.Store.digest, "put": lambda kv: kv.put("k1", {"n": 5}), "compact": crdtkv.Store.compact,
}  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """A file with something in most of its tables."""
    path = tmp_path_factory.mktemp("pages") / "a.db"
    with crdtkv.open(path, colo="a") as kv:
        for turn in range(3):
            with kv.transaction() as t:
                for n in range(120):
                    t.put(f"k{n}", {"n": n, "turn": turn, "text": "y" * (n % 90)})
                    t.put(f"t{n}", f"text {turn}", strategy="lww")
                    t.set(f"s{n % 7}").add(n)
                    t.list(f"l{n % 5}").append(n)
        kv.delete("k3")
    return path.read_bytes()


def altered(data: bytes, dice: Random) -> bytes:
    found = bytearray(data)
    one, other = (slice(at, at + _PAGE) for at in dice.choices(range(_PAGE, len(data), _PAGE), k=2))
    match dice.randrange(3):
        case 0:
            found[one] = data[other]
        case 1:
            found[one], found[other] = data[other], data[one]
        case _:
            for _ in range(3):
                found[dice.randrange(100, len(found))] ^= 1 << dice.randrange(8)
    return bytes(found)


@pytest.mark.parametrize("seed", _SEEDS)
def test_whatever_lies_there_is_read_or_refused(tmp_path: Path, written: bytes, seed: int) -> None:
    """`check` says what is wrong wherever a call is refused; and what `check` finds nothing wrong with is all there."""
    path, data = tmp_path / "a.db", altered(written, Random(seed))
    path.write_bytes(data)
    with suppress(Corrupt), crdtkv.open(path, colo="a") as kv:
        found = kv.check()
        assert found or (len(kv) == 251 and kv["k1"]["turn"] == 2)
        for call in _CALLS.values():
            try:
                call(kv)
            except CrdtkvError:
                assert found
