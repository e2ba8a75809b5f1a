"""Clocks that are wrong, late or set back."""

from __future__ import annotations

from pathlib import Path

import pytest

from crdtkv.core.wire import decode
from crdtkv.errors import ClockAhead
from tests.colos import Colos, arrive, cells, crash, cut, outbox


def test_case_04_delay_is_not_a_wrong_clock() -> None:
    """A catch-up that was two minutes on its way is no reason to take one's own clock for fast."""
    colos = Colos("a", "b")
    late = cut(colos["b"], colos["a"])
    colos.clock.wait(120)
    arrive(colos["a"], late)
    assert colos["a"].put("k", 1).value == 1


def test_case_21_a_clock_ten_years_ahead() -> None:
    """Cut off, its concurrent writes win until observed; a later causal write replaces them; no one is dragged."""
    colos = Colos("a", "b", "c")
    colos["a"].put("k", 0)
    colos.meet()
    years = 10 * 365.25 * 86400
    colos.clock.ahead["c"] = years
    colos["c"].put("k", "future")
    colos["a"].put("k", "now")
    colos.clock.wait(1)
    colos.meet(1)
    assert colos.read("k") == "future"
    wall_ms = int(colos.clock.now * 1000)
    colos["b"].put("k", "after")
    colos.meet(1)
    assert colos.read("k") == "after"
    for name in "ab":
        entry = colos[name].get("k")
        assert entry is not None
        assert entry.stamp <= wall_ms + 61_000 or name == "b"
        assert (colos[name]._replica.state.clock >> 16) <= wall_ms + 62_000, "dragged along"
    with pytest.raises(ClockAhead) as caught:
        colos["c"].put("k", "refused")
    assert caught.value.happened == "no"
    assert colos["c"]["k"] == "after"
    assert "now" in [c.value for c in colos["a"].conflicts()]


def test_case_21_mended(tmp_path: Path) -> None:
    """Set right, it takes a new incarnation, writes again, and purging goes on."""
    with Colos("a", "b", "c", folder=tmp_path) as colos:
        colos.clock.ahead["c"] = 10 * 365.25 * 86400
        colos["c"].put("k", "future")
        colos.meet()
        old = colos["c"].id
        colos["c"].close()
        colos.clock.ahead["c"] = 0
        c = colos.open("c")
        colos.meet()
        c.put("k", "mended")
        assert c.id != old
        colos.meet()
        assert colos.read("k") == "mended"
        assert (c._replica.state.clock >> 16) <= int(colos.clock.now * 1000) + 61_000
        colos["a"].put("gone", 1)
        colos["a"].delete("gone")
        colos.purge()
        assert cells(colos["b"], "gone") == 0
        c.put("k2", "new")
        colos["a"].delete("k2")
        colos.check()


def test_case_43_never_below_what_was_said(tmp_path: Path) -> None:
    """It says how far it has heard, stops, its clock steps back an hour: it writes above what it said, or not."""
    with Colos("a", "b", folder=tmp_path) as colos:
        colos.clock.wait(100)
        colos["a"].sync(colos["b"])
        a, b = (kv._replica.state.heard for kv in colos.values())
        heard = max(a.get(colos["b"].id, 0), b[colos["b"].id])
        crash(colos["b"])
        colos.clock.ahead["b"] = -3600
        b = colos.open("b")
        before = b.id
        records = outbox(b)
        b.put("k", 1)
        assert b.id != before and decode(records[0]).stamp > heard  # type: ignore[union-attr]
