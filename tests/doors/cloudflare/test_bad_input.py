"""Whatever is sent, it is answered in the envelope, never as a bug of ours, and what was there before stands."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import quote_from_bytes

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crdtkv.doors.cloudflare.door import ROUTES, Cloudflare
from crdtkv.node.node import Node
from crdtkv.server.app import create_app

ROOTS = ("", "/client/v4")
WORDS = ("values", "metadata", "keys", "bulk", "bulk/get", "bulk/delete", "", "x")
RULES = {"c": "counter", "s": "set", "l": "list", "w": "lww", "m": "mv", "x": "max", "f": "flag", "o": "log"}
NAMES = st.sampled_from(["default", "~default", "nope", "", "%ff", "..", "a b"])
TEXTS = st.text(max_size=20)
DATES = st.sampled_from(
    ["0", "-1", "59", "60", "3600", "1e9", "9" * 12, "9" * 40, "", "x", " 60", "+60", "60.5", "true"]
)
SMALL = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS, lambda inner: st.lists(inner, max_size=4)
    | st.dictionaries(TEXTS, inner, max_size=4), max_leaves=8,
)  # fmt: skip
KEYS = st.binary(max_size=12) | st.sampled_from(
    [*(f"{prefix}/k".encode() for prefix in RULES), b"k" * 513, b"a\x00b", b".", b".."]
)


def app_of(node: Node) -> Any:
    kv = node.store("default")
    for prefix, strategy in RULES.items():
        kv.rules.set(f"{prefix}/*", strategy)
    kv.put("before", [1, 2])
    return create_app(node, doors=[Cloudflare])


async def ask(
    app: Any, method: str, path: bytes, query: bytes = b"", headers: Any = (), parts: Any = (b"",)
) -> tuple[int, dict[bytes, bytes], bytes]:
    """As a server hands a request on. `parts`: of the body; None: the client goes away."""
    scope = {
        "type": "http", "http_version": "1.1", "method": method, "raw_path": path, "path": path.decode("latin-1"),
        "query_string": query, "headers": list(headers), "scheme": "http", "client": ("127.0.0.1", 1),
        "server": ("lhr", 80), "root_path": "",
    }  # fmt: skip
    waiting = list(parts)
    said: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        part = waiting.pop(0) if waiting else None
        if part is None:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": part, "more_body": bool(waiting)}

    async def send(message: dict[str, Any]) -> None:
        said.append(message)

    await app(scope, receive, send)
    body = b"".join(each.get("body", b"") for each in said[1:])
    found = dict(said[0]["headers"])
    assert method == "HEAD" or int(found[b"content-length"]) == len(body)
    return said[0]["status"], found, body


def check(status: int, headers: dict[bytes, bytes], body: bytes, raw: bool = False) -> None:
    assert status < 500 and status != 409, (status, body)
    if raw and status == 200:
        assert headers[b"content-type"] == b"application/octet-stream"
        return
    assert headers[b"content-type"] == b"application/json"
    told = json.loads(body)
    always = {"success", "errors", "messages", "result"}
    assert always <= told.keys() <= always | {"result_info"}
    assert told["success"] is (status == 200) and bool(told["errors"]) is (status != 200)
    for error in told["errors"]:
        assert isinstance(error["code"], int) and error["message"] and error["crdtkv"]["happened"] == "no", error


def check_all(app: Any, asked: list[Any]) -> None:
    async def main() -> None:
        for each, raw in asked:
            found = await ask(app, *each)
            if each[0] != "HEAD":
                check(*found, raw)
            else:
                assert found[0] < 500 and found[2] == b""
        assert (await ask(app, "GET", PLACE + b"/values/before"))[2] == b"[1,2]"

    asyncio.run(main())


PLACE = b"/client/v4/accounts/me/storage/kv/namespaces/default"

METHODS = st.sampled_from(["GET", "PUT", "POST", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE", "BREW"])
QUERIES = st.dictionaries(
    st.sampled_from(["prefix", "limit", "cursor", "expiration", "expiration_ttl", "page", "per_page", "order", "base",
                     "direction"]),
    DATES | TEXTS, max_size=3,
).map(lambda found: "&".join(f"{name}={quote_from_bytes(text.encode('utf-8', 'surrogatepass'))}"
                             for name, text in found.items()).encode()) | st.binary(max_size=30)  # fmt: skip
KINDS = st.sampled_from([
    b"application/json", b"text/plain;charset=UTF-8", b"multipart/form-data; boundary=b", b"multipart/form-data",
    b"multipart/form-data; boundary=", b"multipart/form-data; boundary=" + b"b" * 300, b"\xff", b"",
    b"application/x-www-form-urlencoded", b"image/png\x00",
])  # fmt: skip
HEADERS = st.fixed_dictionaries({}, optional={
    b"content-type": KINDS, b"authorization": st.binary(max_size=20), b"crdtkv-session": st.binary(max_size=30),
    b"crdtkv-base": st.binary(max_size=30), b"content-length": st.just(b"3"), b"via": st.just(b"x"),
}).map(lambda found: list(found.items()))  # fmt: skip
FORMS = st.lists(
    st.tuples(
        st.sampled_from(["value", "metadata", "metadata[a]", "metadata[a][]", "metadata[a][b]", "metadata[", "x"]),
        st.binary(max_size=20),
    ), max_size=4,
).map(lambda parts: b"".join(b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), body)
                             for name, body in parts) + b"--b--\r\n")  # fmt: skip
BODIES = st.binary(max_size=40) | FORMS | SMALL.map(lambda value: json.dumps(value).encode()) | st.lists(
    st.fixed_dictionaries({}, optional={
        "key": TEXTS | SMALL, "value": TEXTS | SMALL, "base64": st.booleans() | SMALL, "metadata": SMALL,
        "expiration": DATES | st.integers() | SMALL, "expiration_ttl": DATES | st.integers() | SMALL,
    }), max_size=3,
).map(lambda pairs: json.dumps(pairs).encode()) | st.fixed_dictionaries({}, optional={
    "keys": st.lists(TEXTS, max_size=3) | SMALL, "type": st.sampled_from(["text", "json"]) | SMALL,
    "title": TEXTS | SMALL, "withMetadata": st.booleans() | SMALL,
}).map(lambda members: json.dumps(members).encode())  # fmt: skip


@st.composite
def paths(draw: Any) -> tuple[bytes, bool]:
    """A path, and whether it is of a value."""
    root = draw(st.sampled_from(ROOTS))
    if draw(st.integers(0, 9)) == 0:
        word = draw(st.sampled_from(["/user", "/user/tokens/verify", "/memberships", "/accounts", "/accounts/x", "/x"]))
        return (("/client/v4" if word == "/x" else root) + word).encode(), False
    word = draw(st.sampled_from(WORDS))
    path = f"{root}/accounts/me/storage/kv/namespaces/{draw(NAMES)}/{word}".encode()
    if word in ("values", "metadata"):
        key = draw(KEYS)
        path += b"/" + (quote_from_bytes(key, safe="").encode() if draw(st.booleans()) else key.replace(b"\x00", b""))
    return path, word == "values"


@settings(max_examples=150, deadline=None)
@given(st.lists(st.tuples(METHODS, paths(), QUERIES, HEADERS, BODIES), min_size=1, max_size=12))
def test_anything_at_all(asked: list[Any]) -> None:
    with Node(None, colo="lhr") as node:
        check_all(app_of(node), [
            ((method, path, query, headers, (body,)), raw and method == "GET")
            for method, (path, raw), query, headers, body in asked
            if not (method == "DELETE" and path.rstrip(b"/").endswith(b"default"))
        ])  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(KEYS, BODIES, HEADERS, QUERIES), min_size=1, max_size=10))
def test_values_of_every_strategy(asked: list[Any]) -> None:
    """Puts and reads in turn, over one connection and none."""
    with Node(None, colo="lhr") as node:
        requests: list[Any] = []
        for key, body, headers, query in asked:
            path = PLACE + b"/values/" + quote_from_bytes(key, safe="").encode()
            requests += [
                (("PUT", path, query, headers, (body,)), False), (("GET", path), True),
                (("PUT", path, b"", (), (body[::-1],)), False),
                (("GET", PLACE + b"/metadata/" + quote_from_bytes(key, safe="").encode()), False),
            ]  # fmt: skip
        requests.append((("GET", PLACE + b"/keys"), False))
        check_all(app_of(node), requests)


@settings(max_examples=60, deadline=None)
@given(FORMS | st.binary(max_size=200), st.integers(1, 50), st.sampled_from([b"b", b"--b", b"b" * 70]))
def test_forms_in_pieces(form: bytes, size: int, boundary: bytes) -> None:
    with Node(None, colo="lhr") as node:
        headers = [(b"content-type", b"multipart/form-data; boundary=" + boundary)]
        parts = [form[at : at + size] for at in range(0, len(form), size)] or [b""]
        check_all(app_of(node), [
            (("PUT", PLACE + b"/values/a", b"", headers, parts), False),
            (("PUT", PLACE + b"/values/a", b"", headers, [*parts, None]), False),
        ])  # fmt: skip


@pytest.mark.parametrize(("path", "method"), [
    (path, method) for path in ("values/a", "bulk", "bulk/get", "bulk/delete", "") for method in ("PUT", "POST")
])  # fmt: skip
def test_a_client_that_goes_away_in_the_middle(path: str, method: str) -> None:
    with Node(None, colo="lhr") as node:
        parts = [b"[", None]
        check_all(app_of(node), [((method, PLACE + b"/" + path.encode(), b"", (), parts), False)])


def test_more_than_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is announced as too large, or turns out to be, is refused; no more of it is read."""
    monkeypatch.setattr("crdtkv.doors.cloudflare.door.ROUTES", {
        what: {method: known._replace(limit=min(known.limit, 100)) for method, known in methods.items()}
        for what, methods in ROUTES.items()
    })  # fmt: skip
    with Node(None, colo="lhr") as node:
        app = app_of(node)
        for path, method in (("values/a", "PUT"), ("bulk", "PUT"), ("bulk", "DELETE"), ("bulk/get", "POST")):
            raw = PLACE + b"/" + path.encode()
            for headers, parts in (([(b"content-length", b"101")], [b"", b""]), ([], [b"x" * 60] * 1000)):
                status, *told = asyncio.run(ask(app, method, raw, b"", headers, parts))
                check(status, *told)  # type: ignore[arg-type]
                assert status == 413, (path, told)


def test_headers_and_queries_that_are_too_long() -> None:
    with Node(None, colo="lhr") as node:
        app = app_of(node)
        for query, headers, status in ((b"q=" + b"x" * 20_000, [], 413), (b"", [(b"x", b"y" * 70_000)], 431)):
            found = asyncio.run(ask(app, "GET", PLACE + b"/keys", query, headers))
            check(*found)
            assert found[0] == status
