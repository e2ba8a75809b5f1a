"""`compact` bit by bit: while others read and write, and to the same end."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

import crdtkv
from crdtkv.store import maintenance
from crdtkv.store.store import Store
from tests.colos import Clock
from tests.compiled import interpreted

DAY_S = 24 * 3600


def used(clock: Clock, path: Path | str = ":memory:") -> Store:
    """A store with deleted keys, a day-old past, and increments that may be folded."""
    kv = crdtkv.open(path, colo="lhr", clock=clock.of("lhr"), random=Random(1), purge_step_ms=1)
    for i in range(30):
        kv.put(f"k{i}", i)
        kv.put(f"k{i}", i + 1)
    for i in range(10):
        del kv[f"k{i}"]
        kv.counter("hits").add(i, idempotency_key=f"add{i}")
    kv.put("page", {"hits": 0})
    return kv


def left(kv: Store) -> tuple[object, ...]:
    storage = kv._replica.storage
    return (
        kv.digest(), dict(kv), storage.past_keys(), len(list(storage.keys("", None))),
        {key: storage.horizon(key) for key in storage.past_keys()}, len(storage.cells("hits")),
    )  # fmt: skip


@pytest.mark.parametrize("where", [":memory:", "a.db"])
@pytest.mark.parametrize("many", [1, 7, 1_000])
def test_it_comes_to_what_compact_does(tmp_path: Path, where: str, many: int) -> None:
    found = []
    for name in ("tended", "compacted"):
        clock = Clock()
        path = where if where == ":memory:" else tmp_path / f"{name}.db"
        with used(clock, path) as kv:
            clock.wait(DAY_S + 60)
            kv.put("late", 1)
            kv.put("late", 2)
            if name == "compacted":
                kv.compact()
            else:
                assert maintenance.forget(kv) > 0
                assert sum(maintenance.tend(kv, many)) >= 30
                maintenance.forget(kv)
                list(maintenance.tend(kv, many))
            if name == "compacted":
                kv.compact()
            found.append(left(kv)[1:])  # (the digest hangs on the clock)
            assert kv.check() == []
    assert found[0] == found[1]


def test_others_write_between_its_steps() -> None:
    clock = Clock()
    kv = used(clock)
    clock.wait(DAY_S + 60)
    for step, _ in enumerate(maintenance.tend(kv, 1)):
        kv.put(f"k{step}", "new")
        kv.delete(f"k{step + 7}")
    assert kv.check() == []
    assert kv["k0"] == "new"


@interpreted
def test_where_nothing_is_old_nothing_is_committed() -> None:
    clock = Clock()
    kv = used(clock)
    list(maintenance.tend(kv))
    commits = 0
    commit = kv._replica.storage.commit

    def counted() -> None:
        nonlocal commits
        commits += 1
        commit()

    kv._replica.storage.commit = counted  # type: ignore[method-assign]
    assert sum(maintenance.tend(kv, 1)) == 0
    assert commits <= 2  # of the increments that may be folded, and of what is kept beside the keys


def test_a_closed_store_ends_it() -> None:
    kv = used(Clock())
    steps = maintenance.tend(kv, 1)
    next(steps)
    kv.close()
    with pytest.raises(crdtkv.errors.StoreClosed):
        next(steps)
