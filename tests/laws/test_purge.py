"""What a purge drops is a function of the cells and the floor, and changes no reading: over cells of real histories."""

from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdtkv.core import positions
from crdtkv.core.cells import (
    MARK_ARRAY,
    MARK_OBJECT,
    TOMBSTONE,
    Cell,
    Sibling,
    expiry,
    hide,
    make_cell,
    sweep,
)
from crdtkv.core.paths import ELEMENT, MEMBER, REPLICA, STRATEGY, VALUE, component
from crdtkv.core.state import State
from crdtkv.replica.core import Replica
from crdtkv.replica.purge import purge_to
from crdtkv.storage.memory import MemoryStorage
from crdtkv.strategies.roots import TTL_PATH
from crdtkv.strategies.sequence import order_path
from tests.laws.actions import FOR_EVER
from tests.laws.shadow import forgotten
from tests.laws.views import view_of
from tests.laws.world import World, plan

KEY = "k"


def cells_of(seed: int, profile: str) -> Iterator[tuple[str, dict[bytes, Cell]]]:
    """What keys held at some colo at some time of a run in which nobody ever purged: (key, cells)."""
    world = World(seed, profile)
    for number, action in enumerate(a for a in plan(seed, profile, 220) if a.kind != "compact"):
        world.step(action)
        if number % 20 == 19:
            colo = world.colos[number // 20 % 4]
            yield from ((key, dict(colo.disk.cells(key))) for key in colo.disk.keys("\x01", None))
    world.close()


def holding(cells: dict[bytes, Cell]) -> Replica:
    """A replica with one key that holds these cells."""
    replica = Replica(MemoryStorage(), State("a~x", ["a~x"], "n"), lambda: 0, lambda: "")
    with replica.transaction():
        for path, cell in cells.items():
            replica.set_cell(KEY, path, cell)
    return replica


def purge(replica: Replica, floor: int) -> dict[bytes, Cell]:
    """What is left."""
    with replica.transaction():
        purge_to(replica, floor)
    return dict(replica.storage.cells(KEY))


def shown(cells: dict[bytes, Cell]) -> Any:
    return view_of(cells, {}, FOR_EVER, {})


@pytest.mark.parametrize("profile", ["focus", "expiry", "rules", "purging"])
@pytest.mark.parametrize("seed", range(1, 4))
def test_in_steps_or_at_once(seed: int, profile: str) -> None:
    """Purging to one floor after the other leaves what purging to the last leaves, and what shadow.py says."""
    dice = Random(seed)
    for _, cells in cells_of(seed, profile):
        stamps = sorted({s.stamp for cell in cells.values() for s in cell})
        floors = sorted(dice.sample(stamps, min(4, len(stamps))))
        stepwise = holding(cells)
        for floor in floors:
            left = purge(stepwise, floor)
            assert left == purge(holding(cells), floor) == dict(forgotten(cells, floor))  # type: ignore[arg-type]
            assert shown(left) == shown(cells)


@pytest.mark.parametrize("profile", ["focus", "expiry", "rules", "purging"])
@pytest.mark.parametrize("seed", range(1, 4))
def test_whatever_went_before_the_floor_or_after(seed: int, profile: str) -> None:
    """A cell that changes after the purge leaves the same as one that changed before it."""
    dice = Random(seed)
    last: dict[str, dict[bytes, Cell]] = {}
    for key, after in cells_of(seed, profile):
        before = last.get(key, {})
        last[key] = after
        replica = holding(before)
        floor = dice.choice([s.stamp for cell in before.values() for s in cell] or [1])
        purge(replica, floor)
        with replica.transaction():
            for path in sorted({*before, *after}):
                replica.set_cell(KEY, path, after.get(path, ()))
            purge_to(replica, 0)
        assert dict(replica.storage.cells(KEY)) == purge(holding(after), floor)


# any cells at all, also such as no history makes

JSON, STRICT, LIST, SET, LWW = (
    component(STRATEGY, s) for s in (b"json", b"json?wins=delete", b"list", b"set?wins=remove", b"lww")
)
A, B = component(MEMBER, b"a"), component(MEMBER, b"b")
E, F = (component(ELEMENT, positions.initial(i, b"\x01")) for i in (0, 1))
ONE, SHARE = component(VALUE, b"\x01"), component(STRATEGY, b"counter") + component(REPLICA, b"r")
NODES = [root + p for root in (JSON, STRICT) for p in (b"", A, A + B, A + B + A, B, A + E, A + F, A + E + A, E)]
INSIDE = (A + order_path(E), A + order_path(F), A + SET + ONE, A + B + SHARE)
LEAVES = [root + p for root in (JSON, STRICT) for p in INSIDE]
LEAVES += [LWW, SET, SET + ONE, LIST, *(LIST + p for p in (E, F, order_path(E), order_path(F)))]
N, ONLY = st.integers(1, 9), st.sampled_from([None, []])
MANY = settings(max_examples=max(400, settings().max_examples))
ENDS = [TOMBSTONE, hide({"r": 4}, MARK_OBJECT), hide({"r": 9}, MARK_ARRAY)]


def written(*payloads: bytes | None) -> st.SearchStrategy[Cell]:
    return several(st.sampled_from(payloads))


def several(payloads: st.SearchStrategy[bytes | None]) -> st.SearchStrategy[Cell]:
    one = st.builds(lambda r, n, payload: Sibling((r, n), n, payload), st.sampled_from("rq"), N, payloads)
    return st.lists(one, min_size=1, max_size=2, unique_by=lambda s: s.stamp).map(make_cell)


@st.composite
def sweeps(draw: st.DrawFn) -> Cell:
    """One at the key's own cell: of some it had seen nothing; it may tell of one whose place it took, too."""
    n, some = draw(N), st.dictionaries(st.sampled_from("rq"), N)
    seen, stood = draw(some), draw(st.lists(st.tuples(st.integers(1, n), some), max_size=1))
    knew = draw(st.none() | some.map(lambda more: {r: max(seen.get(r, 0), more.get(r, 0)) for r in seen | more}))
    return make_cell([Sibling((draw(st.sampled_from("rq")), n), n, sweep(seen, None, draw(ONLY), knew, stood))])


@st.composite
def keys_cells(draw: st.DrawFn) -> dict[bytes, Cell]:
    swept, dated = sweeps(), several(st.builds(expiry, st.integers(1, 12), st.sampled_from(["max", "min"])))
    cells = draw(st.dictionaries(st.sampled_from(NODES), written(b"\x01", MARK_OBJECT, MARK_ARRAY, *ENDS), max_size=8))
    cells |= draw(st.dictionaries(st.sampled_from(LEAVES), written(b"\x01", TOMBSTONE), max_size=5))
    cells |= draw(st.dictionaries(st.just(b""), swept, max_size=1))
    return cells | draw(st.dictionaries(st.just(TTL_PATH), dated, max_size=1))


def cell(n: int, payload: bytes | None) -> Cell:
    return (Sibling(("r", n), n, payload),)


HANGING = {
    "an order cell on its element": (LIST + order_path(E), {
        LIST + E: cell(1, b"\x01"), LIST + order_path(E): cell(2, b"\x01")}),
    "an element on its order cell": (LIST + E, {LIST + E: cell(1, None), LIST + order_path(E): cell(9, b"\x01")}),
    "a container on what is below it": (JSON + A, {
        JSON: cell(1, MARK_OBJECT), JSON + A: cell(2, hide({}, MARK_ARRAY)), JSON + A + E: cell(9, None)}),
    "a life on the edits that it did not see": (b"", {
        b"": cell(2, sweep({"r": 1})), JSON: cell(2, MARK_OBJECT), JSON + A + B: cell(9, b"\x01")}),
    "a date on what it hides": (TTL_PATH, {
        TTL_PATH: cell(1, expiry(3, "max")), JSON: cell(2, MARK_OBJECT), JSON + A: cell(9, None)}),
}  # fmt: skip


@pytest.mark.parametrize("case", HANGING)
def test_what_hangs_on_another(case: str) -> None:
    """One cell cannot go at floor 5 before the other is gone; when that is swept away it goes at once."""
    goes, before = HANGING[case]
    (keeps,) = [p for p, c in before.items() if p != goes and (c[0].stamp == 9 or len(before) == 2)]
    replica = holding(before)
    assert goes in purge(replica, 5)
    with replica.transaction():
        replica.set_cell(KEY, keeps, ())
        purge_to(replica, 0)
    assert goes not in replica.storage.cells(KEY)


@MANY
@given(keys_cells(), st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True))
def test_any_cells_in_steps_or_at_once(cells: dict[bytes, Cell], floors: list[int]) -> None:
    stepwise = holding(cells)
    for floor in sorted(floors):
        left = purge(stepwise, floor)
        assert left == purge(holding(cells), floor) == dict(forgotten(cells, floor))  # type: ignore[arg-type]
        assert shown(left) == shown(cells)


@MANY
@given(keys_cells(), keys_cells(), st.integers(1, 9), st.integers())
def test_any_cells_before_the_floor_or_after(
    before: dict[bytes, Cell], more: dict[bytes, Cell], floor: int, seed: int
) -> None:
    dice = Random(seed)
    share, news = dice.choice((0.5, 0.9, 1)), dice.choice((0, 0.2, 0.9))
    after = {p: c for p, c in before.items() if dice.random() < share}
    after |= {p: c for p, c in more.items() if dice.random() < news}
    replica = holding(before)
    purge(replica, floor)
    with replica.transaction():
        for path in sorted({*before, *after}):
            replica.set_cell(KEY, path, after.get(path, ()))
        purge_to(replica, 0)
    assert dict(replica.storage.cells(KEY)) == purge(holding(after), floor)
