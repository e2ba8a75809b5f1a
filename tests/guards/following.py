"""What an absorbed record moves of the state: it is kept, or undone with the record."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

from crdtkv.core.state import State, state_in
from crdtkv.core.wire import Record, decode, encode
from crdtkv.replica import exchange, life, purge
from crdtkv.replica.core import Replica, _Step
from crdtkv.sim.disk import Disk
from tests.colos import Colos, Disks, arrive, cells, come_in, crash, cut, full_disk, record
from tests.guards.mutation import Line, guards


def _reopened(colos: Disks, name: str) -> dict[str, int]:
    """What its disk says that it has absorbed."""
    found = state_in(colos.disks[name].meta)
    assert found is not None
    colos.open(name)
    assert found.vector == colos[name]._replica.state.vector
    return found.vector


@guards(
    "where another's record has moved that replica to",
    Line(Replica.keep_state, "self.storage.put_meta(TIP_OF + replica, state.at(replica))", "pass"),
    Line(state_in, "if at is not None and at[0] > n:", "if False:"),
)
def what_was_absorbed_by_itself_was_absorbed_when_it_opens_again() -> None:
    colos = Disks("a", "b")
    a, b = colos["a"], colos["b"]
    for n in range(3):
        assert arrive(a, record(b, lambda b, n=n: b.put("k", n))) == "absorbed"
    absorbed, of_b = a.vector, a._replica.state.at(b._replica.state.id)
    assert _reopened(colos, "a") == absorbed
    assert colos["a"]._replica.state.at(b._replica.state.id) == of_b
    assert arrive(colos["a"], record(b, lambda b: b.put("k", 3))) == "absorbed"
    colos.meet()
    colos.check()


@guards(
    "where they were is no place to go on from: the snapshot may not reach it",
    Line(life._forget_everything, "replica.storage.put_meta(TIP_OF + other, None)", "pass"),
)
def who_returns_to_one_that_knows_less_knows_no_more_when_it_opens_again() -> None:
    """c alone has b's last record, and returns to a, which has not."""
    colos = Disks("a", "b", "c")
    a, b, c = colos.values()
    assert arrive(c, record(b, lambda b: b.put("k", 1))) == "absorbed"
    a.evict("c")
    come_in(c, a)
    absorbed = c.vector
    assert _reopened(colos, "c") == absorbed
    colos.meet(4)
    colos.check()
    assert colos.read("k") == 1


@guards(
    "(else it was written before `state`)",
    Line(state_in, "if at is not None and at[0] > n:", "if at is not None:"),
)
def a_catch_up_is_not_forgotten_for_a_record_before_it() -> None:
    colos = Disks("a", "b")
    a, b = colos["a"], colos["b"]
    assert arrive(a, record(b, lambda b: b.put("k", 1))) == "absorbed"
    b.put("k", 2)
    assert arrive(a, cut(b, a)) == "absorbed"
    absorbed = a.vector
    assert _reopened(colos, "a") == absorbed


@guards(
    "(who is looked for when the state is read is who stands in it)",
    Line(Replica.follow, "self.reach()", "pass"),
)
def the_first_record_of_a_replica_is_not_forgotten() -> None:
    colos = Disks("a", "b")
    a, c = colos["a"], colos.open("c")
    come_in(c, a)
    assert arrive(colos["b"], a._replica.recent[-1][1]) == "absorbed"
    assert c._replica.state.id not in colos["b"].vector
    assert arrive(colos["b"], record(c, lambda c: c.put("k", 1))) == "absorbed"
    absorbed = colos["b"].vector
    assert _reopened(colos, "b") == absorbed


@guards(
    "All is as it was at `begin`",
    Line(Replica.follow, "self._moved.setdefault(replica, state.at(replica))", "pass"),
    Line(Replica._put_back, "self.state.place(replica, at)", "pass"),
)
def a_record_whose_commit_failed_is_absorbed_when_it_comes_again() -> None:
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    data = record(b, lambda b: b.put("k", 1))
    before = a.vector
    with full_disk(a):
        arrive(a, data)
    assert a.vector == before
    assert arrive(a, data) == "absorbed" and colos.read("k") == 1


@guards(
    "a part of it that is undone by itself, whole, if anything raises",
    Line(_Step.__enter__, "replica._moved = {}", "pass"),
    Line(_Step.__exit__, "replica._moved = {**replica._moved, **self._moved}", "pass"),
    Line(_Step.__exit__, "replica._moved = {**replica._moved, **self._moved}", "replica._moved |= self._moved and {}"),
)
def a_step_takes_back_whom_it_followed_and_no_more() -> None:
    """The one that waits in the second is refused; then all is undone."""
    colos = Colos("a", "b")
    replica, b = colos["a"]._replica, colos["b"]._replica.state.id
    before = replica.state.at(b)

    def follow(n: int, fails: bool) -> None:
        with suppress(ValueError), replica.step():
            replica.follow(b, (n, n, n))
            if fails:
                raise ValueError

    for reaches in (False, True):
        with suppress(ValueError), replica.following():
            replica.follow(b, (50, 50, 50))
            if reaches:
                replica.reach()
            for n in (60, 70):
                follow(n, fails=False)
                follow(n + 5, fails=True)
                assert replica.state.at(b) == (n, n, n)
            raise ValueError
        assert replica.state.at(b) == before
        with replica.transaction():
            pass
        assert replica.state.at(b) == before


@guards(
    "Of what a tip moves in its place it has copies",
    Line(State.to_plain, "getattr(self, name).copy()", "getattr(self, name)"),
)
def what_a_crash_took_back_is_not_in_what_was_kept_before() -> None:
    """The state is kept whole and synced; the record after it is not synced, and lost."""
    colos = Disks("a", "b")
    disk = Disk("here", {})
    replica, other = colos["a"]._replica, colos["b"]._replica.state.id
    kept = replica.state.shared().to_plain()
    disk.begin()
    disk.put_meta("state", kept)
    disk.commit()
    disk.synced()
    before = replica.state.at(other)
    arrive(colos["a"], record(colos["b"], lambda b: b.put("k", 1)))
    disk.lose(Random(1))
    found = state_in(disk.meta)
    assert found is not None and found.at(other) == before != replica.state.at(other)


@guards(
    "who changes more of the state than `follow` does calls `reach` first",
    Line(purge.purge_to, "replica.reach()", "pass"),
)
def a_floor_that_a_record_brings_is_kept_or_undone() -> None:
    colos = Disks("a", "b")
    a, b = colos["a"], colos["b"]
    b.put("gone", 1)
    b.delete("gone")
    colos.purge_only("b")
    data = record(b, lambda b: b.put("k", 1))
    before = a.floor
    with full_disk(a):
        arrive(a, data)
    assert a.floor == before and cells(a, "gone")
    assert arrive(a, data) == "absorbed" and not cells(a, "gone")
    found = state_in(colos.disks["a"].meta)
    assert found is not None and found.floor == a.floor == b.floor > before


@guards(
    "who changes more of the state than `follow` does calls `reach` first",
    Line(exchange._absorb_record, "replica.reach()", "pass"),
)
def who_went_another_way_is_known_when_it_opens_again() -> None:
    with TemporaryDirectory(prefix="crdtkv-") as folder, Colos("a", "b", folder=Path(folder), memory="b") as colos:
        a, b = colos["a"], colos["b"]
        sent = decode(record(b, lambda b: b.put("k", 1)))
        assert isinstance(sent, Record)
        assert arrive(a, encode(sent._replace(previous=5))) == "refused"
        quarantined = a._replica.state.quarantined
        assert list(quarantined) == [b._replica.state.id]
        crash(a)
        assert colos.open("a")._replica.state.quarantined == quarantined
