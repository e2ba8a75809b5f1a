"""The value of a key over HTTP: what is put is what is got, and preconditions hold."""

from __future__ import annotations

import asyncio
import json
import threading
from dataclasses import replace

import httpx
import pytest

from crdtkv.core.blob import Blob
from crdtkv.http.names import ENTRY
from crdtkv.node.node import Node
from crdtkv.node.tokens import Scope
from crdtkv.server import asking
from crdtkv.server.app import routed
from crdtkv.server.limits import LIMITS
from crdtkv.server.serving import Serving
from tests.server.asgi import Client

KEYS = "/v1/default/keys"


def problem(reply: httpx.Response, status: int, code: str, happened: str = "no") -> dict[str, object]:
    """The error in a reply, which is of that status and code, and says whether it happened."""
    assert reply.headers["content-type"] == "application/json"
    told: dict[str, object] = reply.json()
    assert (reply.status_code, told["code"], told["happened"]) == (status, code, happened), told
    assert told["next_step"] and told["message"]
    return told


def test_put_and_get(client: Client, node: Node) -> None:
    """The thread's list; the receipt, the ETag and the entry name one version."""
    made = client.put(f"{KEYS}/todo", content="[1, 2, 3]")
    assert made.status_code == 201 and made.headers["etag"] == f'"{made.json()["version"]}"'
    assert made.json() == {"key": "todo", "version": made.json()["version"], "strategy": "json"}
    got = client.get(f"{KEYS}/todo")
    assert (got.status_code, got.text, got.headers["content-type"]) == (200, "[1,2,3]", "application/json")
    assert got.headers["etag"] == made.headers["etag"] and got.headers["crdtkv-value"] == "json"
    assert client.put(f"{KEYS}/todo", content="[1]").status_code == 200
    assert node.store("default")["todo"] == [1]


def test_a_plain_put_says_whether_the_key_was_there(client: Client, node: Node) -> None:
    """201 where it was not: never, deleted, ended by its date, or a set whose last element went. Else 200, once for
    each strategy that it may be of."""
    kv, now = node.store("default"), 1_000_000_000_000
    kv._replica.wall_ms = lambda: now
    kv["gone"] = 1
    del kv["gone"]
    kv.put("ended", 1, ttl=5)
    kv.put("ends", 1, ttl=500)
    kv.set("emptied").add("a")
    kv.set("emptied").remove("a")
    kv["there"] = {"a": 1}
    kv.put("lww", 1, strategy="lww")
    kv.set("set").add("a")
    now += 10_000
    for key in ("never", "gone", "ended", "emptied", "ends", "there", "lww", "set"):
        there, put = key in kv, client.put(f"{KEYS}/{key}", content="[2]")
        assert (put.status_code, kv[key]) == (200 if there else 201, [2]), key
        assert put.status_code == (201 if key in ("never", "gone", "ended", "emptied") else 200), key
        assert put.json() == {"key": key, "version": kv.get(key).version, "strategy": kv.get(key).strategy}


def test_the_threads_case_on_a_plain_put(client: Client) -> None:
    """Two clients read 1..7; one puts it without 5, the other with 8 and 9: both stand."""
    base = client.put(f"{KEYS}/todo", json=[1, 2, 3, 4, 5, 6, 7]).json()["version"]
    client.put(f"{KEYS}/todo?base={base}", json=[1, 2, 3, 4, 6, 7])
    said = client.put(
        f"{KEYS}/todo?base={base}", json=[1, 2, 3, 4, 5, 6, 7, 8, 9], headers={"prefer": "return=representation"}
    )
    assert said.json()["value"] == [1, 2, 3, 4, 6, 7, 8, 9] and said.headers["preference-applied"]
    assert client.get(f"{KEYS}/todo?at={base}").json() == [1, 2, 3, 4, 5, 6, 7]


KEYS_OF_ALL_KINDS = ["a/b", "a%b", "é", "a b", "a?b", "a#b", "a\nb", "a//b", "a/", "/a", "keys/x", "💥", "+"]


@pytest.mark.parametrize("key", KEYS_OF_ALL_KINDS)
def test_any_key(client: Client, node: Node, key: str) -> None:
    """Percent-encoded; what is in the store is the key itself."""
    from crdtkv.http.names import path_of

    assert client.put(f"{KEYS}/{path_of(key)}", content="1").status_code == 201
    assert list(node.store("default")) == [key]
    assert client.get(f"{KEYS}/{path_of(key)}").text == "1"


def test_a_slash_may_stand_as_it_is(client: Client, node: Node) -> None:
    client.put(f"{KEYS}/cart/7", content="1")
    client.put(f"{KEYS}/cart/history%2F", content="2")
    client.put(f"{KEYS}/todo%2Fhistory", content="3")
    assert list(node.store("default")) == ["cart/7", "cart/history/", "todo/history"]
    assert client.get(f"{KEYS}/cart/7/history").json()["revisions"][0]["value"] == 1


@pytest.mark.parametrize("path", ["%FF", "%00", "", "k" * 513, "%ED%A0%80"])
def test_what_is_no_key_is_refused(client: Client, path: str) -> None:
    """Two keys of other bytes never become one."""
    problem(client.put(f"{KEYS}/{path}", content="1"), 400, "key-invalid")
    problem(client.get(f"{KEYS}/{path}"), 400, "key-invalid")


def test_absent(client: Client) -> None:
    told = problem(client.get(f"{KEYS}/nothing"), 404, "key-absent")
    assert "'nothing'" in str(told["message"])
    assert client.head(f"{KEYS}/nothing").status_code == 404
    assert client.delete(f"{KEYS}/nothing").status_code == 200
    problem(client.get("/v1/nowhere/keys/a"), 404, "namespace-unknown")


@pytest.mark.parametrize(
    "text", ["9007199254740993", "-0.0", "1.0", "1", "true", "null", '"é💥"', '{"a":[{}],"b":1}', "1e400"]
)
def test_numbers_and_texts_are_exact(client: Client, text: str) -> None:
    made = client.put(f"{KEYS}/a", content=text.encode(), headers={"content-type": "application/json"})
    if text == "1e400":
        problem(made, 400, "value-invalid")
    else:
        assert client.get(f"{KEYS}/a").content == text.encode()


@pytest.mark.parametrize("text", ["", "[1,", '{"a":1,"a":2}', "NaN", '"\\ud800"', "[" * 200 + "]" * 200])
def test_what_is_no_value_is_refused(client: Client, text: str) -> None:
    problem(client.put(f"{KEYS}/a", content=text), 400, "value-invalid")
    problem(client.get(f"{KEYS}/a"), 404, "key-absent")


def test_blobs_and_texts(client: Client, node: Node) -> None:
    """Under their own type; a string as text if that is asked for."""
    client.put(f"{KEYS}/logo", content=b"GIF\x00\xff", headers={"content-type": "image/gif"})
    got = client.get(f"{KEYS}/logo")
    kinds = got.headers["content-type"], got.headers["crdtkv-value"]
    assert (got.content, *kinds) == (b"GIF\x00\xff", "image/gif", "blob")
    client.put(f"{KEYS}/note", content="hé", headers={"content-type": "text/plain; charset=utf-8"})
    assert node.store("default")["note"] == "hé"
    assert client.get(f"{KEYS}/note").text == '"hé"'
    assert client.get(f"{KEYS}/note", headers={"accept": "text/plain"}).text == "hé"
    problem(client.put(f"{KEYS}/note", content=b"\xff", headers={"content-type": "text/plain"}), 400, "value-invalid")


def test_a_value_with_blobs_in_it(client: Client, node: Node) -> None:
    body = {"value": {"logo": "R0lG"}, "binary": {"/value/logo": "image/gif"}}
    made = client.put(f"{KEYS}/page", content=json.dumps(body), headers={"content-type": ENTRY})
    assert made.status_code == 201 and node.store("default")["page"] == {"logo": Blob(b"GIF", "image/gif")}
    got = client.get(f"{KEYS}/page")
    assert (got.json(), got.headers["crdtkv-value"]) == ({"logo": "R0lG"}, "json-with-blobs")
    for entry in (client.get(f"{KEYS}/page?entry=true"), client.get(f"{KEYS}/page", headers={"accept": ENTRY})):
        assert entry.headers["content-type"] == ENTRY
        assert entry.json()["value"] == {"logo": "R0lG"} and entry.json()["binary"] == {"/value/logo": "image/gif"}
    wrong = client.put(f"{KEYS}/page", content='{"vlaue": 1}', headers={"content-type": ENTRY})
    problem(wrong, 400, "bad-request")


def test_head_and_not_modified(client: Client) -> None:
    tag = client.put(f"{KEYS}/a", content="[1, 2]").headers["etag"]
    head = client.head(f"{KEYS}/a")
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", "5")
    assert head.headers["etag"] == tag
    same = client.get(f"{KEYS}/a", headers={"if-none-match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert client.get(f"{KEYS}/a", headers={"if-none-match": f'"other", W/{tag}'}).status_code == 304
    assert client.get(f"{KEYS}/a", headers={"if-none-match": '"other"'}).status_code == 200
    assert client.get(f"{KEYS}/a", headers={"if-match": tag}).status_code == 200
    problem(client.get(f"{KEYS}/a", headers={"if-match": '"other"'}), 412, "precondition-failed")


def test_preconditions_of_writes(client: Client, node: Node) -> None:
    """412 with the tag that is here, and nothing is written."""
    create = {"if-none-match": "*"}
    tag = client.put(f"{KEYS}/a", content="1", headers=create).headers["etag"]
    again = client.put(f"{KEYS}/a", content="2", headers=create)
    assert problem(again, 412, "precondition-failed")["version"] == tag.strip('"')
    assert again.headers["etag"] == tag
    assert client.put(f"{KEYS}/a", content="2", headers={"if-match": tag}).status_code == 200
    for method, path, content in (("PUT", "", "3"), ("DELETE", "", ""), ("POST", "/operations", '{"op": "delete"}')):
        reply = client.request(method, f"{KEYS}/a{path}", content=content, headers={"if-match": tag})
        problem(reply, 412, "precondition-failed")
    patch = {"if-match": tag, "content-type": "application/merge-patch+json"}
    problem(client.patch(f"{KEYS}/a", content="{}", headers=patch), 412, "precondition-failed")
    either = f"'{tag[1:-1]}' or 'x' was wanted"
    for absent, words in (("*", "any version was wanted"), (f'{tag}, "x"', either)):
        told = problem(client.put(f"{KEYS}/b", content="1", headers={"if-match": absent}), 412, "precondition-failed")
        assert told["message"] == f"there is no 'b'; {words}"
    wrong = {"writes": [{"key": "b", "op": "put", "value": 1}], "if": [{"key": "b", "version": "x"}]}
    told = problem(client.post("/v1/default/transactions", json=wrong), 412, "precondition-failed")
    assert told["message"] == "there is no 'b'; version 'x' of it was wanted"
    assert client.put(f"{KEYS}/a", content="3", headers={"if-match": "*"}).status_code == 200
    assert dict(node.store("default")) == {"a": 3}


def test_a_rule_that_requires_a_base(client: Client, node: Node) -> None:
    node.store("default").rules.set("doc/*", "json", require_base=True)
    base = client.put(f"{KEYS}/doc/1", content="{}").json()["version"]
    problem(client.put(f"{KEYS}/doc/1", content='{"a": 1}'), 428, "base-required")
    assert client.put(f"{KEYS}/doc/1?base={base}", content='{"a": 1}').status_code == 200


def test_bases_that_cannot_be_used(client: Client) -> None:
    version = client.put(f"{KEYS}/a", content="[1]").json()["version"]
    problem(client.put(f"{KEYS}/b?base={version}", content="1"), 400, "version-invalid")
    ahead = client.get(f"{KEYS}/a?at={version.rpartition('.')[0]}.99")
    problem(ahead, ahead.status_code, ahead.json()["code"])
    assert ahead.status_code in (400, 503)
    problem(client.get(f"{KEYS}/a?at=nonsense"), 400, "version-invalid")


def test_ttl_and_strategy(client: Client, node: Node) -> None:
    assert client.put(f"{KEYS}/tags?strategy=set&ttl=60", content='["b", "a"]').json()["strategy"] == "set"
    entry = node.store("default").get("tags")
    assert entry is not None and entry.value == ["a", "b"] and entry.expires is not None
    problem(client.put(f"{KEYS}/x?strategy=or-set", content="1"), 400, "unknown-strategy")
    problem(client.put(f"{KEYS}/x?ttl=-1", content="1"), 400, "value-invalid")
    for query in ("ttl=soon", "ttl=nan", "ttl=1_0", "tll=60", "ttl=1&ttl=2", "base=%FF"):
        problem(client.put(f"{KEYS}/x?{query}", content="1"), 400, "bad-request")
    assert "x" not in node.store("default")


def test_idempotency(client: Client, node: Node) -> None:
    """Sent again it is answered as the first time, whatever was written since; used for another write it is refused."""
    once = {"idempotency-key": "order-7", "if-none-match": "*"}
    first = client.put(f"{KEYS}/order", content="1", headers=once)
    client.put(f"{KEYS}/order", content="2")
    again = client.put(f"{KEYS}/order", content="1", headers=once)
    assert again.json() == first.json() and node.store("default")["order"] == 2
    problem(client.put(f"{KEYS}/order", content="3", headers=once), 400, "value-invalid")


def test_patches(client: Client) -> None:
    client.put(f"{KEYS}/doc", json={"a": 1, "b": 2})
    merge, patch = ({"content-type": f"application/{kind}+json"} for kind in ("merge-patch", "json-patch"))
    assert client.patch(f"{KEYS}/doc", content='{"a": null, "c": 3}', headers=merge).status_code == 200
    add = '[{"op": "add", "path": "/d", "value": [4]}]'
    assert client.patch(f"{KEYS}/doc", content=add, headers=patch).status_code == 200
    assert client.get(f"{KEYS}/doc").json() == {"b": 2, "c": 3, "d": [4]}
    failing = '[{"op": "test", "path": "/b", "value": 9}, {"op": "remove", "path": "/b"}]'
    problem(client.patch(f"{KEYS}/doc", content=failing, headers=patch), 409, "patch-test-failed")
    broken = '[{"op": "remove", "path": "/none"}]'
    problem(client.patch(f"{KEYS}/doc", content=broken, headers=patch), 400, "patch-invalid")
    wrong = client.patch(f"{KEYS}/doc", content="{}", headers={"content-type": "application/json"})
    problem(wrong, 415, "content-type-unknown")
    assert "application/json-patch+json" in wrong.headers["accept-patch"]


def test_methods_that_are_not_there(client: Client) -> None:
    """Also TRACE, and methods nobody has heard of."""
    for method in ("TRACE", "POST", "OPTIONS", "PROPFIND"):
        reply = client.request(method, f"{KEYS}/a")
        problem(reply, 405, "method-unknown")
        assert reply.headers["allow"] == "GET, HEAD, PUT, PATCH, DELETE"
    reply = client.put(f"{KEYS}/a/history", content="1")
    problem(reply, 405, "method-unknown")
    assert reply.headers["allow"] == "GET"


def test_limits_of_bodies_and_headers(node: Node) -> None:
    from crdtkv.server.app import create_app
    from crdtkv.server.limits import Limits

    with Client(create_app(node, Limits(body=100, headers=2000, query=100))) as client:
        problem(client.put(f"{KEYS}/a", content='"' + "x" * 200 + '"'), 413, "too-large")
        parts = (b'"', b"x" * 60, b"x" * 60, b'"')
        problem(client.put(f"{KEYS}/a", content=iter(parts)), 413, "too-large")
        problem(client.get(f"{KEYS}/a", headers={"x-long": "x" * 3000}), 431, "headers-too-large")
        problem(client.get("/v1/default/keys", headers={"x-long": "x" * 3000}), 431, "headers-too-large")
        problem(client.get(f"{KEYS}/a?at={'x' * 200}"), 413, "too-large")
    assert len(node.store("default")) == 0


def test_what_is_told_again_is_what_would_be_made_anew(client: Client, node: Node) -> None:
    """A key that is read often is answered from memory: until it is written, expires, is gone, or a token is wanted."""
    kv = node.store("default")
    warm = client.app.serving.warm

    def read(**headers: str) -> tuple[int, str, list[tuple[str, str]]]:
        reply = client.get(f"{KEYS}/a", headers=headers)
        return reply.status_code, reply.text, sorted(reply.headers.items())

    for value in (1, [1, 2], {"a": "é"}, "text"):
        kv.put("a", value)
        first = read()
        assert all(read() == first for _ in range(4)) and warm._told
        warm._told.clear()
        assert read() == first and json.loads(first[1]) == value
    assert read(accept="text/plain")[1] == "text"
    assert read(**{"if-none-match": dict(first[2])["etag"]})[0] == 304
    assert read(**{"crdtkv-session": dict(first[2])["crdtkv-session"]})[0] == 200
    kv.put("a", 2, ttl=60)
    assert [read()[1] for _ in range(4)] == ["2"] * 4 and not warm._told
    kv.expire("a", None)
    assert [read()[1] for _ in range(4)] == ["2"] * 4 and warm._told
    node.tokens.set_settings(["correct horse battery staple"])
    assert read()[0] == 401
    node.tokens.set_settings([])
    kv.delete("a")
    assert read()[0] == 404


def test_what_is_at_hand_does_not_wait_for_who_writes(client: Client, node: Node) -> None:
    """Nor does it tell of what is not committed; what the writer has changed waits for him, in a thread."""
    kv = node.store("default")
    kv.put("a", 1), kv.put("b", 1)
    warm, serving = client.app.serving.warm, client.app.serving
    for key in "ab" * 3:
        assert client.get(f"{KEYS}/{key}").json() == 1
    writes, goes_on = threading.Event(), threading.Event()

    def write() -> None:
        with kv.transaction() as t:
            t.put("b", 2)
            writes.set()
            goes_on.wait(30)

    writer = threading.Thread(target=write)
    writer.start()
    assert writes.wait(30)
    paths = [f"{KEYS}/{key}".encode() for key in "ab"]
    assert client.get(f"{KEYS}/a").json() == 1 and serving.at_work == 0
    assert warm.again(paths[0], []) is not None and warm.again(paths[1], []) is None
    goes_on.set()
    assert client.get(f"{KEYS}/b").json() == 2
    writer.join()


def test_reads_that_find_a_writer_at_work_wait_in_one_thread(client: Client, node: Node) -> None:
    """More of them than there are threads, and room to wait for one: each is told what was written, or why not."""
    kv, serving = node.store("default"), client.app.serving
    kv.put("there", 1)
    most = serving.limits.threads + serving.limits.waiting + 50
    writes, goes_on = threading.Event(), threading.Event()

    def write() -> None:
        with kv.transaction() as t:
            t.put("there", 2)
            writes.set()
            goes_on.wait(30)

    async def ask() -> list[httpx.Response]:
        asked = [asyncio.create_task(client._http.get(f"{KEYS}/{key}")) for key in ("there", "gone") * most]
        while not serving.at_work or len(serving._reads["~default"]._asked) < 2 * most:
            await asyncio.sleep(0)
        assert serving.at_work == 1
        asked[0].cancel()
        goes_on.set()
        return [await each for each in asked[1:]]

    writer = threading.Thread(target=write)
    writer.start()
    assert writes.wait(30)
    replies = client._runner.run(ask())
    writer.join()
    assert [reply.status_code for reply in replies] == [404, *(200, 404) * (most - 1)]
    assert {reply.text for reply in replies if reply.status_code == 200} == {"2"} and serving.at_work == 0


def test_a_name_that_stands_for_another_namespace_reads_that(client: Client, node: Node) -> None:
    for value in (1, 2):
        node.create("shop")
        node.store("shop")["a"] = value
        assert [client.get("/v1/shop/keys/a").json() for _ in range(4)] == [value] * 4
        node.delete("shop")
        problem(client.get("/v1/shop/keys/a"), 404, "namespace-unknown")


def test_the_router_says_the_same(client: Client, node: Node) -> None:
    """What the OpenAPI describes is what the front answers: status, headers and body."""
    client.put(f"{KEYS}/a", json={"x": 1})
    with Client(routed(Serving(node))) as slow:
        for method, path in [
            ("GET", "a"), ("GET", "a?entry=true"), ("HEAD", "a"), ("GET", "a/history"), ("GET", "a/blame"),
            ("GET", "b"), ("GET", "a/diff"), ("GET", "a?at=x"), ("POST", "a/revert"), ("DELETE", "%FF"),
            ("GET", "a%2Fhistory"),
        ]:  # fmt: skip
            ours, theirs = (c.request(method, f"{KEYS}/{path}") for c in (client, slow))
            assert (ours.status_code, ours.content) == (theirs.status_code, theirs.content), path
            assert sorted(ours.headers.items()) == sorted(theirs.headers.items()), path


def test_what_is_told_again_is_told_to_whoever_may_read_it(node: Node, client: Client) -> None:
    """A reply that is at hand is nobody's without a good token for the key."""
    _, root = node.tokens.create("root", [Scope("*", "", ("admin",))])
    token, some = node.tokens.create("some", [Scope("~default", "cart/", ("read",))])

    def get(key: str, text: str | None) -> int:
        headers = {} if text is None else {"authorization": f"Bearer {text}"}
        return client.get(f"/v1/default/keys/{key}", headers=headers).status_code

    for key in ("cart/7", "other"):
        node.store("default")[key] = 1
        assert [get(key, root) for _ in range(3)] == [200] * 3
        assert client.app.serving.warm.again(f"/v1/default/keys/{key}".encode(), []) is None
        assert get(key, None) == get(key, "wrong") == 401
    assert (get("cart/7", some), get("other", some)) == (200, 403)
    node.tokens.revoke(token.id)
    assert get("cart/7", some) == 401


def test_bodies_that_do_not_come_whole_are_bounded_together(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """One by one each may be large; and what is refused, or came whole, is counted no more."""
    monkeypatch.setattr(asking, "LIMITS", replace(LIMITS, gathered=150))
    parts = [b'"', *[b"x" * 50] * 2, b'"']
    assert client.put(f"{KEYS}/a", content=iter(parts)).status_code == 201
    problem(client.put(f"{KEYS}/a", content=iter([b'"', *[b"x" * 50] * 4, b'"'])), 503, "overloaded")
    assert client.put(f"{KEYS}/a", content=iter(parts)).status_code == 200 and asking._gathered == [0]


@pytest.mark.parametrize("wrong, words", [
    ({"op": "increment", "by": "x"}, "a counter counts integers; not 'x'"),
    ({"op": "increment", "bye": 1}, "a write has no 'bye'"),
    ({"op": "expire"}, "expire of 'n' lacks 'ttl'"),
])  # fmt: skip
def test_of_several_writes_it_is_said_which_is_wrong(
    client: Client, node: Node, wrong: dict[str, object], words: str
) -> None:
    """Counted from 0, as in the body; of one alone there is nothing to say."""
    good = {"op": "increment"}
    for n, writes in enumerate(([wrong], [good, wrong], [good, good, wrong, wrong])):
        where = f"[{n}]: " if n else ""
        told = client.post(f"{KEYS}/n/operations", json=writes).json()
        assert str(told["message"]).startswith(("operations" if n else "") + where + words)
        body = {"writes": [{"key": "n", **write} for write in writes]}
        told = client.post("/v1/default/transactions", json=body).json()
        assert str(told["message"]).startswith(("writes" if n else "") + where + words)
    assert "n" not in node.store("default")
