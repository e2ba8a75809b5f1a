"""A history that breaks a rule is found; one that keeps them is not."""

import pytest

from tests.maelstrom.checkers import Op, check_broadcast, check_counter, check_set, check_unique


def add(value: object, at: int, outcome: str = "ok", node: str = "n1") -> Op:
    return Op(node, "add", value, outcome, at, at + 1)


def read(value: object, at: int, final: bool = True, node: str = "n1") -> Op:
    return Op(node, "read", value, "ok", at, at + 1, final)


SETS = {
    "kept": ([add(1, 0), read([1], 2)], True),
    "behind, then there": ([add(1, 0), read([], 2, final=False), read([1], 4)], True),
    "acknowledged, then gone": ([add(1, 0), read([1], 2, final=False), read([], 4)], False),
    "never there": ([add(1, 0), read([], 2)], False),
    "seen, then gone": ([add(1, 0, "maybe"), read([1], 2, final=False), read([], 4)], False),
    "maybe, and not": ([add(1, 0, "maybe"), read([], 2)], True),
    "refused, and there": ([add(1, 0, "fail"), read([1], 2)], False),
    "unasked": ([add(1, 0), read([1, 2], 2)], False),
    "twice": ([add(1, 0), read([1, 1], 2)], False),
    "no final read": ([add(1, 0), read([1], 2, final=False)], False),
}


@pytest.mark.parametrize("name", SETS)
def test_set(name: str) -> None:
    history, kept = SETS[name]
    assert (check_set(history) == []) is kept


def test_broadcast_reaches_every_node() -> None:
    history = [add(1, 0), read([], 2, node="n2"), read([1], 4)]
    assert check_set(history) == []
    assert check_broadcast(history) == ["n2 never heard of ['1']"]


@pytest.mark.parametrize(("value", "kept"), [(3, True), (5, True), (-1, True), (2, False), (8, False)])
def test_counter(value: int, kept: bool) -> None:
    """3 happened; 2 and -4 may have; 5 did not."""
    history = [add(3, 0), add(2, 2, "maybe"), add(-4, 4, "maybe"), add(5, 6, "fail"), read(value, 8)]
    assert (check_counter(history) == []) is kept


def test_unique() -> None:
    assert check_unique([add("a", 0), add("b", 2)]) == []
    assert check_unique([add("a", 0), add("a", 2)]) == ['"a" was given 2 times']
    assert check_unique([]) == ["no name was given"]
