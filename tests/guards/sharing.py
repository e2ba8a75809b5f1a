"""Writes that share a commit, and the room there is."""

from __future__ import annotations

from concurrent.futures import InvalidStateError
from contextlib import suppress

import crdtkv
from crdtkv.errors import QuotaExceeded, StorageFailed
from crdtkv.replica.core import Replica, _Step
from crdtkv.replica.draft import Draft
from crdtkv.replica.transactions import Whole
from crdtkv.store import group, quota, writer
from crdtkv.store.group import Asked, Group, Turn
from crdtkv.store.quota import Quota
from crdtkv.store.writer import Open, Writer
from tests.colos import Colos, refuses
from tests.compiled import of_source
from tests.guards.mutation import Line, guards
from tests.threads import at_once, puts_at_once


@guards(
    "What one has asked for wrongly is undone alone",
    Line(_Step.__exit__, "replica.storage.rollback(self._mark)", "pass"),
    Line(_Step.__exit__, "replica._put_back(self._before)", "pass"),
    Line(Writer._take, "turns[0].error, turns[0].value = error, None", "pass"),
)
def a_refused_write_leaves_nothing() -> None:
    colos = Colos("a", "b")
    a = colos["a"]
    a.put("n", 1, strategy="counter")
    wrong = {"half": 1, "n": "-"}
    found = at_once(a, lambda: a.put("w", 1), lambda: a.put("x", 1), lambda: a.update(wrong), lambda: a.put("y", 1))
    assert isinstance(found[2], crdtkv.CrdtkvError)
    colos.meet()
    assert colos.read("half") is None and colos.read("y") == 1
    colos.check()


@guards(
    "Two writes of a key in one would have one version: who made the first would take the second for his.",
    Line(writer._end, "if not key or key in keys:", "if not key:"),
    Line(writer._end, "keys.add(key)", "pass"),
    Line(writer._end, "return max(at, first + 1)", "return len(turns)"),
    Line(Writer._take, "self._take([turn], made)", "pass"),
)
def each_put_of_a_key_has_its_own_version() -> None:
    """And of those that share a transaction one that is refused is undone alone."""
    a = Colos("a")["a"]
    made = puts_at_once(a, [("x", 1, None), ("y", 1, None), ("x", 2, None)])
    assert made[0].version != made[2].version == a.get("x").version
    made = puts_at_once(a, [("x", 3, None), ("y", 1, "no-strategy"), ("z", 3, None)])
    assert isinstance(made[1], crdtkv.CrdtkvError) and made[0].version == a.get("x").version
    assert dict(a) == {"x": 3, "y": 1, "z": 3}


@guards(
    "Nobody waits for it, or not any more: what lies behind is woken with it.",
    Line(Asked.pass_on, "if not turn.gone:", "if True:"),
    Line(Asked.__init__, "self.gone = True", "self.gone = False"),
    Line(group._Submitted.wake, "if self.future.done():", "if False:"),
)
def who_has_left_is_passed_over() -> None:
    """Also one that was submitted, for which no thread waits."""
    first, left, last = Turn(Draft.record), Turn(Draft.record), Turn(Draft.record)
    submitted: group._Submitted[object] = group._Submitted(Draft.record)
    first.behind, left.behind, submitted.behind = left, submitted, last
    left.gone = submitted.done = True
    for _ in range(2):
        try:
            first.pass_on()
        except InvalidStateError:
            raise AssertionError("told twice") from None
    assert submitted.future.done() and last._gate.acquire(blocking=False)


@guards(
    "Who changes more of the state in it than its tip, or by `follow`, calls `reach` first.",
    Line(_Step.__enter__, "replica._whole = None", "pass"),
    Line(_Step.__exit__, "replica._whole = self._whole or replica._whole", "pass"),
    Line(Replica._put_back, "self.state, self._whole = self._whole, None", "self._whole = None"),
    Line(Whole.__enter__, "self._replica.reach()", "pass"),
    Line(Draft._write, "self.replica.reach()", "pass"),
    Line(Replica.reach, "self.state.unshare()", "pass"),
)
def a_step_takes_back_what_it_changed_and_no_more() -> None:
    """Of the state, what a purge moves; and so does a transaction that deletes."""
    kv = Colos("a")["a"]
    kv.put("k", 1)
    replica = kv._replica

    def purge(floor: int, fails: bool) -> None:
        with suppress(ValueError), replica.step():
            replica.reach()
            replica.state.floor = floor
            if fails:
                raise ValueError

    with suppress(ValueError), replica.transaction():
        for floor in (5, 6):
            purge(floor, fails=False)
            purge(floor + 2, fails=True)
            assert replica.state.floor == floor
        raise ValueError
    assert replica.state.floor == 0
    with suppress(ValueError), replica.transaction():
        replica.state.floor = 5
        replica.state.dropped["b~gone"] = 1
        raise ValueError
    assert not replica.state.dropped
    with suppress(ValueError), kv.transaction() as t:
        t.delete("k")
        replica.state.floor = 5
        raise ValueError
    assert replica.state.floor == 0


@guards(
    "when the commit fails, all are told so",
    Line(Writer._commit, "turn.error = turn.error or _of_the_group(error)", "pass"),
    Line(Replica._put_back, "tip, self.spoken = before", "tip = before[0]"),
)
def nothing_of_an_undone_group_is_said() -> None:
    """What a waits for meanwhile, b's write, is named by its next record."""
    of_source()
    colos = Colos("a", "b")
    a, b = colos["a"], colos["b"]
    colos.meet()
    b.put("seen", 1)
    a.sync(b)
    save, saved = a._replica.storage._save, 0  # type: ignore[attr-defined]

    def fail_twice(changed: object) -> None:
        nonlocal saved
        saved += 1
        if saved in (2, 3):
            raise StorageFailed("the disk is full", happened="no")
        save(changed)

    a._replica.storage._save = fail_twice  # type: ignore[attr-defined]
    errors = at_once(a, *[lambda k=k: a.put(k, 1) for k in "wxy"])
    assert all(isinstance(e, StorageFailed) for e in errors)
    records = []
    a.on_commit.append(lambda record, data: records.append(record))
    a.put("z", 1)
    assert b.id in records[0].needs and "x" not in a


@guards(
    "One that is cancelled in time is not done.",
    Line(group._Submitted.begins, "return self.future.set_running_or_notify_cancel()", "return True"),
    Line(Writer._commit, "turns[0].error = error", "pass"),
)
def what_is_cancelled_in_time_is_not_done() -> None:
    colos = Colos("a")
    a = colos["a"]
    with a.transaction():
        one, other = (a.submit(lambda t, k=k: t.put(k, 1)) for k in ("x", "y"))
        assert one.cancel()
    assert other.result().value == 1 and "x" not in a
    with a.transaction():
        one, wrong = (a.submit(lambda t, v=v: t.put("z", v)) for v in (1, object()))
        assert one.cancel()
    assert isinstance(wrong.exception(), crdtkv.CrdtkvError), "not of the one who was to lead"


@guards(
    "the first of those leads next",
    Line(Group._hand_on, "self._led = bool(self._waiting)", "self._led = True"),
    Line(Group.run, "self._led = False", "pass"),
)
def somebody_leads_after_all_have_gone() -> None:
    colos = Colos("a")
    a = colos["a"]
    a.put("x", 1)
    assert not a._writer.group._led
    at_once(a, lambda: a.put("x", 1), lambda: a.put("y", 1))
    assert not a._writer.group._led


@guards(
    "what shares its commit and the storage's size does not have yet.",
    Line(Writer._commit, "self._take(together, made)", "self._take(together, [])"),
    Line(Writer._take, "self.quota.check(minted, made)", "self.quota.check(minted)"),
)
def those_who_share_a_commit_share_the_room() -> None:
    of_source()
    a = Colos("a")["a"]
    a._replica.storage.size = lambda: 0  # type: ignore[method-assign]
    a._writer.quota = Quota(a._replica.storage, 0.1)
    found = at_once(a, *[lambda k=k: a.put(k, "x" * 40_000) for k in "wxyz"])
    assert [isinstance(f, QuotaExceeded) for f in found] == [False, False, False, True], "the first commits alone"


@guards(
    "a write that adds something is refused whole before it is committed, with the figures; reads, deletes and what "
    "other colos wrote go on.",
    Line(Quota.check, "if size + len(made[1]) > self._limit:", "if False:"),
    Line(quota._adds, "is_live(write.payload) and", ""),
    Line(quota._adds, "and _is_a_users(write.key)", ""),
    Line(Open.__exit__, "writer.quota.check(made)", "pass"),
    Line(Writer._take, "self.quota.check(minted, made)", "pass"),
)
def a_full_store_takes_nothing_more() -> None:
    of_source()
    colos = Colos("a", "b", "c")
    a, b = colos["a"], colos["b"]
    a.put("x", 1)
    colos.meet()
    a._replica.storage.size = lambda: 100_000  # type: ignore[method-assign]
    a._writer.quota = Quota(a._replica.storage, 0.1)
    assert refuses(QuotaExceeded, lambda: a.put("y", 1))
    assert all(isinstance(e, QuotaExceeded) for e in at_once(a, *[lambda k=k: a.put(k, 1) for k in "wyz"]))
    b.put("theirs", 1)
    colos.meet()
    assert a["theirs"] == 1
    del a["x"]
    a.rules.set("x", "set")
    colos.meet()
    assert colos.read("x") is None and "y" not in b
