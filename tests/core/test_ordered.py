"""Many values behind all others are in a sorted list as if each had been added."""

from __future__ import annotations

import random

from sortedcontainers import SortedList

from crdtkv.core.ordered import put_behind


def test_what_is_put_behind_is_there_in_order_and_by_place() -> None:
    for seed in range(60):
        dice = random.Random(seed)
        order, plain = SortedList(), list[int]()
        order._reset(dice.choice((4, 6, 10)))  # pieces of so many: some hundred values make many
        for _ in range(40):
            end = plain[-1] + 1 if plain else 0
            values = list(range(end, end + dice.randrange(40)))
            assert put_behind(order, values) == bool(plain and values)
            if not (plain and values):
                order.update(values)
            plain += values
            if plain and dice.random() < 0.5:
                gone = plain.pop(dice.randrange(len(plain)))
                order.remove(gone)
            order._check()
            at = dice.randrange(len(plain)) if plain else 0
            assert list(order) == plain and order[at : at + 3] == plain[at : at + 3]


def test_what_is_not_behind_all_is_not_put() -> None:
    order = SortedList([1, 5])
    assert not put_behind(order, [5, 6]) and not put_behind(order, [2]) and not put_behind(order, [])
    assert not put_behind(SortedList(), [1]) and list(order) == [1, 5]
