"""Counters: each add counts once, whatever it was added to and whoever resets."""

from __future__ import annotations

import pytest

from crdtkv.errors import Overflow
from tests.colos import Colos


def test_case_33_overflow_by_sum() -> None:
    """Two colos each add nearly 2**63: the same clear answer at all, and adds that make it worse are refused."""
    colos = Colos("a", "b")
    big = 2**62 + 2**61
    colos["a"].counter("n").add(big)
    colos["b"].counter("n").add(big)
    colos.meet()
    assert colos.read("n") == 2 * big
    for kv in colos.values():
        before = kv.vector
        with pytest.raises(Overflow) as caught:
            kv.counter("n").add(1)
        assert str(2 * big) in str(caught.value) and caught.value.happened == "no"
        assert kv.vector == before
    colos["a"].counter("n").add(-big)
    colos.meet()
    assert colos.read("n") == big


def test_case_49_adds_with_an_old_base_count_once_each() -> None:
    colos = Colos("a", "b")
    base = colos["a"].put("n", 10, strategy="counter").version
    colos.meet()
    for n in "abab":
        colos[n].put("n", 11, base=base)
    colos.meet()
    assert colos.read("n") == 14


@pytest.mark.parametrize("when", ["before", "after"])
def test_case_49_a_reset_and_the_fold_of_a_keyed_add(when: str) -> None:
    """A reset concurrent with the fold takes away what it saw, exactly: 10 and the keyed 1, not the 5."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a.counter("n").add(10)
    a.counter("n").add(1, idempotency_key="once")
    colos.meet()
    colos.clock.wait(25 * 3600)
    colos.meet()
    if when == "before":
        b.counter("n").reset()
        a.compact()
    else:
        a.compact()
        b.counter("n").reset()
    a.counter("n").add(5)
    colos.meet()
    assert colos.read("n") == 5
    for _ in range(3):
        colos.clock.wait(25 * 3600)
        colos.purge()
        assert colos.read("n") == 5
    colos.check()
