"""Where siblings stand by their dots, in memory: what is asked for is what a look at all cells finds."""

from __future__ import annotations

from random import Random

import pytest

from crdtkv.core.cells import Cell, Sibling
from crdtkv.core.clocks import covers
from crdtkv.core.packed import Packed
from crdtkv.storage.base import NO_HORIZON
from crdtkv.storage.memory import MemoryStorage

ROOT = b"slist\0"


def path(n: int) -> bytes:
    return ROOT + b"e%06d\0" % n


@pytest.mark.parametrize("seed", range(30))
def test_what_came_behind_all_others_or_between_them_and_went_or_was_undone(seed: int) -> None:
    random, storage, dots = Random(seed), MemoryStorage(), 0

    def cell() -> Cell:
        nonlocal dots
        dots += 1
        payload = random.choice([b"\xa1x"] * 4 + [None])
        return (Sibling((random.choice(["a~1", "b~1"]), dots), dots, payload),)

    def act() -> None:
        cells, what = storage.cells("k"), random.random()
        at = 1 + next((n for n in range(999, 0, -1) if path(n) in cells), 499)
        if what < 0.6 or not cells:
            come = list(range(at, at + random.choice([1, 1, 3, 20])))
            if not cells:
                storage.put_key("k", {path(n): cell() for n in come}, {}, NO_HORIZON)
            else:
                storage.put_cells("k", {path(n): cell() for n in come})
        elif what < 0.75:
            come = [n for n in random.sample(range(500), 3) if path(n) not in cells]
            if come:
                storage.put_cells("k", {path(n): cell() for n in come})
        elif what < 0.95:
            storage.put_cell("k", random.choice(list(cells)), random.choice([(), cell()]))
        else:  # the last of them go, so others come where they stood
            for each in list(cells)[len(cells) * 2 // 3 :]:
                storage.put_cell("k", each, ())

    for _ in range(60):
        storage.begin()
        for _ in range(random.choice([1, 1, 2, 4])):
            act()
        if random.random() < 0.2:
            storage.rollback()
        else:
            storage.commit()
        if random.random() < 0.2:
            vector = {"a~1": random.randint(0, dots), "b~1": random.randint(0, dots)}
            found = {("k", p) for p, c in storage.cells("k").items() if not all(covers(vector, s.dot) for s in c)}
            assert storage.beyond(vector) == found
            wanted = {p for p, c in storage.cells("k").items() if any(s.payload is None for s in c)}
            assert {p for _, p in storage.due(dots)} == wanted
    assert isinstance(storage.cells("k"), Packed)
