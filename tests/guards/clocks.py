"""Clocks: what a stamp that was heard does to one's own."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import crdtkv
from crdtkv.errors import ClockAhead
from crdtkv.replica import exchange, members
from crdtkv.replica.core import Replica
from crdtkv.replica.offsets import Offsets
from crdtkv.store.store import Store
from crdtkv.store.writer import Writer
from tests.colos import Colos, Disks, arrive, come_in, cut, record, refuses, shows
from tests.compiled import of_source
from tests.guards.mutation import Line, guards

# clocks


@guards(
    "A stamp was received: the clock moves past it, but not far past the wall.",
    Line(exchange._take_record, "replica.observe(stamp)", "pass"),
    Line(exchange._advance, "replica.observe(max(message.heard.values(), default=0))", "pass"),
)
def who_has_heard_of_a_stamp_writes_above_it() -> None:
    """Case 20: b's wall is half a minute behind; what it writes after a's is later, however it heard of it."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    colos.clock.ahead["b"] = -30
    arrive(b, record(a, lambda kv: kv.log("l").append("first")))
    b.log("l").append("second")
    assert shows(b, "l") == ["first", "second"]
    colos.clock.wait(5)
    a.put("m", 1)
    arrive(b, cut(a, b))
    b.put("m", 2)
    assert b.get("m").stamp >= a.get("m").stamp


@guards(
    "A stamp was received: the clock moves past it, but not far past the wall.",
    Line(Replica.observe, "min(stamp, bound)", "stamp"),
)
def a_clock_in_the_future_drags_no_other_along() -> None:
    """Case 21: c is ten years ahead."""
    colos = Colos("a", "b", "c")
    colos.clock.ahead["c"] = 10 * 365 * 86400
    colos["c"].put("k", "future")
    colos.meet()
    colos["b"].put("k", "now")
    colos.meet()
    assert colos.read("k") == "now"
    assert (colos["a"]._replica.state.clock >> 16) < (colos.clock.now + 120) * 1000


@guards(
    "Who comes in by it has seen what time it is there: with a clock that is wrong nothing is written.",
    Line(exchange.take, "_look_at_clock(replica, message, sender)", "pass"),
)
def who_comes_back_with_a_wrong_clock_mints_nothing() -> None:
    """c was evicted, and is ten years ahead since; nobody has told it what time it is but its sponsor."""
    colos = Colos("a", "b", "c")
    colos["a"].evict("c")
    colos.clock.ahead["c"] = 10 * 365 * 86_400
    come_in(colos["c"], colos["a"])
    assert refuses(ClockAhead, lambda: colos["c"].put("k", "future"))


@guards(
    "a delay only makes a clock look slower, so of the last minutes the fastest look holds.",
    Line(Offsets.compare, "or offset > known[0]", "or True"),
)
def a_delay_is_not_a_wrong_clock() -> None:
    """Case 4: a catch-up that was two minutes on its way is no reason to take one's own clock for fast."""
    colos = Colos("a", "b")
    late = cut(colos["b"], colos["a"])
    colos.clock.wait(120)
    arrive(colos["a"], late)
    colos["a"].put("k", 1)
    assert shows(colos["a"], "k") == 1


@guards(
    "Raises if a write cannot be minted now: closed, retired, copied, or with a wrong clock.",
    Line(Writer.begin, "if ahead > CLOCK_BOUND_MS:", "if False:"),
)
def a_clock_that_is_ahead_of_its_peers_mints_nothing() -> None:
    """Case 21."""
    colos = Colos("a", "b", "c")
    colos.clock.ahead["c"] = 3600
    colos.meet()
    assert refuses(ClockAhead, lambda: colos["c"].put("k", "future"))


@guards(
    "a delay only makes a clock look slower, so of the last minutes the fastest look holds.",
    Line(Offsets.compare, "or offset > known[0]", ""),
    Line(Offsets.compare, "later and ", ""),
)
def a_faster_look_at_a_clock_holds_and_an_old_message_is_none() -> None:
    """The first message was two minutes on its way, the next is fresh; and after a while the first one returns."""
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    a._replica.offsets.clear()
    late = cut(b, a)
    colos.clock.wait(120)
    arrive(a, late)
    assert refuses(ClockAhead, lambda: a.put("k", 1))
    arrive(a, cut(b, a))
    a.put("k", 1)
    colos.clock.wait(900)
    arrive(a, late)
    a.put("k", 2)
    assert shows(a, "k") == 2


@guards(
    "Looks are kept beside a clock that nobody sets: where the wall clock is set, the next write knows",
    Line(Offsets.__init__, "wall_ms if steady_ms is None else steady_ms", "wall_ms"),
    Line(Offsets.compare, "self._most = None", "pass"),
)
def a_clock_that_is_set_forward_mints_nothing_from_then_on() -> None:
    """Case 21: c was as late as the others, and is five minutes ahead since; nobody has said anything to it."""
    colos = Disks("a", "b", "c")
    colos.meet()
    colos["c"].put("k", 1)
    colos.clock.ahead["c"] = 300
    assert refuses(ClockAhead, lambda: colos["c"].put("k", "future"))
    colos.clock.ahead.update(a=300, b=300)
    colos.meet()
    colos["c"].put("k", 2)
    assert shows(colos["c"], "k") == 2


@guards(
    "Costs a commit only when the reserved ceiling is reached.",
    Line(Replica._keep_word, "if (state.ceiling, state.low_ceiling) != self.reserved:", "if True:"),
    Line(Replica.tick, "if state.clock > state.ceiling:", "if True:"),
    Line(Replica.committed, "self.reserved = (self.state.ceiling, kept.low_ceiling)", "pass"),
    Line(members.announce, "if low > state.low_ceiling:", "if True:"),
    Line(exchange.absorb, "if _tells_nothing(state, message):", "if False:"),
)
def who_has_nothing_to_say_writes_nothing_down() -> None:
    """Twenty exchanges in a tenth of a second, with nothing new but the time."""
    of_source()
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    commits = []
    for kv in (a, b):
        kv._replica.storage._save = commits.append  # type: ignore[attr-defined]
    for _ in range(20):
        arrive(b, cut(a, b))
        arrive(a, cut(b, a))
    assert len(commits) < 10


@guards(
    "Before a close: nothing more is said, so the clock goes on from where it is, not from what was reserved.",
    Line(Replica.rest, "self.state.ceiling = self.state.clock", "pass"),
    Line(Store.close, "self._replica.rest()", "pass"),
)
def a_store_that_is_opened_often_does_not_run_ahead() -> None:
    """A hundred commands, each of which opens it, within a second; then it writes as its peers do."""
    with TemporaryDirectory() as folder:
        for i in range(100):
            with crdtkv.open(Path(folder) / "a.db", colo="a", clock=lambda i=i: 1_767_261_600 + i / 100) as kv:
                kv.put("k", i)
                entry = kv.get("k")
        assert entry is not None and entry.stamp <= 1_767_261_601_000
