"""Diff: what is kept is equal and in order, and as much as can be."""

import random
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdtkv.core import diff
from crdtkv.core.diff import match

few = st.lists(st.integers(0, 3), max_size=12)


def longest(a: Sequence[Any], b: Sequence[Any]) -> int:
    """A spec: the length of the longest common subsequence, by the textbook's table."""
    row = [0] * (len(b) + 1)
    for x in a:
        above = row[:]
        for j, y in enumerate(b):
            row[j + 1] = above[j] + 1 if x == y else max(above[j + 1], row[j])
    return row[-1]


def kept(a: Sequence[Any], b: Sequence[Any]) -> int:
    """How many elements match keeps, after checking that it keeps only what it may."""
    blocks = match(a, b)
    end_a = end_b = -1
    for i, j, n in blocks:
        assert n > 0 and list(a[i : i + n]) == list(b[j : j + n])
        assert i >= end_a and j >= end_b and (i, j) != (end_a, end_b), "blocks overlap, or touch on both sides"
        end_a, end_b = i + n, j + n
    assert end_a <= len(a) and end_b <= len(b)
    assert match(a, b) == blocks
    return sum(n for _, _, n in blocks)


def edited(rng: random.Random, items: list[Any], edits: int, alphabet: int) -> list[Any]:
    """`items` after so many random inserts and removes."""
    out = items[:]
    for _ in range(edits):
        if rng.random() < 0.5 and out:
            del out[rng.randrange(len(out))]
        else:
            out.insert(rng.randint(0, len(out)), rng.randrange(alphabet))
    return out


@given(few, few)
def test_small_lists_keep_the_most(a: list[int], b: list[int]) -> None:
    """The edits are the fewest possible."""
    assert kept(a, b) == longest(a, b)


@given(few, few)
def test_what_is_kept_is_equal_and_in_order(a: list[int], b: list[int]) -> None:
    """Each block as long as it can be, none empty."""
    end_a = end_b = 0
    for i, j, n in match(a, b):
        assert n > 0 and i >= end_a and j >= end_b and a[i : i + n] == b[j : j + n]
        assert (i, j) == (0, 0) == (end_a, end_b) or (i, j) != (end_a, end_b), "one block, not two"
        end_a, end_b = i + n, j + n


@pytest.mark.parametrize("alphabet", [2, 5, 30, 10_000])
@pytest.mark.parametrize("edits", [1, 5, 20, 90])
def test_up_to_max_edits_the_edits_are_the_fewest(alphabet: int, edits: int) -> None:
    """On lists of 200 with few and many repeated elements, whichever way of searching they take."""
    rng = random.Random(alphabet * 1000 + edits)
    for _ in range(5):
        a = [rng.randrange(alphabet) for _ in range(200)]
        b = edited(rng, a, edits, alphabet)
        assert kept(a, b) == longest(a, b)


def test_distinct_elements_keep_the_most_at_any_distance() -> None:
    """A shuffle of 500 distinct elements, far beyond MAX_EDITS, with others mixed in."""
    rng = random.Random(5)
    a: list[Any] = list(range(500))
    b: list[Any] = a[:]
    rng.shuffle(b)
    b[100:100] = [f"new {i}" for i in range(200)]
    assert len(a) + len(b) - 2 * longest(a, b) > diff.MAX_EDITS
    assert kept(a, b) == longest(a, b)


@given(few, few, st.integers(0, 40))
def test_windows_keep_only_what_they_may(a: list[int], b: list[int], repeat: int) -> None:
    """With limits made small, long repetitive lists go through every fallback and stay right."""
    limits = diff.MAX_EDITS, diff._FEW, diff._WINDOW, diff._MAX_WORK
    diff.MAX_EDITS, diff._FEW, diff._WINDOW, diff._MAX_WORK = 4, 1, 3, 40
    try:
        assert 0 <= kept(a * 3 + [99] * repeat + b, b * 3 + a) <= len(b) * 3 + len(a)
        assert kept([*a, "x", *b], [*b, "x", *a]) >= 1
    finally:
        diff.MAX_EDITS, diff._FEW, diff._WINDOW, diff._MAX_WORK = limits


def test_beyond_max_edits_most_is_still_kept() -> None:
    """Random lists keep most of what they could, and a part that was rewritten costs no other part."""
    rng = random.Random(3)
    for alphabet, share in ((2, 0.9), (4, 0.9), (20, 0.85)):
        a = [rng.randrange(alphabet) for _ in range(1500)]
        b = [rng.randrange(alphabet) for _ in range(1500)]
        assert kept(a, b) >= share * longest(a, b)
    lines = [rng.randrange(500) for _ in range(4000)]
    b = lines[:1000] + [rng.randrange(500) for _ in range(400)] + lines[1400:3000] + lines[3200:]
    lines[2000] = b[2000] = -1  # one line that is unique in both
    assert kept(lines, b) >= 3300


def test_the_need() -> None:
    """The README's list: 5 deleted here, 8 and 9 added there."""
    base = [f"entry{i}" for i in range(1, 8)]
    assert match(base, [*base[:4], *base[5:]]) == [(0, 0, 4), (5, 4, 2)]
    assert match(base, [*base, "entry8", "entry9"]) == [(0, 0, 7)]
    assert match([], base) == match(base, []) == match([], []) == []
    assert match(tuple(base), base) == [(0, 0, 7)]


def test_work_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists of 10,000 that defeat each way of searching make no more comparisons than the limits say."""
    rng = random.Random(1)
    n = 10_000
    calls = 0

    class Counted(int):
        """An integer that counts how often it is compared."""

        __hash__ = int.__hash__

        def __eq__(self, other: object) -> bool:
            nonlocal calls
            calls += 1
            return int.__eq__(self, other)

        def __ne__(self, other: object) -> bool:
            nonlocal calls
            calls += 1
            return int.__ne__(self, other)

    original = diff._myers
    edits = 0

    def counted(a: Any, b: Any, i: int, j: int, limit: int) -> Any:
        nonlocal edits
        blocks, x, y = original(a, b, i, j, limit)
        edits += (x - i + y - j - 2 * sum(n for _, _, n in blocks)) ** 2
        return blocks, x, y

    monkeypatch.setattr(diff, "_myers", counted)
    for a, b in [
        (list(range(n)), list(range(n))[::-1]),
        ([0, 1] * (n // 2), [1, 0, 0, 1] * (n // 4)),
        ([rng.randrange(2) for _ in range(n)], [rng.randrange(2) for _ in range(n)]),
        ([rng.randrange(50) for _ in range(n)], [rng.randrange(50) for _ in range(n)]),
        ([rng.randrange(n) for _ in range(n)], [rng.randrange(n) for _ in range(n)]),
        ([0] * n, [1] * n),
    ]:
        calls = edits = 0
        match([Counted(x) for x in a], [Counted(x) for x in b])
        assert edits <= diff._FEW**2 + diff.MAX_EDITS**2 + 2 * diff._MAX_WORK + diff._WINDOW**2
        assert calls <= 40 * n
