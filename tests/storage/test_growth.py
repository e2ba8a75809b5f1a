"""What the journal says of a past that grew: replayed over any later one, it ends in the last one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from crdtkv.core.cells import Sibling
from crdtkv.storage.dots import Numbers
from crdtkv.storage.pasts import NO_PAST, Past, Superseded, grown, growth_of, past_as, row_of, whole


def row(n: int, size: int = 1) -> Superseded:
    return Superseded(Sibling(("lhr~k3f7", n), n, bytes(size)), (("lhr~k3f7", n + 1),), None, 1000 + n)


def history(steps: list[tuple[str, int]]) -> list[Past]:
    """A past after each step: others came, the oldest went, one was told of another that replaced it, all went."""
    found, count = [NO_PAST.grown([row(0)])], 1
    for what, at in steps:
        past = found[-1]
        if what == "push":
            some = range(count, count + 1 + at // 2)
            past = past.grown([row(n, 300 * (at % 3)) for n in some]).without(max(0, at - 2))
            count = some.stop
        elif what == "one":  # as a put has it
            came = row(count, 300 * (at % 3))
            replica = "sin~a2c5" if at == 5 else "lhr~k3f7"
            came = came._replace(by=((replica, count + 1),))
            past = past.behind([row_of(msgpack.packb(came.sibling), came.by[0], came.wall_ms)], False, came.by[0])
            count += 1
        elif what == "drop":
            past = past.without(at)
        elif what == "purged":
            past = past.grown([row(count)._replace(by=())])
            count += 1
        elif what == "gone":
            past = NO_PAST
        elif what == "also" and past:
            dots = {row.sibling.dot for row in list(past)[at::3]}
            past = past.altered(dots, lambda row, n=count: row._replace(by=(*row.by, ("sin~a2c5", n))))  # type: ignore[misc]
        elif what == "much" and past:  # in one transaction
            first, last = next(iter(past)).sibling.dot, list(past)[-1].sibling.dot
            for dot in (first, last)[:: at % 2 * 2 - 1][: 1 + at % 3]:
                past = past.altered({dot}, lambda row, n=count: row._replace(by=(*row.by, ("gru~a2c5", n))))  # type: ignore[misc]
            past = past.grown([row(count)]).without(at // 3)
            count += 1
        elif what == "remade" and past:
            rows = list(past)
            rows[at % len(rows)] = row(count)
            past = past.remade(rows)
            count += 1
        found.append(past)
    return found


_KINDS = st.sampled_from(["push", "push", "one", "one", "one", "drop", "also", "much", "remade", "gone", "purged"])
STEPS = st.lists(st.tuples(_KINDS, st.integers(0, 5)), max_size=30)


def reached(ends: Iterable[Any]) -> tuple[dict[str, int], bool]:
    """How far back what is left then reaches; and whether of some rows it is not said."""
    known: dict[str, int] = {}
    loose = False
    for by, until in ends:
        loose = loose or (not by and until is None)
        for replica, n in by if until is None else until.items():
            known[replica] = max(n, known.get(replica, 0))
    return known, loose


@given(STEPS, st.data())
def test_replayed_from_anywhere_over_anything_later(steps: list[tuple[str, int]], data: st.DataObject) -> None:
    pasts = history(steps)
    begin = data.draw(st.integers(0, len(steps)))
    now = pasts[data.draw(st.integers(begin, len(steps)))]
    for old, new in zip(pasts[begin:], pasts[begin + 1 :], strict=False):
        growth = growth_of(old, new)
        now = past_as(now, whole(new)) if growth is None else grown(now, growth)
    assert list(now) == list(pasts[-1])


@given(STEPS)
def test_a_past_is_its_rows(steps: list[tuple[str, int]]) -> None:
    """As a list of them would have it; and what was before has not changed."""
    pasts = history(steps)
    told = [list(past) for past in pasts]
    for past, rows in zip(pasts, told, strict=True):
        assert len(past) == len(rows) == past.end - past.first and bool(past) == bool(rows)
        assert past.loose >= any(not row.by and row.until is None for row in rows)
        assert past == Past.of(rows) and (past == NO_PAST) == (not rows)
        for count in (0, 1, 3, 100):
            assert past.oldest(count) == rows[:count] and list(past.without(count)) == rows[count:]
            assert reached(past.ends(count)) == reached((row.by, row.until) for row in rows[:count])
            left = past.without(past.whole(count)).pieces
            assert past.whole(count) == count or left == past.pieces[len(past.pieces) - len(left) :]
    assert told == [list(past) for past in pasts]


def test_what_is_written_of_a_long_past_is_what_came() -> None:
    old = Past.of(map(row, range(64)))
    growth = growth_of(old, old.grown([row(64)]).without(1))
    assert growth is not None and (growth[0], growth[2]) == (64, 1) and len(growth[1]) < 60
    assert list(grown(old, growth)) == [row(n) for n in range(1, 65)]


def test_a_journal_of_before_is_read() -> None:
    """Rows as lists, and which of them went by their names."""
    old = Past.of(map(row, range(4)))
    assert list(past_as(NO_PAST, [_plain(row(7))])) == [row(7)]
    assert list(grown(old, [[_plain(row(4))], [["lhr~k3f7", 0, 1000]]])) == [row(n) for n in range(1, 5)]
    assert list(grown(old, [[_plain(row(3))], []])) == list(old)


def _plain(row: Superseded) -> list[object]:
    (dot, stamp, payload, parents, lost), by, until, ms = row
    return [[list(dot), stamp, payload, list(parents), list(lost)], [list(d) for d in by], until, ms]


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


def test_what_was_altered_twice_is_written_whole() -> None:
    """In one transaction, the first of it first: from where the second began is not all that has changed."""
    old = Past.of(map(row, range(64)))
    new = old
    for n in (3, 60):
        new = new.altered({("lhr~k3f7", n)}, lambda row: row._replace(by=()))
    assert growth_of(old, new) is None
    once = old.altered({("lhr~k3f7", 60)}, lambda row: row._replace(by=()))
    growth = growth_of(old, once)
    assert growth is not None and 40 < growth[0] <= 60 and list(grown(old, growth)) == list(once)
