"""Positions: they sort like the list, are never given twice, never interleave, and stay short."""

import random
from bisect import bisect_left, insort

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from crdtkv.core import positions
from crdtkv.core.positions import between, check, initial
from crdtkv.errors import MessageInvalid, TooLarge

REPLICAS = ["lhr~a1", "sin~b2", "sfo~c3", "gru~d4", "syd~e5"]
MS = 1 << 16
NOW = 1_790_000_000_000 * MS


class Site:
    """A list as one replica has it: every position ever taken, and those that are shown."""

    def __init__(self, shown: list[bytes] | None = None, stamp: int = NOW) -> None:
        self.shown = list(shown or [])
        self.taken = set(self.shown)
        self.stamp = stamp

    def insert(self, replica: str, at: int, count: int = 1) -> list[bytes]:
        """New elements at index `at` of what is shown."""
        self.stamp += MS
        left = self.shown[at - 1] if at else None
        right = self.shown[at] if at < len(self.shown) else None
        new = between(left, right, stamp=self.stamp, replica=replica, taken=self.taken.__contains__, count=count)
        self.shown[at:at] = new
        assert len(new) == count and not self.taken & set(new)
        self.taken.update(new)
        return new


edits = st.tuples(
    st.sampled_from(REPLICAS[:3]),
    st.integers(0, 8),
    st.sampled_from([1, 1, 1, 2, 5]),
    st.booleans(),
    st.integers(-3, 3),
)


def play(site: Site, edit: tuple[str, int, int, bool, int]) -> None:
    """One edit: an insert at a place, or a delete; clocks run differently, even backwards."""
    replica, at, count, delete, skew = edit
    at = min(at, len(site.shown))
    site.stamp = max(0, site.stamp + skew * MS)
    if delete and at < len(site.shown):
        del site.shown[at]
    else:
        site.insert(replica, at, count)


@given(st.lists(edits, max_size=30), st.integers(0, 3), st.integers(0, 3))
def test_the_order_of_bytes_is_the_order_of_the_list(
    script: list[tuple[str, int, int, bool, int]], start: int, clock: int
) -> None:
    """Against a plain list: each new position lies strictly between its neighbours and was never taken before."""
    site = Site([initial(i, b"%d" % i) for i in range(start)], stamp=clock)
    for edit in script:
        play(site, edit)
        assert site.shown == sorted(site.shown)
        assert len(set(site.shown)) == len(site.shown)
    for position in site.taken:
        check(position)
        assert 0 not in position


@given(
    st.lists(edits, max_size=12),
    st.integers(0, 20),
    st.lists(st.tuples(st.integers(0, 5), st.lists(st.integers(0, 9), min_size=1, max_size=6)), min_size=2, max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_concurrent_runs_never_interleave(
    script: list[tuple[str, int, int, bool, int]], gap: int, sessions: list[tuple[int, list[int]]]
) -> None:
    """Each replica inserts at one gap, then anywhere next to its own elements: merged, each one's stand together."""
    base = Site([initial(i, b"%d" % i) for i in range(2)])
    for edit in script:
        play(base, edit)
    gap = min(gap, len(base.shown))
    left, right = base.shown[:gap], base.shown[gap:]
    mine: list[set[bytes]] = []
    for replica, (skew, cuts) in zip(REPLICAS, sessions, strict=False):
        site = Site(base.shown, base.stamp + skew * MS)
        site.taken |= base.taken
        count = 0
        for cut in cuts:
            size = 1 + cut % 3
            site.insert(replica, gap + cut % (count + 1), size)
            count += size
        mine.append(set(site.shown[gap : gap + count]))
    merged = sorted(set(left + right).union(*mine))
    assert len(merged) == len(left) + len(right) + sum(map(len, mine)), "two replicas took one position"
    assert merged[:gap] == left and merged[len(merged) - len(right) :] == right
    for own in mine:
        places = [i for i, position in enumerate(merged) if position in own]
        assert places == list(range(places[0], places[0] + len(own)))


@given(st.lists(st.sampled_from([0, 1, 2, 3, 4, 5, 0x7F, 0x80, 0x85, 0x61, 0xF0, 0x0F, 0xFF]), max_size=9).map(bytes))
@example(b"\x03\x85a\x01\x80\x03\x85a\x01\x80")  # names a replica again that it could refer to
@example(b"\x03\x85a\x01\x80\x03\x85\x03\x80")  # refers to a replica that is not named
@example(b"\x03\x7fa\x01\x80")  # a stamp below zero
@example(b"\x02\x7f12345678")  # an index below zero
@example(b"\x02\x801234567\x00")
@example(b"\x02\x801234567")
@example(b"\x03\x85a b\x01\x80")
@example(b"\x03\x85\xff\x01\x80")
@example(b"\x03\x85a\x01\xff" + b"\x01" * 16)
def test_foreign_bytes_are_refused_or_usable(raw: bytes) -> None:
    """What check lets through has room before and after it; nothing else escapes than MessageInvalid."""
    try:
        check(raw)
    except MessageInvalid:
        return
    before = between(None, raw, stamp=5, replica="me", taken={raw}.__contains__, count=2)
    after = between(raw, None, stamp=5, replica="me", taken={raw}.__contains__, count=2)
    assert before[0] < before[1] < raw < after[0] < after[1]
    for position in before + after:
        check(position)


@pytest.mark.parametrize(
    "raw",
    [
        *(b"", b"\x03" * 3000, b"\x04", b"\0", b"\x03\x7fa\x01\x80", b"\x02\x801234567"),
        b"\x03\x85a\x01\x80\x03\x85a\x01\x80",
        b"\x03\x85a\x01\x80\x03\x85\x03\x80",
        b"\x03" + positions._varint(2**64) + b"a\x01\x80",
        b"\x03\x85a\x01" + positions._varint(2**62),
        b"\x03\x85a\x01" + positions._varint(-(2**62)),
    ],
    ids=lambda raw: raw[:14].hex(),
)
def test_what_no_one_made_is_refused(raw: bytes) -> None:
    """Nothing, too much, an unknown region, a second form, a reference to no one, a number out of range."""
    with pytest.raises(MessageInvalid):
        check(raw)


def test_initial_elements_are_the_same_wherever_they_are_made() -> None:
    """Index and value decide; equal values at two places are two elements; 1,000 sort by index."""
    made = [initial(i, b"same") for i in range(1000)]
    assert made == sorted(set(made)) == [initial(i, b"same") for i in range(1000)]
    assert initial(3, b"a") != initial(3, b"b")
    assert all(initial(2, b"%d" % i) < initial(3, b"x") for i in range(100))
    assert not any(0 in initial(0, b"%d" % i) for i in range(3000))


def test_ends_and_initial_elements_keep_their_regions() -> None:
    """Prepended before initial before appended, whatever the clocks say."""
    site = Site([initial(0, b"a"), initial(1, b"b")], stamp=0)
    site.insert("lhr~a1", 2)
    site.insert("sin~b2", 0)
    site.stamp = NOW
    site.insert("sfo~c3", 0)
    site.insert("sfo~c3", 5)
    assert site.shown == sorted(site.shown) and len(site.shown) == 6


@given(st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
@example(2**64 - 1, 0)
def test_an_element_from_the_far_future_leaves_room(far: int, stamp: int) -> None:
    """Whatever stamp a neighbour bears, and be it the last there is, an end of the list can be written to."""
    [edge] = between(None, None, stamp=far, replica="far~0", taken=lambda p: False)
    [after] = between(edge, None, stamp=stamp, replica="lhr~a1", taken=lambda p: False)
    assert edge < after
    check(after)


def test_a_deleted_element_keeps_its_position() -> None:
    """Append, delete, append: never the same position, and the run goes on."""
    site = Site()
    for _ in range(1000):
        site.insert("lhr~a1", 0)
        site.shown.clear()
    assert len(site.taken) == 1000
    site.insert("lhr~a1", 0)
    for _ in range(1000):
        site.insert("lhr~a1", 1)
        del site.shown[1]
    assert len(site.taken) == 2001 and max(map(len, site.taken)) <= 30


def test_a_run_goes_on_past_what_was_deleted_in_it() -> None:
    """Append, delete, append: what another colo appended in the meantime does not come between."""
    site = Site()
    first = site.insert("lhr~a1", 0)
    for count in (1, 3, 50):
        site.insert("lhr~a1", 1, count)
        site.shown = list(first)
    [theirs] = between(first[0], None, stamp=site.stamp, replica="sin~b2", taken=lambda p: False)
    assert site.insert("lhr~a1", 1, 7)[-1] < theirs


def test_runs_opened_in_one_transaction_are_different() -> None:
    """Equal stamp, replica and place: the second run takes another stamp."""
    taken: set[bytes] = set()
    for _ in range(50):
        [new] = between(None, None, stamp=NOW, replica="lhr~a1", taken=taken.__contains__)
        assert new not in taken
        taken.add(new)


def average(made: list[bytes]) -> float:
    """The mean length."""
    return sum(map(len, made)) / len(made)


def test_appends_stay_flat() -> None:
    """100,000 by one replica: at most 30 bytes; 100,000 by five in turns: at most 40. And in one call."""
    for replicas, most in ((REPLICAS[:1], 30), (REPLICAS, 40)):
        last, made, stamp = None, [], NOW
        for i in range(100_000):
            stamp += MS
            replica = replicas[i % len(replicas)]
            [last] = between(last, None, stamp=stamp, replica=replica, taken=lambda p: False)
            made.append(last)
        assert made == sorted(made) and average(made) <= most
    many = between(None, None, stamp=NOW, replica="lhr~a1", taken=lambda p: False, count=100_000)
    assert many == sorted(many) and average(many) <= 30


@pytest.mark.parametrize("replicas", [REPLICAS[:1], REPLICAS], ids=["one", "in turns"])
@pytest.mark.parametrize("place", ["front", "before the same", "after the same"])
def test_inserts_at_one_place_stay_flat(place: str, replicas: list[str]) -> None:
    """300 prepends, or inserts next to one element, by one replica or by five in turns: no growth at all."""
    site = Site()
    fixed = site.insert("ord~f6", 0, 3)[1]
    made = []
    for i in range(300):
        at = {"front": 0, "before the same": site.shown.index(fixed), "after the same": site.shown.index(fixed) + 1}
        made += site.insert(replicas[i % len(replicas)], at[place])
    assert site.shown == sorted(site.shown)
    assert max(map(len, made)) <= 45
    assert max(map(len, made[150:])) <= max(map(len, made[:150])) + 2


@pytest.mark.parametrize(("replicas", "most"), [(REPLICAS[:1], 200), (REPLICAS, 200)], ids=["one", "five"])
def test_inserts_at_random_places_grow_slowly(replicas: list[str], most: int) -> None:
    """10,000 at random places: the depth of a random tree, a few bytes a level."""
    rng = random.Random(7)
    shown: list[bytes] = []
    stamp = NOW
    for _ in range(10_000):
        stamp += 100 * MS
        at = rng.randint(0, len(shown))
        left, right = shown[at - 1] if at else None, shown[at] if at < len(shown) else None
        who = rng.choice(replicas)
        shown[at:at] = between(left, right, stamp=stamp, replica=who, taken=lambda p: False)
    assert shown == sorted(shown)
    print(f"10,000 random inserts by {len(replicas)}: average {average(shown):.0f} bytes, max {max(map(len, shown))}")
    assert average(shown) <= most


def test_inserts_that_close_in_are_bounded() -> None:
    """1, 100, 2, 99, 3 and so on: 300 levels pass, and the end is an error in words."""
    site = Site()

    def close_in() -> None:
        for i in range(5000):
            site.insert("lhr~a1", (i + 1) // 2)

    with pytest.raises(TooLarge, match="put the list anew"):
        close_in()
    assert len(site.shown) > 300 and max(map(len, site.shown)) <= positions.MAX_POSITION


@given(st.lists(st.integers(-(2**90), 2**90) | st.integers(-70_000, 70_000), max_size=9))
def test_numbers_sort_as_bytes(numbers: list[int]) -> None:
    """The signed integers below stamps and counters: one form each, in order, without 0x00."""
    encoded: list[bytes] = []
    for n in numbers:
        insort(encoded, positions._varint(n))
        assert positions._read_varint(positions._varint(n) + b"x", 0) == (n, len(positions._varint(n)))
        assert 0 not in positions._varint(n)
    for n in numbers:
        assert encoded[bisect_left(sorted(numbers), n)] == positions._varint(n)
