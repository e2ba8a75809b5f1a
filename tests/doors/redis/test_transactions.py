"""MULTI, EXEC, WATCH; locks."""

from __future__ import annotations

from typing import Any

import pytest
import redis

from crdtkv.doors.redis.commands import transactions
from crdtkv.store import door
from tests.doors.redis.conftest import Colo


def test_a_transaction_is_one_of_the_store(colo: Colo) -> None:
    r = colo.client()
    r.set("n", 1)
    before = sum(colo.store.vector.values())
    with r.pipeline() as p:
        assert p.set("a", 1).incr("n").get("n").delete("a").execute() == [True, 2, b"2", 1]
    assert sum(colo.store.vector.values()) == before + 1


def test_what_is_wrong_as_it_is_queued_ends_it(r: Any) -> None:
    with r.pipeline() as p:
        p.set("a", 1)
        p.execute_command("GET")
        with pytest.raises(redis.ResponseError):
            p.execute()
    assert r.get("a") is None
    for words in ("EXEC", "DISCARD"):
        with pytest.raises(redis.ResponseError, match="without MULTI"):
            r.execute_command(words)


def test_an_exec_with_words_ends_it(r: Any) -> None:
    r.execute_command("MULTI")
    with pytest.raises(redis.exceptions.ExecAbortError, match="wrong number of arguments for 'exec' command"):
        r.execute_command("EXEC", "now")
    with pytest.raises(redis.ResponseError, match="without MULTI"):
        r.execute_command("EXEC")


def test_what_is_wrong_as_it_runs_is_told_in_its_place(r: Any) -> None:
    r.set("text", "x")
    with r.pipeline() as p:
        got = p.set("a", 1).incr("text").incr("a").execute(raise_on_error=False)
    assert got[0] is True and isinstance(got[1], redis.ResponseError) and got[2] == 2


def test_the_connection_goes_on_after_it(r: Any) -> None:
    with r.pipeline(transaction=False) as p:
        p.execute_command("MULTI")
        p.set("a", 1)
        p.execute_command("EXEC")
        p.get("a")
        p.execute_command("MULTI")
        p.execute_command("PING")
        p.execute_command("DISCARD")
        p.ping()
        got = p.execute()
    assert got[2:5] == [[b"OK"], b"1", b"OK"] and got[6:] == [b"OK", True]


def test_a_watched_key_that_changes_ends_it(colo: Colo) -> None:
    ann, bob = colo.client(), colo.client()
    ann.set("a", 1)
    for change in (lambda: bob.set("a", 5), lambda: bob.delete("a"), lambda: bob.set("a", 5, ex=9)):
        with ann.pipeline() as p:
            p.watch("a", "nothing")
            change()
            p.multi()
            p.set("a", 2)
            with pytest.raises(redis.WatchError):
                p.execute()
    with ann.pipeline() as p:
        p.watch("a")
        bob.set("b", 1)
        p.multi()
        p.set("a", 2)
        assert p.execute() == [True]
    assert ann.transaction(lambda p: (p.multi(), p.incr("n"))[1] and None, "n") == [1]


def test_a_key_watched_in_another_namespace(colo: Colo) -> None:
    """One that was deleted there and stays so has not changed; nor is it waited for without end."""
    colo.node.create("db1")
    ann, bob = colo.client(single_connection_client=True), colo.client(db=1)
    for prepare, change, said in (
        (lambda: bob.set("a", 1), lambda: None, [True]),
        (lambda: None, lambda: bob.set("a", 2), None),
        (lambda: bob.delete("a"), lambda: None, [True]),
        (lambda: None, lambda: bob.set("a", 3), None),
    ):
        prepare()
        ann.execute_command("SELECT", 1)
        ann.execute_command("WATCH", "a")
        ann.execute_command("SELECT", 0)
        change()
        ann.execute_command("MULTI")
        ann.execute_command("SET", "b", 1)
        told = ann.execute_command("EXEC")
        assert told is None if said is None else told in (said, [b"OK"])


def test_exec_gives_up_where_it_would_wait_for_ever(colo: Colo, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody has the lock of the other namespace, and does not let go of it: as if the key had changed."""
    monkeypatch.setattr(transactions, "_PATIENCE", 0.01)
    colo.node.create("db1")
    ann = colo.client(single_connection_client=True)
    ann.execute_command("SELECT", 1)
    ann.execute_command("WATCH", "a")
    ann.execute_command("SELECT", 0)
    with door.holding(colo.node.store("db1")):
        ann.execute_command("MULTI")
        ann.execute_command("SET", "b", 1)
        assert ann.execute_command("EXEC") is None


def test_nobody_sees_half_of_it(colo: Colo) -> None:
    """Two clients move amounts between two keys, a third one adds them up: always the same."""
    import threading

    r = colo.client()
    r.mset({"a": 50, "b": 50})
    done = threading.Event()

    def move() -> None:
        own = colo.client()
        for _ in range(50):
            with own.pipeline() as p:
                p.decr("a").incr("b").execute()
        done.set()

    thread = threading.Thread(target=move)
    thread.start()
    sums = set()
    while not done.is_set():
        sums.add(sum(map(int, r.mget("a", "b"))))
    thread.join()
    assert sums <= {100} and r.mget("a", "b") == [b"0", b"100"]


def test_locks_of_redis_py(r: Any) -> None:
    lock = r.lock("L", timeout=100)
    assert lock.acquire(blocking=False) and not r.lock("L").acquire(blocking=False)
    assert lock.extend(100) and 191_000 < r.pttl("L") <= 200_000
    assert lock.extend(50, replace_ttl=True) and r.pttl("L") <= 50_000
    assert lock.reacquire() and r.pttl("L") > 91_000 and lock.owned()
    lock.release()
    assert r.get("L") is None
    with pytest.raises(redis.exceptions.LockNotOwnedError):
        lost = r.lock("L", timeout=100)
        assert lost.acquire()
        r.set("L", "other")
        lost.release()


def test_other_scripts_are_refused(r: Any) -> None:
    with pytest.raises(redis.ResponseError, match="no Lua"):
        r.eval("return 1", 0)
    with pytest.raises(redis.exceptions.NoScriptError):
        r.evalsha("0" * 40, 0)
    assert r.script_exists("0" * 40, "c3f8721cbb97f72bc19e972846bd7aaf91901658") == [False, True]


def test_exec_with_words_ends_the_transaction(r: Any) -> None:
    for begun in (True, False):
        connection = r.connection_pool.get_connection()
        try:
            if begun:
                connection.send_command("MULTI")
                assert connection.read_response() == b"OK"
            connection.send_command("EXEC", "word")
            with pytest.raises(redis.exceptions.ExecAbortError, match="wrong number"):
                connection.read_response()
            connection.send_command("SET", "k", "v")
            assert connection.read_response() == b"OK"
        finally:
            r.connection_pool.release(connection)
