"""What was answered is there after kill -9, and nobody is told of what is not."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import redis

from tests.doors.conftest import Colo

Start = Callable[[], Colo]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """`start()`: a process that serves the test's folder."""
    with ExitStack() as stack:
        yield lambda: Colo("lhr", tmp_path, ["--redis", "127.0.0.1:0"], stack, CRDTKV_LOG="error")


def test_what_was_answered_survives_a_kill(start: Start) -> None:
    lhr = start()
    host, port = lhr.door("Redis").split(":")
    acknowledged = [0] * 8

    def write(i: int) -> None:
        r = redis.Redis(host=host, port=int(port), retry=None)
        try:
            while True:
                with r.pipeline(transaction=False) as p:
                    p.incr(f"n{i}").set(f"k{i}", acknowledged[i] + 1)
                    acknowledged[i] = p.execute()[0]
        except (redis.RedisError, OSError):
            pass

    threads = [threading.Thread(target=write, args=(i,)) for i in range(len(acknowledged))]
    for thread in threads:
        thread.start()
    while min(acknowledged) < 20:
        pass
    lhr.process.kill()
    for thread in threads:
        thread.join()
    lhr.process.wait()
    again = start()
    r = redis.Redis.from_url(f"redis://{again.door('Redis')}")
    for i, answered in enumerate(acknowledged):
        found = int(r.get(f"n{i}"))
        assert answered <= found <= answered + 1 and found == int(r.get(f"k{i}"))


def test_a_client_that_is_answered_as_the_server_stops(start: Start) -> None:
    """SIGTERM ends connections once what they asked for is answered."""
    lhr = start()
    host, port = lhr.door("Redis").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as idle:
        idle.sendall(b"SET a 1\r\n")
        assert idle.recv(100) == b"+OK\r\n"
        lhr.process.terminate()
        assert idle.recv(100) == b""
    assert lhr.process.wait(30) == 0
