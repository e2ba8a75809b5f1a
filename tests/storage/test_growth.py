"""What the journal says of a row of the past that grew: replayed over any later row, it ends in the last one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crdtkv.core.cells import Sibling
from crdtkv.storage.base import Superseded
from crdtkv.storage.dots import Numbers
from crdtkv.storage.rows import grown, growth_of

Rows = tuple[Superseded, ...]


def row(n: int) -> Superseded:
    return Superseded(Sibling(("lhr~k3f7", n), n, b"\x01"), (("lhr~k3f7", n + 1),), None, 1000 + n)


def history(steps: list[tuple[str, int]]) -> list[Rows]:
    """A row of the past after each step: another came, the oldest went, one was told of another that replaced it."""
    found: list[Rows] = [(row(0),)]
    for n, (what, at) in enumerate(steps, start=1):
        rows = found[-1]
        if what == "push":
            rows = (*rows, row(n))[max(0, len(rows) + 1 - at - 1) :]
        elif what == "drop":
            rows = rows[at:]
        elif rows:
            i = at % len(rows)
            rows = (*rows[:i], rows[i]._replace(by=(*rows[i].by, ("sin~a2c5", n))), *rows[i + 1 :])
        found.append(rows)
    return found


STEPS = st.lists(st.tuples(st.sampled_from(["push", "push", "push", "drop", "also"]), st.integers(0, 5)), max_size=30)


@given(STEPS, st.data())
def test_replayed_from_anywhere_over_anything_later(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    rows = history(steps)
    begin = data.draw(st.integers(0, len(steps)))
    now = rows[data.draw(st.integers(begin, len(steps)))]
    for old, new in zip(rows[begin:], rows[begin + 1 :], strict=False):
        growth = growth_of(old, new)
        now = new if growth is None else grown(now, growth)
    assert now == rows[-1]


def test_what_is_written_of_a_long_row_is_what_came() -> None:
    old = tuple(map(row, range(64)))
    assert growth_of(old, (*old[1:], row(64))) == ((row(64),), [("lhr~k3f7", 0, 1000)])


@given(st.lists(st.tuples(st.booleans(), st.integers(1, 9), st.integers(0, 3))), st.integers(0, 10))
def test_places_by_number(steps: list[tuple[bool, int, int]], n: int) -> None:
    """As a dict of sets would have it."""
    places, plain = Numbers(), set()
    for add, number, at in steps:
        place = (str(at), b"")
        (places.add if add else places.discard)(number, place)
        (plain.add if add else plain.discard)((number, place))
    assert set(places.at(n)) == {place for number, place in plain if number == n}
    assert set(places.beyond(n)) == {place for number, place in plain if number > n}
