"""Every route, as clients send it: what comes back, and what is refused, with which status, number and words."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from crdtkv.core.blob import Blob
from crdtkv.doors.cloudflare.door import ROUTES
from crdtkv.errors import all_errors
from crdtkv.node.node import Node
from crdtkv.node.tokens import Scope
from crdtkv.server.serving import Serving
from tests.doors.cloudflare.conftest import BASE
from tests.server.asgi import Client

KV = f"{BASE}/default"


def result(reply: httpx.Response) -> Any:
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["success"] is True and body["errors"] == [], body
    return body["result"]


def refused(reply: httpx.Response) -> tuple[int, int, str]:
    body = reply.json()
    assert body["success"] is False and body["result"] is None and body["messages"] == []
    [error] = body["errors"]
    assert error["crdtkv"]["happened"] == "no"
    return reply.status_code, error["code"], error["message"]


def value(client: Client, key: str) -> bytes | None:
    reply = client.get(f"{KV}/values/{quote(key, safe='')}")
    assert reply.status_code in (200, 404)
    if reply.status_code == 404:
        assert refused(reply) == (404, 10009, "get: 'key not found'")
        return None
    assert reply.headers["content-type"] == "application/octet-stream"
    return reply.content


# values


def test_a_value_is_put_read_and_deleted(client: Client) -> None:
    assert value(client, "a") is None
    assert result(client.put(f"{KV}/values/a", content=b"hello")) == {}
    assert value(client, "a") == b"hello"
    assert result(client.delete(f"{KV}/values/a", headers={"content-type": "application/json"})) == {}
    assert value(client, "a") is None
    assert result(client.delete(f"{KV}/values/a")) == {}


def test_the_prefix_may_be_left_out(client: Client) -> None:
    bare = KV.removeprefix("/client/v4")
    result(client.put(f"{bare}/values/a", content=b"1"))
    assert value(client, "a") == b"1" and client.get(f"{bare}/values/a").content == b"1"


@pytest.mark.parametrize(("content", "kind", "body", "metadata"), [
    (b"plain", "text/plain;charset=UTF-8", b"plain", None),
    (b"a=b", "application/x-www-form-urlencoded", b"a=b", None),
    (b'"x"', "application/json", b'"x"', None),
    (b"raw", None, b"raw", None),
    (b'--b\r\nContent-Disposition: form-data; name="value"\r\n\r\ntext\r\n'
     b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{"a":[1]}\r\n--b--\r\n',
     "multipart/form-data; boundary=b", b"text", {"a": [1]}),
    (b'--b\r\nContent-Disposition: form-data; name="value"; filename="blob"\r\n'
     b"Content-Type: application/octet-stream\r\n\r\n\xff\x00\r\n\r\n--b--\r\n",
     'multipart/form-data; boundary="b"', b"\xff\x00\r\n", None),
    (b'--b\r\nContent-Disposition: form-data; name="metadata"; filename="upload"\r\nContent-Type: application/json'
     b'\r\n\r\n"m"\r\n--b\r\nContent-Disposition: form-data; name="value"; filename="upload"\r\n\r\n[1, 2]\r\n--b--',
     "multipart/form-data;boundary=b", b"[1,2]", "m"),
    (b'--b\r\nContent-Disposition: form-data; name="value"\r\n\r\nx\r\n'
     b'--b\r\nContent-Disposition: form-data; name="metadata[who][name]"\r\n\r\nann\r\n'
     b'--b\r\nContent-Disposition: form-data; name="metadata[tags][]"\r\n\r\na\r\n'
     b'--b\r\nContent-Disposition: form-data; name="metadata[tags][]"\r\n\r\nb\r\n--b--\r\n',
     "multipart/form-data; boundary=b", b"x", {"who": {"name": "ann"}, "tags": ["a", "b"]}),
])  # fmt: skip
def test_a_body_in_each_form(
    client: Client, content: bytes, kind: str | None, body: bytes, metadata: Any
) -> None:  # fmt: skip
    result(client.put(f"{KV}/values/a", content=content, headers={} if kind is None else {"content-type": kind}))
    assert value(client, "a") == body
    assert result(client.get(f"{KV}/metadata/a")) == metadata


def test_a_large_text_in_a_form(client: Client) -> None:
    text = b"x" * (3 << 20)
    result(client.put(f"{KV}/values/a", files={"value": (None, text)}, data={"metadata": "{}"}))
    assert value(client, "a") == text and result(client.get(f"{KV}/metadata/a")) == {}


@pytest.mark.parametrize("content", [
    b"", b"--b", b"--b--", b"--b\r\n\r\nx\r\n--b--", b'--b\r\nContent-Disposition: form-data; name="value"\r\n\r\nx',
    b'--b\r\nContent-Disposition: form-data; name="other"\r\n\r\nx\r\n--b--\r\n', b"\x00" * 100,
    b'--b\r\nContent-Disposition: form-data; name="value"\r\n\r\nx\r\n'
    b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{bad\r\n--b--\r\n',
    b'--b\r\nContent-Disposition: form-data; name="value"\r\n\r\nx\r\n'
    b'--b\r\nContent-Disposition: form-data; name="metadata[a]"\r\n\r\n1\r\n'
    b'--b\r\nContent-Disposition: form-data; name="metadata[a][b]"\r\n\r\n1\r\n--b--\r\n',
    b"--b\r\n" + b"X: y\r\n" * 50 + b"\r\nx\r\n--b--", b"--b\r\nX: " + b"y" * 20_000 + b"\r\n\r\nx\r\n--b--",
])  # fmt: skip
def test_a_form_that_is_none(client: Client, content: bytes) -> None:
    reply = client.put(f"{KV}/values/a", content=content, headers={"content-type": "multipart/form-data; boundary=b"})
    assert refused(reply)[:2] in ((400, 10001), (413, 10001))
    assert value(client, "a") is None


def test_a_form_without_a_boundary(client: Client) -> None:
    reply = client.put(f"{KV}/values/a", content=b"x", headers={"content-type": "multipart/form-data"})
    assert refused(reply)[:2] == (400, 10001)


@pytest.mark.parametrize("key", [
    "a/b", "a//b", "a/", "/", "a b", "é", "%2F", "a%", "?", "#", "+", "a\nb", "keys", "bulk/get", "x" * 512, "é" * 256,
    "metadata/values", "~",
])  # fmt: skip
def test_keys_are_what_was_sent(client: Client, node: Node, key: str) -> None:
    result(client.put(f"{KV}/values/{quote(key, safe='')}", content=b"1", files=None))
    assert list(node.store("default")) == [key] and value(client, key) == b"1"
    assert [each["name"] for each in result(client.get(f"{KV}/keys"))] == [key]


@pytest.mark.parametrize(("raw", "told"), [
    ("%2E%2E", (400, 10001, 'Illegal key name "..". Please use a different name.')),
    ("%2e", (400, 10001, 'Illegal key name ".". Please use a different name.')),
    ("", (400, 10001, "Key names must not be empty")),
    ("x" * 513, (414, 10001, "UTF-8 encoded length of 513 exceeds key length limit of 512.")),
    ("%FF", (400, 10001, "key b'%FF' is not UTF-8, percent-encoded")),
    ("a%00b", (400, 10001, "key 'a\\x00b' has a NUL at 1; any other character may be in a key")),
])  # fmt: skip
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_no_keys(client: Client, method: str, raw: str, told: tuple[int, int, str]) -> None:
    assert refused(client.request(method, f"{KV}/values/{raw}")) == told


@pytest.mark.parametrize(("query", "told"), [
    ("expiration_ttl=10", "Invalid expiration_ttl of 10. Expiration TTL must be at least 60."),
    ("expiration_ttl=nope", "Invalid expiration_ttl of nope. Please specify integer greater than 0."),
    ("expiration_ttl=-1", "Invalid expiration_ttl of -1. Please specify integer greater than 0."),
    ("expiration=10", "Invalid expiration of 10. Please specify integer greater than the current number of seconds "
                      "since the UNIX epoch."),
    ("expiration_ttl=99999999999", None), ("expiration=9999999999999999", None),
    ("expiration_ttl=60&expiration_ttl=61", None),
])  # fmt: skip
def test_dates_that_are_none(client: Client, query: str, told: str | None) -> None:
    status, code, words = refused(client.put(f"{KV}/values/a?{query}", content=b"x"))
    assert (status, code) == (400, 10001) and told in (None, words)
    assert value(client, "a") is None


def test_dates(client: Client, node: Node) -> None:
    now = node.store("default")._replica.wall_ms() // 1000
    result(client.put(f"{KV}/values/ttl?expiration_ttl=90&expiration={now + 5000}", content=b"x"))
    result(client.put(f"{KV}/values/date?expiration={now + 5000}", content=b"x"))
    told = {each["name"]: each["expiration"] for each in result(client.get(f"{KV}/keys"))}
    assert told["date"] == now + 5000 and told["ttl"] - now in (90, 91)
    assert client.get(f"{KV}/values/date").headers["expiration"] == str(now + 5000)
    result(client.put(f"{KV}/values/date", content=b"y"))
    assert "expiration" not in client.get(f"{KV}/values/date").headers


def test_sizes(client: Client) -> None:
    most = 25 * 1024 * 1024
    told = (413, 10001, f"Value length of {most + 1} exceeds limit of {most}.")
    assert refused(client.put(f"{KV}/values/a", content=b"\xff" * (most + 1))) == told
    assert refused(client.put(f"{KV}/values/a", files={"value": b"\xff" * (most + 1)})) == told
    assert refused(client.put(f"{KV}/values/a", content=b"x" * (most + (2 << 20))))[0] == 413
    result(client.put(f"{KV}/values/a", content=b"\xff" * most, headers={"content-type": "image/png"}))
    assert value(client, "a") == b"\xff" * most
    text = json.dumps("m" * 1023)
    reply = client.put(f"{KV}/values/b", files={"value": b"x"}, data={"metadata": text})
    assert refused(reply) == (413, 10001, "Metadata length of 1025 exceeds limit of 1024.")


def test_a_put_by_rule(client: Client, node: Node) -> None:
    kv = node.store("default")
    kv.rules.set("bytes/*", "lww")
    kv.rules.set("hits/*", "counter")
    result(client.put(f"{KV}/values/bytes%2Fa", content=b'{"b": 1}', headers={"content-type": "application/json"}))
    assert kv["bytes/a"] == Blob(b'{"b": 1}', "application/json") and value(client, "bytes/a") == b'{"b": 1}'
    result(client.put(f"{KV}/values/hits%2Fa", content=b"7"))
    assert kv["hits/a"] == 7
    status, code, words = refused(client.put(f"{KV}/values/hits%2Fa", content=b"many"))
    assert (status, code) == (400, 10001) and "'many'" in words


# metadata and lists


def test_metadata(client: Client) -> None:
    assert refused(client.get(f"{KV}/metadata/a")) == (404, 10009, "get: 'key not found'")
    result(client.put(f"{KV}/values/a", content=b"x"))
    assert result(client.get(f"{KV}/metadata/a")) is None
    result(client.put(f"{KV}/values/a", files={"value": b"x"}, data={"metadata": '{"n":1}'}))
    assert result(client.get(f"{KV}/metadata/a")) == {"n": 1}
    assert result(client.get(f"{KV}/keys")) == [{"name": "a", "metadata": {"n": 1}}]


def test_lists(client: Client) -> None:
    for i in range(25):
        result(client.put(f"{KV}/values/k{i:02}", content=b"x"))
    names, cursor = [], ""
    while True:
        reply = client.get(f"{KV}/keys", params={"prefix": "k", "limit": 10, "cursor": cursor})
        page, info = result(reply), reply.json()["result_info"]
        names += [each["name"] for each in page]
        cursor = info["cursor"]
        assert info["count"] == len(page) <= 10
        if not cursor:
            break
    assert names == [f"k{i:02}" for i in range(25)]
    assert len(result(client.get(f"{KV}/keys?prefix=k1"))) == 10
    assert result(client.get(f"{KV}/keys?prefix=nothing")) == []


@pytest.mark.parametrize(("query", "status"), [
    ("limit=0", 400), ("limit=1001", 400), ("limit=x", 400), ("cursor=%20", 400), ("cursor=nope", 400),
    ("prefix=" + "x" * 513, 414), ("prefix=%FF", 400), ("limit=1&limit=2", 400), ("q=" + "x" * 20_000, 413),
])  # fmt: skip
def test_lists_that_are_none(client: Client, query: str, status: int) -> None:
    assert refused(client.get(f"{KV}/keys?{query}"))[:2] == (status, 10001)


# many


def test_bulk(client: Client, node: Node) -> None:
    now = node.store("default")._replica.wall_ms() // 1000
    pairs = [
        {"key": "a", "value": "text"}, {"key": "b", "value": "/wA=", "base64": True, "metadata": {"m": 1}},
        {"key": "c", "value": "[1]", "expiration_ttl": 100, "expiration": now + 9000},
        {"key": "d", "value": "x", "expiration": now + 9000, "base64": False, "metadata": None},
    ]
    assert result(client.put(f"{KV}/bulk", json=pairs)) == {"successful_key_count": 4, "unsuccessful_keys": []}
    assert [value(client, key) for key in "abcd"] == [b"text", b"\xff\x00", b"[1]", b"x"]
    told = {each.pop("name"): each for each in result(client.get(f"{KV}/keys"))}
    assert told["a"] == {} and told["b"] == {"metadata": {"m": 1}} and told["d"] == {"expiration": now + 9000}
    assert told["c"]["expiration"] - now in (100, 101)
    found = result(client.post(f"{KV}/bulk/get", json={"keys": ["a", "b", "z"]}))
    assert found == {"values": {"a": "text", "b": "\ufffd\x00", "z": None}}
    found = result(client.post(f"{KV}/bulk/get", json={"keys": ["c", "z"], "type": "json", "withMetadata": True}))
    assert found["values"]["z"] is None and found["values"]["c"]["value"] == [1]
    assert found["values"]["c"].keys() == {"value", "metadata", "expiration"}
    assert result(client.post(f"{KV}/bulk/delete", json=["a", "z"]))["successful_key_count"] == 2
    assert result(client.request("DELETE", f"{KV}/bulk", json=["b", "c"]))["successful_key_count"] == 2
    assert [each["name"] for each in result(client.get(f"{KV}/keys"))] == ["d"]
    assert result(client.put(f"{KV}/bulk", json=[]))["successful_key_count"] == 0


@pytest.mark.parametrize(("method", "path", "body", "status"), [
    ("PUT", "bulk", {}, 400), ("PUT", "bulk", [1], 400), ("PUT", "bulk", [{"key": "a"}], 400),
    ("PUT", "bulk", [{"key": "a", "value": {"x": 1}}], 400), ("PUT", "bulk", [{"key": "", "value": "x"}], 400),
    ("PUT", "bulk", [{"key": "x" * 513, "value": "x"}], 414), ("PUT", "bulk", [{"key": "a\0", "value": "x"}], 400),
    ("PUT", "bulk", [{"key": "a", "value": "!", "base64": True}], 400),
    ("PUT", "bulk", [{"key": "a", "value": "x", "expiration_ttl": 1}], 400),
    ("PUT", "bulk", [{"key": "a", "value": "x", "expiration": True}], 400),
    ("PUT", "bulk", [{"key": "a", "value": "x", "expiration_ttl": {}}], 200),
    ("PUT", "bulk", [{"key": "a", "value": "x", "expiration_ttl": {"a": 1}}], 400),
    ("PUT", "bulk", [{"key": "a", "value": "x", "metadata": "m" * 1030}], 413),
    ("PUT", "bulk", [{"key": str(i), "value": "x"} for i in range(10_001)], 413),
    ("POST", "bulk/delete", ["a"] * 10_001, 413), ("POST", "bulk/delete", [1], 400), ("DELETE", "bulk", {}, 400),
    ("POST", "bulk/delete", ["."], 400), ("POST", "bulk/get", [], 400), ("POST", "bulk/get", {}, 400),
    ("POST", "bulk/get", {"keys": []}, 400), ("POST", "bulk/get", {"keys": ["a"] * 101}, 400),
    ("POST", "bulk/get", {"keys": ["a"], "type": "stream"}, 400), ("POST", "bulk/get", {"keys": [1]}, 400),
    ("POST", "bulk/get", {"keys": ["a"], "type": ["text"]}, 400), ("POST", "bulk/get", {"keys": ["\0"]}, 400),
])  # fmt: skip
def test_bulk_that_is_none(client: Client, method: str, path: str, body: Any, status: int) -> None:
    reply = client.request(method, f"{KV}/{path}", json=body)
    assert reply.status_code == status, reply.text
    if status != 200:
        assert refused(reply)[1] == 10001
        assert result(client.get(f"{KV}/keys")) == []


@pytest.mark.parametrize("content", [b"", b"[", b"\xff", b'["a","a\\ud800"]', b'{"keys":["a"],"keys":["b"]}', b"NaN"])
@pytest.mark.parametrize(("method", "path"), [
    ("PUT", "bulk"), ("DELETE", "bulk"), ("POST", "bulk/get"), ("POST", "bulk/delete"),
])  # fmt: skip
def test_bodies_that_are_no_json(client: Client, method: str, path: str, content: bytes) -> None:
    assert refused(client.request(method, f"{KV}/{path}", content=content))[:2] == (400, 10001)


def test_one_refused_in_bulk_refuses_all(client: Client, node: Node) -> None:
    node.store("default").rules.set("n/*", "counter")
    pairs = [{"key": "a", "value": "x"}, {"key": "n/a", "value": "no number"}]
    assert refused(client.put(f"{KV}/bulk", json=pairs))[:2] == (400, 10001)
    assert value(client, "a") is None


def test_bulk_reads_of_what_is_no_json(client: Client) -> None:
    result(client.put(f"{KV}/values/a", content=b"text"))
    told = "At least one of the requested keys corresponds to a non-json value"
    assert refused(client.post(f"{KV}/bulk/get", json={"keys": ["a"], "type": "json"})) == (400, 10001, told)


# namespaces


def test_namespaces(client: Client) -> None:
    made = result(client.post(BASE, json={"title": "t1"}))
    assert made == {"id": made["id"], "title": "t1", "supports_url_encoding": True}
    assert refused(client.post(BASE, json={"title": "t1"}))[:2] == (400, 10014)
    assert result(client.get(f"{BASE}/{made['id']}")) == result(client.get(f"{BASE}/t1")) == made
    result(client.put(f"{BASE}/{made['id']}/values/a", content=b"x"))
    assert refused(client.put(f"{BASE}/{made['id']}", json={"title": "default"}))[:2] == (400, 10014)
    assert result(client.put(f"{BASE}/{made['id']}", json={"title": "t2"})) == {**made, "title": "t2"}
    assert client.get(f"{BASE}/t2/values/a").content == b"x"
    assert result(client.delete(f"{BASE}/{made['id']}")) is None
    for method, path in (("GET", ""), ("PUT", "/values/a"), ("GET", "/keys"), ("DELETE", "/values/a")):
        assert refused(client.request(method, f"{BASE}/{made['id']}{path}", content=b"x"))[:2] == (404, 10013)
    assert refused(client.delete(f"{BASE}/default"))[:2] == (400, 10001)


def test_pages_of_namespaces(client: Client) -> None:
    for title in ("b", "c", "a"):
        result(client.post(BASE, json={"title": title}))
    reply = client.get(BASE, params={"page": 1, "per_page": 3, "order": "title", "direction": "desc"})
    assert [each["title"] for each in result(reply)] == ["default", "c", "b"]
    assert reply.json()["result_info"] == {"page": 1, "per_page": 3, "count": 3, "total_count": 4, "total_pages": 2}
    assert [each["title"] for each in result(client.get(f"{BASE}?page=2&per_page=3"))] == ["default"]
    assert result(client.get(f"{BASE}?page=9&per_page=1000")) == []
    assert result(client.get(f"{BASE}?order=id"))[0]["title"]
    for wrong in ("page=0", "page=x", "per_page=1001", "per_page=-1", "order=age", "direction=up", "page=" + "9" * 50):
        assert refused(client.get(f"{BASE}?{wrong}"))[:2] == (400, 10001)


@pytest.mark.parametrize("body", [{}, {"title": 5}, {"title": ""}, {"title": "a b"}, {"title": "x" * 65}, [],
                                  {"title": "system"}, {"title": "t", "jurisdiction": "eu"}])  # fmt: skip
def test_titles_that_are_none(client: Client, body: Any) -> None:
    assert refused(client.post(BASE, json=body))[:2] == (400, 10001)
    assert refused(client.put(f"{BASE}/default", json=body))[:2] == (400, 10001)


# who asks, and where


def test_who_asks(client: Client) -> None:
    for path in ("user", "user/tokens/verify", "accounts", "memberships", "accounts/"):
        assert result(client.get(f"/client/v4/{path}")) == result(client.get(f"/{path}"))
    assert result(client.get("/client/v4/user/tokens/verify"))["status"] == "active"
    [member] = result(client.get("/client/v4/memberships?page=1&per_page=50"))
    assert [member["account"]] == result(client.get("/client/v4/accounts"))
    assert result(client.get("/client/v4/accounts?page=2")) == []


def test_tokens(client: Client, node: Node) -> None:
    _, root = node.tokens.create("root", [Scope("*", "", ("admin",))])
    _, some = node.tokens.create("some", [Scope("~default", "cart/", ("read", "write"))])

    def asked(method: str, path: str, token: str | None = None, **given: Any) -> httpx.Response:
        return client.request(method, path, headers={"authorization": f"Bearer {token}"} if token else {}, **given)

    for method, path in (
        ("GET", f"{KV}/values/a"), ("PUT", f"{KV}/values/a"), ("GET", f"{KV}/keys"), ("PUT", f"{KV}/bulk"),
        ("POST", f"{KV}/bulk/get"), ("GET", BASE), ("POST", BASE), ("GET", "/client/v4/user/tokens/verify"),
        ("GET", "/client/v4/memberships"),
    ):  # fmt: skip
        reply = asked(method, path, content=b"[]")
        assert refused(reply)[:2] == (401, 10000) and "www-authenticate" in reply.headers
        assert refused(asked(method, path, "wrong", content=b"[]"))[:2] == (401, 10000)
    result(asked("PUT", f"{KV}/values/cart%2F7", some, content=b"x"))
    assert asked("GET", f"{KV}/values/cart%2F7", some).content == b"x"
    assert len(result(asked("GET", f"{KV}/keys?prefix=cart/", some))) == 1
    for method, path, body in (
        ("PUT", f"{KV}/values/a", b"x"), ("GET", f"{KV}/keys", b""), ("GET", f"{KV}/keys?prefix=car", b""),
        ("PUT", f"{KV}/bulk", b'[{"key":"cart/1","value":"x"},{"key":"a","value":"x"}]'), ("PUT", f"{KV}/bulk", b"[]"),
        ("POST", f"{KV}/bulk/delete", b'["a"]'), ("DELETE", f"{KV}/bulk", b'["a"]'), ("DELETE", KV, b""),
        ("POST", f"{KV}/bulk/get", b'{"keys":["a"]}'), ("POST", BASE, b'{"title":"t"}'),
        ("GET", f"{KV}/metadata/a", b""),
    ):  # fmt: skip
        assert refused(asked(method, path, some, content=body))[:2] == (403, 10000), path
    assert result(asked("GET", "/client/v4/user/tokens/verify", some))["id"] != "crdtkv"
    result(asked("POST", BASE, root, json={"title": "t"}))


def test_no_route_and_no_method(client: Client) -> None:
    for path in ("", "/nothing", "/accounts/me", "/accounts/me/workers", "/accounts/me/storage/kv/namespaces/default/x",
                 "/accounts/me/storage/kv/namespaces/default/values", "/user/tokens"):  # fmt: skip
        assert refused(client.get(f"/client/v4{path or '/'}"))[:2] == (404, 7000)
    for what, path in (("values", "/default/values/a"), ("namespaces", ""), ("bulk/get", "/default/bulk/get")):
        reply = client.patch(f"{BASE}{path}")
        assert refused(reply)[:2] == (405, 10405)
        assert reply.headers["allow"] == ", ".join(ROUTES[what])


def test_nothing_is_answered_with_409(client: Client, node: Node) -> None:
    """Clients would send it again by themselves."""
    kv = node.store("default")
    with pytest.MonkeyPatch.context() as patch:
        for error in all_errors():

            def raises(*given: Any, error: Any = error) -> Any:
                raise error("words")

            patch.setattr(kv, "asubmit", raises)
            status = client.put(f"{KV}/values/a", content=b"x").status_code
            assert status in (error.status, 400, 412, 413) and status != 409, error


@pytest.mark.parametrize(("method", "path", "body"), [
    ("GET", "/values/a", None), ("GET", "/keys", None), ("POST", "/bulk/get", {"keys": ["a"]}),
    ("PUT", "/values/a", "y"), ("DELETE", "/values/a", None), ("POST", "/bulk/delete", ["a"]),
    ("PUT", "/bulk", [{"key": "a", "value": "y"}]),
])  # fmt: skip
def test_a_colo_that_comes_back_while_it_is_asked_says_so(
    monkeypatch: pytest.MonkeyPatch, client: Client, node: Node, method: str, path: str, body: Any
) -> None:
    """What only it knew is not there at that moment; what is told, or done, would be of that."""
    with ExitStack() as stack:
        lhr = node.store("default")
        sin, gru = (stack.enter_context(Node(None, colo=colo)).store("default") for colo in ("sin", "gru"))
        for one, other in ((sin, lhr), (gru, lhr), (gru, sin)) * 2:
            one.sync(other)
        sin.evict("lhr")
        session = {"crdtkv-session": client.put(f"{KV}/values/a", content=b"x").headers["crdtkv-session"]}
        comes_back_before(monkeypatch, lambda: sin.sync(lhr))
        reply = client.request(method, f"{KV}{path}", json=body, headers=session)
        assert refused(reply)[0] == 503 and "a" not in lhr


def comes_back_before(monkeypatch: pytest.MonkeyPatch, come_back: Callable[[], object]) -> None:
    """That happens before the first read or write that is asked for."""

    def meanwhile(name: str) -> None:
        as_it_is = getattr(Serving, name)

        def asked(self: Serving, *given: Any) -> Any:
            monkeypatch.undo()
            come_back()
            return as_it_is(self, *given)

        monkeypatch.setattr(Serving, name, asked)

    for name in ("glance", "slow", "at_rest", "write"):
        meanwhile(name)


def test_a_session_goes_on(client: Client) -> None:
    token = client.put(f"{KV}/values/a", content=b"x").headers["crdtkv-session"]
    reply = client.get(f"{KV}/values/a", headers={"crdtkv-session": token})
    assert reply.content == b"x" and reply.headers["crdtkv-session"]
    assert refused(client.get(f"{KV}/values/a", headers={"crdtkv-session": "?"}))[:2] == (400, 10001)
    assert client.get(f"{KV}/keys").headers["crdtkv-session"]


def test_what_was_told_is_told_again_only_while_it_is_true(client: Client, node: Node) -> None:
    path, accept = f"{KV}/values/a", {"accept": "application/octet-stream"}
    result(client.put(path, content=b"hello"))
    for _ in range(3):
        assert client.get(path, headers=accept).content == b"hello"
    warm = client.app.serving.warm
    assert warm.again(path.encode(), []) is not None
    node.store("default")["a"] = "changed"
    assert client.get(path).content == b"changed"
    result(client.put(f"{path}?expiration_ttl=60", content=b"dated"))
    for _ in range(3):
        assert "expiration" in client.get(path).headers
    assert warm.again(path.encode(), []) is None
    result(client.delete(path))
    assert value(client, "a") is None


def test_what_a_put_was_made_from(client: Client, node: Node) -> None:
    """By the version that is named, by the session, by a guess that is told as one."""
    path, kv = f"{KV}/values/todo", node.store("default")

    def begin() -> httpx.Response:
        kv.clear()
        result(client.put(path, content=b"[1,2,3,4,5,6,7]"))
        read = client.get(path)
        kv.list("todo").append(8, 9)
        return read

    for given in ("crdtkv-base", "base", "crdtkv-session", None):
        read = begin()
        query = f"?base={read.headers['etag'].strip(chr(34))}" if given == "base" else ""
        headers = {"crdtkv-base": read.headers["etag"]} if given == "crdtkv-base" else {}
        if given == "crdtkv-session":
            headers = {given: read.headers[given]}
        reply = client.put(path + query, content=b"[1,2,3,4,6,7]", headers=headers)
        result(reply)
        assert kv["todo"] == [1, 2, 3, 4, 6, 7, 8, 9]
        told = [each["message"] for each in reply.json()["messages"]]
        assert told == (["base=guessed: todo"] if given is None else [])
    read = begin()
    assert refused(client.put(path, content=b"[1]", headers={"crdtkv-base": '"nope"'}))[:2] == (400, 10001)
    result(client.delete(path, headers={"crdtkv-base": read.headers["etag"]}))
    assert kv["todo"] == [1, 2, 3, 4, 5, 6, 7, 8, 9]  # an edit that the deleter had not seen wins
    begin()
    result(client.delete(path))
    assert "todo" not in kv


def test_a_rule_that_wants_a_base(client: Client, node: Node) -> None:
    path, kv = f"{KV}/values/todo", node.store("default")
    kv.rules.set("todo", "json", require_base=True)
    result(client.put(path, content=b"[1]"))
    assert refused(client.put(path, content=b"[2]"))[:2] == (428, 10001)
    result(client.put(path, content=b"[2]", headers={"crdtkv-base": client.get(path).headers["etag"]}))
    assert kv["todo"] == [2]
