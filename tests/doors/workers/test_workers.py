"""Workers at two real colos, in workerd and in miniflare: put at one, read at the other."""

from __future__ import annotations

import json
import time
from typing import Any, NamedTuple

import pytest

from tests.doors.conftest import Colos
from tests.doors.workers.conftest import Run, Worker, block

OPTIONS = ["--workers", "127.0.0.1:0"]
NONE = {"undefined": True}


class Place(NamedTuple):
    """A colo, and a Worker beside it that makes the calls it is sent."""

    colo: Any
    worker: Worker


def at(worker: Run, colo: Any, script: str, **given: str) -> Worker:
    return worker(colo.door("Workers KV"), script, **given)


@pytest.fixture(scope="module")
def two(colos: Colos, worker: Run, calls: str) -> list[Place]:
    """In a runtime that is given."""
    return [Place(colo, at(worker, colo, calls)) for colo in colos("lhr", "sin", options=OPTIONS)]


def test_put_at_one_colo_and_get_at_the_other(two: list[Place]) -> None:
    (lhr, here), (sin, there) = two
    soon = int(time.time()) + 3600
    assert here.calls(
        ["put", "a/b é?#%", "hello", {"metadata": {"u": "é"}}],
        ["put", "bytes", {"base64": "AP8="}],
        ["put", "later", "soon gone", {"expiration": soon}],
        ["put", "json", '{"a":[1,2]}'],
        ["put", "gone", "1"],
        ["delete", "gone"],
        ["delete", "never there"],
    ) == [NONE] * 7  # fmt: skip
    lhr.told(sin)
    assert there.calls(
        ["getWithMetadata", "a/b é?#%"],
        ["get", "bytes", "arrayBuffer"],
        ["get", "bytes", "stream"],
        ["get", "json", "json"],
        ["get", "gone"],
        ["get", ["json", "gone"]],
        ["list", {"prefix": ""}],
    ) == [
        {"value": "hello", "metadata": {"u": "é"}, "cacheStatus": None},
        {"base64": "AP8="},
        {"stream": "AP8="},
        {"a": [1, 2]},
        None,
        {"map": {"json": '{"a":[1,2]}', "gone": None}},
        {"keys": [
            {"name": "a/b é?#%", "metadata": {"u": "é"}}, {"name": "bytes"}, {"name": "json"},
            {"name": "later", "expiration": soon}, {"name": "told"},
        ], "list_complete": True, "cacheStatus": None},
    ]  # fmt: skip
    assert there.calls(["delete", "a/b é?#%"], ["put", "bytes", "text"]) == [NONE, NONE]
    sin.told(lhr)
    assert here.calls(["getWithMetadata", "a/b é?#%"], ["get", "bytes"]) == [
        {"value": None, "metadata": None, "cacheStatus": None}, "text",
    ]  # fmt: skip


def test_two_workers_edit_one_list_at_once(two: list[Place]) -> None:
    """The thread's case: one takes 5 away, the other adds 8 and 9, each in the list that it read at its colo.

    Whether the one's change has come to the other's colo before it puts, or not.
    """
    (lhr, one), (sin, other) = two
    for key in ("at once", "heard of before"):
        one.call("put", key, json.dumps([1, 2, 3, 4, 5, 6, 7]))
        lhr.told(sin)
        seen, (also,) = one.call("get", key, "json"), other.call("get", [key], "json")["map"].values()
        assert seen == also == [1, 2, 3, 4, 5, 6, 7]
        one.call("put", key, json.dumps([each for each in seen if each != 5]))
        if key != "at once":
            lhr.told(sin)
        other.call("put", key, json.dumps([*also, 8, 9]))
        lhr.told(sin)
        sin.told(lhr)
        assert one.call("get", key, "json") == other.call("get", key, "json") == [1, 2, 3, 4, 6, 7, 8, 9]


def test_the_worker_of_our_page(two: list[Place], worker: Run) -> None:
    (lhr, _), (sin, _) = two
    script = block("js", "todo.push")
    one, other = at(worker, lhr, script), at(worker, sin, script)
    assert one.http.post("/", content="milk").json() == ["milk"]
    lhr.told(sin)
    one.http.post("/", content="bread")
    other.http.post("/", content="tea")
    lhr.told(sin)
    sin.told(lhr)
    found = one.http.get("/").json()
    assert sorted(found) == ["bread", "milk", "tea"] and other.http.get("/").json() == found


def test_namespaces_and_tokens(colos: Colos, worker: Run, calls: str) -> None:
    token = "correct-horse-battery-staple"
    (lhr,) = colos("lhr", options=OPTIONS, CRDTKV_ADMIN_TOKEN=token)
    lhr.http.post("/v1/namespaces", json={"name": "shop"}).raise_for_status()
    assert at(worker, lhr, calls, namespace="shop", token=token).calls(["put", "a", "1"], ["get", "a"]) == [NONE, "1"]
    assert at(worker, lhr, calls, token=token).call("get", "a") is None
    elsewhere = {"namespace": "nowhere", "token": token}
    for given, words in ((elsewhere, "400 no namespace 'nowhere'"), ({}, "401 the token")):
        found = at(worker, lhr, calls, **given).calls(["get", "a"], ["put", "a", "2"], ["list"], ["get", ["a"]])
        for name, each in zip(("GET", "PUT", "GET", "GET_BULK"), found, strict=True):
            assert each["error"].startswith(f"KV {name} failed: {words}")
    assert lhr.http.get("/v1/shop/keys/a").json() == 1


def test_what_a_worker_writes_is_there_for_the_other_doors(two: list[Place]) -> None:
    """Cloudflare's REST API and our own at the other colo, and back."""
    (lhr, worker), (sin, _) = two
    soon = int(time.time()) + 3600
    worker.call("put", "shared/é", '["a"]', {"metadata": {"u": "é"}, "expiration": soon})
    lhr.told(sin)
    rest, name = "/client/v4/accounts/any/storage/kv/namespaces/default", "shared%2F%C3%A9"
    found = sin.http.get(f"{rest}/values/{name}").raise_for_status()
    assert (found.content, found.headers["expiration"]) == (b'["a"]', str(soon))
    assert sin.http.get(f"{rest}/metadata/{name}").json()["result"] == {"u": "é"}
    sin.http.post(f"/v1/default/keys/{name}/operations", json={"op": "append", "value": "b"}).raise_for_status()
    sin.told(lhr)
    assert worker.call("getWithMetadata", "shared/é", "json") == {
        "value": ["a", "b"], "metadata": None, "cacheStatus": None,
    }  # fmt: skip
    body = {"value": b"plain", "metadata": b'{"by":"rest"}'}
    sin.http.put(f"{rest}/values/{name}", files=body).raise_for_status()
    sin.told(lhr)
    assert worker.call("getWithMetadata", "shared/é") == {
        "value": "plain", "metadata": {"by": "rest"}, "cacheStatus": None,
    }  # fmt: skip
    sin.http.delete(f"/v1/default/keys/{name}").raise_for_status()
    sin.told(lhr)
    assert worker.calls(["get", "shared/é"], ["list", {"prefix": "shared"}])[1]["keys"] == []


def test_what_is_not_there(two: list[Place]) -> None:
    (_, worker), _ = two
    for kind in ("text", "json", "arrayBuffer", "stream"):
        assert worker.call("get", "nothing", kind) is None
