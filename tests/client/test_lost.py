"""Connections that fail, before a request is there or before its answer is: what is tried again counts once."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

import crdtkv
from crdtkv.errors import BadRequest, StoreClosed, Unavailable
from tests.client.conftest import Bridge, Loop


class Losing(Bridge):
    """A way to the colo on which the next `refused` requests do not arrive, and the next `lost` answers do not."""

    def __init__(self, app: Any, loop: Loop) -> None:
        super().__init__(app, loop)
        self.refused = self.lost = self.sent = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self.sent += 1
        if self.refused:
            self.refused -= 1
            raise httpx.ConnectError("connection refused", request=request)
        response = super().handle_request(request)
        if self.lost:
            self.lost -= 1
            raise httpx.ReadError("connection reset", request=request)
        return response


@pytest.fixture
def way(app: Any, loop: Loop) -> Losing:
    return Losing(app, loop)


@pytest.fixture
def kv(way: Losing) -> Iterator[crdtkv.Client]:
    with crdtkv.connect("http://lhr", transport=way) as client:
        yield client


@contextmanager
def losing(way: Losing, refused: int = 1, lost: int = 1) -> Iterator[None]:
    """In the block one answer and one request are lost, and both are tried again."""
    way.refused, way.lost, before = refused, lost, way.sent
    yield
    assert (way.refused, way.lost) == (0, 0) and way.sent >= before + refused + lost + 1


CALLS: list[tuple[str, Callable[[Any], Any], Any]] = [
    ("counter", lambda kv: kv.counter("k").add(3), 3),
    ("list append", lambda kv: kv.list("k").append("x"), ["x"]),
    ("list insert", lambda kv: kv.list("k").insert(0, "x"), ["x"]),
    ("log", lambda kv: kv.log("k").append("x"), ["x"]),
    ("set", lambda kv: kv.set("k").add("x"), ["x"]),
    ("put", lambda kv: kv.put("k", ["x"]), ["x"]),
    ("put if absent", lambda kv: kv.put("k", 1, if_version=None), 1),
    ("put once", lambda kv: kv.put("k", 1, idempotency_key="mine"), 1),
    ("document", lambda kv: kv.json("k").list("/l").append("x"), {"l": ["x"]}),
    ("at a path", lambda kv: kv.json("k").at("/a/b").put(1), {"a": {"b": 1}}),
]


@pytest.mark.parametrize(("name", "call", "shown"), CALLS, ids=[name for name, _, _ in CALLS])
def test_an_answer_that_was_lost_is_asked_for_again_and_nothing_is_done_twice(
    kv: crdtkv.Client, way: Losing, name: str, call: Callable[[Any], Any], shown: Any
) -> None:
    if name == "document":
        kv["k"] = {"l": []}
    with losing(way):
        receipt = call(kv)
    assert kv["k"] == shown and receipt.value == shown
    assert receipt.version == kv.get("k").version  # type: ignore[union-attr]


def test_a_put_on_what_was_read_is_not_put_in_twice(kv: crdtkv.Client, way: Losing) -> None:
    """Said twice on one base it would add its elements twice."""
    kv["l"] = [1]
    kv.get("l")
    with losing(way):
        kv["l"] = [1, 2]
    assert kv["l"] == [1, 2]


def test_a_patch_a_revert_and_a_transaction_count_once(kv: crdtkv.Client, way: Losing) -> None:
    first = kv.put("doc", {"l": [1]}).version
    with losing(way):
        kv.patch("doc", [{"op": "add", "path": "/l/-", "value": 2}])
    assert kv["doc"] == {"l": [1, 2]}
    with losing(way), kv.transaction() as t:
        t.counter("n").add(1)
        t.list("q").append("x")
    assert kv["n"] == 1 and kv["q"] == ["x"]
    with losing(way):
        kv.revert("doc", first)
    assert kv["doc"] == {"l": [1]}
    with losing(way), kv.transaction() as t:
        t["n"] = t["n"] + 1
    assert kv["n"] == 2


def test_reads_are_tried_again(kv: crdtkv.Client, way: Losing) -> None:
    kv["a"] = 1
    for read in (lambda: kv["a"], lambda: kv.get_many(["a"])["a"].value, lambda: kv.scan()[0].value):  # type: ignore[union-attr]
        with losing(way):
            assert read() == 1


def test_who_wants_no_second_try_is_told_what_happened(app: Any, loop: Loop) -> None:
    way = Losing(app, loop)
    with crdtkv.connect("http://lhr", transport=way, tries=1) as kv:
        way.refused = 1
        with pytest.raises(Unavailable, match="http://lhr cannot be reached: connection refused") as caught:
            kv["a"] = 1
        assert caught.value.happened == "no" and "a" not in kv
        way.lost = 1
        with pytest.raises(Unavailable, match="was lost before it answered") as caught:
            kv["a"] = 1
        assert caught.value.happened == "unknown" and kv["a"] == 1


def test_where_nobody_listens() -> None:
    """A real socket, which nobody has."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with crdtkv.connect(url, tries=2) as kv, pytest.raises(Unavailable, match="cannot be reached") as caught:
            kv.put("a", 1)
    assert caught.value.happened == "no" and "crdtkv serve" in caught.value.next_step


def test_a_client_that_was_closed_says_so(kv: crdtkv.Client) -> None:
    kv.close()
    kv.close()
    with pytest.raises(StoreClosed, match="the client of http://lhr is closed"):
        kv.get("a")


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"url": "127.0.0.1:8801"}, "no address"), ({"url": "ftp://x"}, "no address"), ({"url": 3}, "no address"),
        ({"url": "http://x?y=1"}, "no address"), ({"token": "ü"}, "token"), ({"token": 3}, "token"),
        ({"namespace": ""}, "namespace"), ({"timeout": 0}, "timeout"), ({"timeout": "1"}, "timeout"),
        ({"tries": 0}, "tries"), ({"tries": True}, "tries"), ({"remember": -1}, "remember"),
    ],
)  # fmt: skip
def test_what_connect_is_given_is_checked(given: dict[str, Any], says: str) -> None:
    for connect in (crdtkv.connect, crdtkv.aconnect):
        with pytest.raises(crdtkv.BadRequest, match=says):
            connect(**{"url": "http://lhr"} | given)


def test_certificates_that_the_environment_names_wrongly(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Refused by the variable's name, and nothing is asked: it was a traceback."""
    (tmp_path / "ca.pem").write_text("no PEM")
    for name in ("none.pem", "ca.pem"):
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / name))
        for connect in (crdtkv.connect, crdtkv.aconnect):
            with pytest.raises(BadRequest, match=f"SSL_CERT_FILE is '.*{name}'"):
                connect("https://127.0.0.1:1")
