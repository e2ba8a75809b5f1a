"""What operators and other programs do over HTTP, besides keys: each path once as it is meant, once wrongly."""

from __future__ import annotations

import json
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

import crdtkv
from crdtkv.errors import StorageFailed, all_errors
from crdtkv.http import bodies
from crdtkv.http.refusals import Stopping, all_refusals
from crdtkv.node.node import Node
from crdtkv.node.tokens import Scope
from crdtkv.replica import inbox
from crdtkv.server.app import create_app
from crdtkv.server.serving import Serving
from crdtkv.store import door
from crdtkv.store.reading import Reading
from tests.server.asgi import Client
from tests.server.test_values import problem

V1 = "/v1/default"


# conflicts


def clash(node: Node) -> crdtkv.Store:
    """A store in whose inbox one write of `owner` is, which lost."""
    kv = node.store("default")
    other = crdtkv.open(colo="sin", namespace="~default")
    kv.sync(other)
    kv.put("owner", "ann")
    other.put("owner", "bob")
    kv.sync(other)
    assert len(kv.conflicts()) == 1
    return kv


def test_lost_writes_are_restored(client: Client, node: Node) -> None:
    kv = clash(node)
    [lost] = client.get(f"{V1}/conflicts?prefix=own").json()["conflicts"]
    assert (lost["key"], lost["value"], lost["winner"]) == ("owner", "ann", "bob")
    assert client.get(f"{V1}/conflicts?prefix=x").json() == {"conflicts": []}
    path = f"{V1}/conflicts/{lost['id']}"
    done = client.post(f"{path}/restore", headers={"prefer": "return=representation"})
    assert done.json()["value"] == "ann" == kv["owner"] and kv.conflicts() == []
    problem(client.post(f"{path}/restore"), 400, "bad-request")
    assert client.delete(path).status_code == 204


def test_lost_writes_are_dismissed(client: Client, node: Node) -> None:
    kv = clash(node)
    [lost] = client.get(f"{V1}/conflicts").json()["conflicts"]
    assert client.delete(f"{V1}/conflicts/{lost['id']}").status_code == 204
    assert kv.conflicts() == [] and kv["owner"] == "bob"


def test_a_copy_that_was_put_back_says_try_again(client: Client, node: Node) -> None:
    """Until a member has taken it back it is read; a write is told to come again, not that it is forbidden."""
    node.store("default").put("k", 1)
    node.store("default")._replica.state.copied = True
    done = client.put(f"{V1}/keys/k", json=2)
    problem(done, 503, "not-back-yet")
    assert done.headers["retry-after"] == "1" and done.json()["happened"] == "no"
    assert client.get(f"{V1}/keys/k").json() == 1


def test_what_does_not_need_the_value_does_not_read_it(
    client: Client, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An add to a large set costs an add, whatever it is conditioned on."""
    kv = node.store("default")
    kv.put("tags", ["a"], strategy="set")
    version = kv.get("tags").version  # type: ignore[union-attr]

    def reads(*given: Any) -> Any:
        raise AssertionError("the whole key is read")

    with monkeypatch.context() as patch:
        patch.setattr(Reading, "_entry", reads)
        path = f"{V1}/keys/tags"
        add = {"op": "add", "value": "b"}
        done = client.post(f"{path}/operations", json=add, headers={"if-match": f'"{version}"'})
        assert done.status_code == 200
        again = client.post(f"{path}/operations", json=add, headers={"if-match": f'"{version}"'})
        problem(again, 412, "precondition-failed")
        conditions = [{"key": "tags", "version": done.json()["version"]}, {"key": "none", "version": None}]
        writes = [{"key": "tags", "op": "add", "value": "c"}, {"key": "hits", "op": "increment"}]
        assert client.post(f"{V1}/transactions", json={"writes": writes, "if": conditions}).status_code == 200
    assert kv["tags"] == ["a", "b", "c"] and kv["hits"] == 1


def test_a_transaction_is_tried(client: Client, node: Node) -> None:
    """Nothing is written, and each key that is asked for is told as it would read, and at which version it is."""
    kv = node.store("default")
    version = kv.put("a", [1]).version
    before = kv.vector, kv.digest()
    writes = [{"key": "a", "op": "append", "value": 2}, {"key": "n", "op": "increment"}]
    read = [{"key": "a"}, {"key": "n", "family": "counter"}, {"key": "none"}]
    asked = {"writes": writes, "read": read}
    found = client.post(f"{V1}/transactions?dry_run=true", json=asked).json()["read"]
    assert found[0]["entry"]["value"] == [1, 2] and found[0]["before"] == version
    assert found[1:] == [{"value": 1, "before": None}, {"entry": None, "before": None}]
    assert (kv.vector, kv.digest()) == before
    problem(client.post(f"{V1}/transactions", json=asked), 400, "bad-request")
    for wrong in (["a"], [{}], "a", [{"key": "a", "family": 1}], [{"key": "a", "spin": 1, "family": "set"}]):
        asked = {"writes": writes, "read": wrong}
        told = client.post(f"{V1}/transactions?dry_run=true", json=asked)
        assert told.status_code == 400 and told.json()["happened"] == "no", wrong
    refused = {"writes": writes, "if": [{"key": "a", "version": None}]}
    problem(client.post(f"{V1}/transactions?dry_run=true", json=refused), 412, "precondition-failed")


def test_who_may_not_read_a_key_does_not_try_it(client: Client, node: Node) -> None:
    node.tokens.create("root", [Scope("*", "", ("admin",))])
    _, token = node.tokens.create("writer", [Scope("*", "", ("write",)), Scope("*", "mine/", ("read",))])
    known = {"authorization": f"Bearer {token}"}
    for key, status in (("theirs/1", 403), ("mine/1", 200)):
        asked = {"writes": [{"key": key, "op": "put", "value": 1}], "read": [{"key": key}]}
        assert client.post(f"{V1}/transactions?dry_run=true", json=asked, headers=known).status_code == status


# rules


def test_rules(client: Client, node: Node) -> None:
    """One by its pattern, also one with a slash; all at once; and what holds for a key."""
    kv = node.store("default")
    kv.put("cart/7", ["b", "a"])
    said = client.put(f"{V1}/rules/cart%2F*?dry_run=true", json={"strategy": "set"}).json()
    assert said["differ"] == [{"key": "cart/7", "old": "json", "new": "set"}] and kv.rules.all() == []
    assert client.put(f"{V1}/rules/cart/*", json={"strategy": "set?wins=remove"}).status_code == 200
    rule = kv.rules.of("cart/8")
    assert (rule.pattern, rule.strategy) == ("cart/*", "set?wins=remove")
    assert client.get(f"{V1}/rules?key=cart/8").json()["rules"] == [bodies.plain_rule(rule)]
    all_of_them = [{"pattern": "n/*", "strategy": "counter"}, bodies.plain_rule(rule)]
    said = client.put(f"{V1}/rules", json={"rules": all_of_them}).json()
    assert (said["set"], said["removed"]) == (["n/*"], [])
    said = client.put(f"{V1}/rules?dry_run=true", json={"rules": []}).json()
    assert sorted(said["removed"]) == ["cart/*", "n/*"] and len(kv.rules.all()) == 2
    assert client.delete(f"{V1}/rules/cart/*").status_code == 204
    assert [rule.pattern for rule in kv.rules.all()] == ["n/*"]


def test_rules_that_cannot_stand(client: Client, node: Node) -> None:
    for body in ({"strategy": "or-set"}, {"ttl": "mid"}, {"tll": "max"}, {"strategy": "lww", "paths": {"/a": "set"}}):
        reply = client.put(f"{V1}/rules/a", json=body)
        problem(reply, 400, reply.json()["code"])
    twice = {"rules": [{"pattern": "a"}, {"pattern": "a"}]}
    problem(client.put(f"{V1}/rules", json=twice), 400, "rule-invalid")
    problem(client.put(f"{V1}/rules", json=[]), 400, "value-invalid")
    problem(client.delete(f"{V1}/rules/nothing"), 400, "rule-invalid")
    assert node.store("default").rules.all() == []


def test_migrate(client: Client, node: Node) -> None:
    kv = node.store("default")
    kv.update({"n": 5, "t": "text"})
    kv.rules.set("*", "counter")
    dry = client.post(f"{V1}/migrate?dry_run=true").json()["migrations"]
    told = [(m["key"], m["new"], m["problem"] is None) for m in dry]
    assert told == [("n", "counter", True), ("t", "counter", False)]
    assert client.post(f"{V1}/migrate?pattern=n").json()["migrations"][0]["after"] == 5
    assert [entry.strategy for entry in kv.scan()] == ["counter", "json"]


# namespaces and tokens


def test_namespaces(client: Client, node: Node) -> None:
    made = client.post("/v1/namespaces", json={"name": "shop"})
    assert made.status_code == 201 and made.headers["location"] == "/v1/namespaces/shop"
    client.put("/v1/shop/keys/a", content="1")
    problem(client.get(f"{V1}/keys/a"), 404, "key-absent")
    problem(client.post("/v1/namespaces", json={"name": "shop"}), 409, "namespace-exists")
    for name in ("a/b", "namespaces", "", 7):
        problem(client.post("/v1/namespaces", json={"name": name}), 400, "namespace-invalid")
    for body in ({"nmae": "x"}, {"name": "x", "colos": [{}]}, {"name": "x", "colos": "sin"}):
        problem(client.post("/v1/namespaces", json=body), 400, "bad-request")
    wrong = client.request("PUT", "/v1/namespaces/shop")
    problem(wrong, 405, "method-unknown")
    assert wrong.headers["allow"] == "DELETE, GET, PATCH"
    assert client.patch("/v1/namespaces/shop", json={"name": "store"}).json()["id"] == made.json()["id"]
    assert client.get("/v1/store/keys/a").text == "1"
    assert [each["name"] for each in client.get("/v1/namespaces").json()["namespaces"]] == ["default", "store"]
    assert client.get("/v1/namespaces/store").json()["id"] == made.json()["id"]
    assert client.delete("/v1/namespaces/store").status_code == 204
    problem(client.get("/v1/store/keys/a"), 404, "namespace-unknown")
    far = client.post("/v1/namespaces", json={"name": "far", "colos": ["sin"]})
    assert far.json()["hosted"] is False
    problem(client.get("/v1/far/keys/a"), 421, "namespace-elsewhere")


def test_where_a_namespace_is(client: Client, node: Node) -> None:
    """Alone a colo can neither give one up nor leave; told to hold one it does."""
    far = client.post("/v1/namespaces", json={"name": "far", "colos": ["sin"]}).json()
    assert (far["without"], far["leaving"]) == ([], [])
    here = client.put("/v1/namespaces/far/colos/lhr").json()
    assert (here["colos"], here["hosted"]) == (["lhr", "sin"], True)
    assert client.put("/v1/far/keys/a", content="1").status_code == 201
    problem(client.delete("/v1/namespaces/far/colos/lhr"), 409, "refused")
    problem(client.delete("/v1/namespaces/far/colos/fra"), 400, "bad-request")
    problem(client.put("/v1/namespaces/far/colos/FRA"), 400, "bad-request")
    problem(client.put("/v1/namespaces/none/colos/lhr"), 404, "namespace-unknown")
    problem(client.post("/v1/leave"), 409, "refused")
    problem(client.post("/v1/evict", json={"colo": "sin"}), 403, "not-a-member")
    problem(client.post("/v1/resolve", json={"link": "lhr~a.1"}), 409, "membership-conflict")
    status = client.get("/v1/status").json()
    assert (status["leaving"], status["left"]) == (False, False)


def test_tokens_and_what_they_may() -> None:
    """One of a prefix reads and lists below it, and nothing else."""
    with Node(None, colo="lhr", tokens=["correct horse battery staple"]) as node, Client(create_app(node)) as client:
        root = {"authorization": "Bearer correct horse battery staple"}
        scope = {"namespace": "default", "prefix": "cart/", "actions": ["read"]}
        body = {"label": "reader", "scopes": [scope]}
        problem(client.post("/v1/tokens", json=body), 401, "unauthorized")
        made = client.post("/v1/tokens", json=body, headers=root)
        assert made.status_code == 201 and made.headers["cache-control"] == "no-store"
        reader = {"authorization": f"bearer {made.json()['token']}"}
        client.put(f"{V1}/keys/cart/7", content="1", headers=root)
        good = [f"{V1}/keys/cart/7", f"{V1}/keys?prefix=cart/", f"{V1}/changes?prefix=cart/7&timeout=0",
                f"{V1}/export?prefix=cart/", f"{V1}/keys/cart/7/history", "/healthz", "/readyz"]  # fmt: skip
        bad = [f"{V1}/keys/todo", f"{V1}/keys", f"{V1}/changes?timeout=0", f"{V1}/export", "/v1/status", "/metrics",
               f"{V1}/check", "/v1/namespaces", "/v1/tokens"]  # fmt: skip
        assert [client.get(path, headers=reader).status_code for path in good] == [200] * len(good)
        assert [client.get(path, headers=reader).status_code for path in bad] == [403] * len(bad)
        assert [client.get(path).status_code for path in bad] == [401] * len(bad)
        assert client.post(f"{V1}/get", json={"keys": ["cart/7"]}, headers=reader).status_code == 200
        problem(client.post(f"{V1}/get", json={"keys": ["todo"]}, headers=reader), 403, "forbidden")
        problem(client.put(f"{V1}/keys/cart/7", content="2", headers=reader), 403, "forbidden")
        write = {"writes": [{"key": "cart/7", "op": "delete"}]}
        problem(client.post(f"{V1}/transactions", json=write, headers=reader), 403, "forbidden")
        [listed] = client.get("/v1/tokens", headers=root).json()["tokens"]
        assert listed["label"] == "reader" and "token" not in listed
        assert client.delete(f"/v1/tokens/{listed['id']}", headers=root).status_code == 204
        problem(client.get(good[0], headers=reader), 401, "unauthorized")
        problem(client.delete("/v1/tokens/none", headers=root), 404, "token-unknown")


# status and figures


def test_status(client: Client, node: Node) -> None:
    kv = node.store("default")
    kv["a"] = 1
    told = client.get("/v1/status").json()
    assert told["colo"] == "lhr" and told["release"]
    [default, system] = told["namespaces"]
    assert (default["name"], default["id"], system["name"]) == ("default", "~default", "system")
    assert (default["replica"], default["vector"], default["digest"]) == (kv.id, kv.vector, kv.digest())
    assert default["members"] == [kv.id] and default["forks"] == [] and default["pending"] == 0


def test_health(client: Client, node: Node) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    front = create_app(node)
    with Client(front) as other:
        front.serving.joining = True
        problem(other.get("/readyz"), 503, "stopping")
        problem(other.put(f"{V1}/keys/a", content="1"), 503, "stopping")
        problem(other.get(f"{V1}/keys"), 503, "stopping")
        node.store("default").sync(crdtkv.open(colo="sin", namespace="~default"))
        assert other.get("/readyz").status_code == 200
        front.stop()
        problem(other.get("/readyz"), 503, "stopping")
        problem(other.get(f"{V1}/changes"), 503, "stopping")
        assert other.get("/healthz").status_code == 200


def test_metrics(client: Client, node: Node) -> None:
    """At the path itself, without a redirect; what was asked is counted, also what was refused."""
    client.put(f"{V1}/keys/a", content="1")
    client.get(f"{V1}/keys/nothing")
    client.request("PROPFIND", f"{V1}/keys/a")
    reply = client.get("/metrics")
    assert reply.status_code == 200 and reply.headers["content-type"].startswith("text/plain")
    lines = reply.text.splitlines()
    for line in (
        'crdtkv_requests_total{method="PUT",status="201"} 1.0', 'crdtkv_requests_total{method="GET",status="404"} 1.0',
        'crdtkv_requests_total{method="other",status="405"} 1.0', 'crdtkv_store_members{namespace="default"} 1.0',
        "crdtkv_subscriptions 0.0",
    ):  # fmt: skip
        assert line in lines, reply.text


def test_lost_writes_are_counted_by_strategy_and_prefix(
    client: Client, node: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A dismissed one stays counted. Beyond so many kinds all others are counted together."""
    monkeypatch.setattr(inbox, "MAX_KINDS", 2)
    kv, other = node.store("default"), crdtkv.open(colo="sin", namespace="~default")
    kv.sync(other)
    for key, strategy in (("cart/1", "lww"), ("cart/2", "lww"), ("owner", "json"), ("a/b/c", "lww")):
        kv.put(key, "ours", strategy=strategy)
        other.put(key, "theirs", strategy=strategy)
    kv.sync(other)
    for conflict in kv.conflicts():
        conflict.dismiss()
    told = client.get("/metrics").text.splitlines()
    assert {line.removeprefix("crdtkv_lost_writes_total") for line in told if "lost_writes_total{" in line} == {
        '{namespace="default",prefix="",strategy=""} 1.0', '{namespace="default",prefix="",strategy="json"} 1.0',
        '{namespace="default",prefix="cart/",strategy="lww"} 2.0',
    }  # fmt: skip


# care


def test_care(client: Client, node: Node) -> None:
    kv = clash(node)
    assert client.get(f"{V1}/check").json() == {"wrong": []}
    assert client.post(f"{V1}/compact").json()["gone"] >= 0
    sin = next(member for member in kv.members if member.startswith("sin"))
    assert client.post(f"{V1}/evict", json={"colo": "sin"}).json() == {"out": [sin]}
    problem(client.post(f"{V1}/evict", json={"colo": "sin"}), 403, "not-a-member")
    problem(client.post(f"{V1}/evict", json={"colo": 7}), 400, "bad-request")
    problem(client.post(f"{V1}/resolve", json={"link": "none"}), 409, "membership-conflict")
    problem(client.post(f"{V1}/leave"), 409, "refused")


def test_backup(tmp_path: Path) -> None:
    with Node(tmp_path / "lhr", colo="lhr") as node, Client(create_app(node)) as client:
        node.store("default")["a"] = 1
        files = client.post("/v1/backup", json={"folder": "monday"}).json()["files"]
        assert sorted(files) == ["monday/namespace-default.db", "monday/system.db"]
        problem(client.post("/v1/backup", json={"folder": "monday"}), 409, "refused")
        for folder in ("../out", "/etc", "a/b", "", ".hidden", "a\0", "left", "system.db-journal", "namespace-a.db"):
            problem(client.post("/v1/backup", json={"folder": folder}), 400, "bad-request")
    with crdtkv.open(tmp_path / "lhr" / "monday" / "namespace-default.db") as copy:
        assert copy["a"] == 1


def test_a_backup_is_there_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a folder in which a namespace lacks nobody could tell."""
    copied = crdtkv.Store.backup

    def fails(store: crdtkv.Store, path: Path) -> None:
        copied(store, path)
        if path.name == "system.db":
            raise StorageFailed("the disk is full", happened="no")

    with Node(tmp_path / "lhr", colo="lhr") as node, Client(create_app(node)) as client:
        with monkeypatch.context() as patched:
            patched.setattr(crdtkv.Store, "backup", fails)
            assert client.post("/v1/backup", json={"folder": "monday"}).status_code >= 500
        assert not (tmp_path / "lhr" / "monday").exists()
        assert len(client.post("/v1/backup", json={"folder": "monday"}).json()["files"]) == 2


def test_a_node_in_memory_has_no_files(client: Client) -> None:
    problem(client.post("/v1/backup", json={"folder": "monday"}), 400, "bad-request")


# in and out


def test_what_is_exported_is_imported(client: Client, node: Node) -> None:
    kv = node.store("default")
    kv.update({"cart/7": {"logo": crdtkv.Blob(b"GIF", "image/gif")}, "n": 2**70, "todo": [1, 1.0]})
    kv.set("tags").add("b", "a")
    lines = client.get(f"{V1}/export")
    assert lines.headers["content-type"] == "application/x-ndjson" and len(lines.text.splitlines()) == 4
    node.create("copy")
    ndjson = {"content-type": "application/x-ndjson"}
    done = client.post("/v1/copy/import", content=lines.content, headers=ndjson)
    assert done.json() == {"written": 4, "same": 0, "expired": 0, "kept": 0, "bad": 0, "problems": []}
    copy = node.store("copy")
    assert dict(copy) == dict(kv) and [e.strategy for e in copy.scan()] == [e.strategy for e in kv.scan()]
    again = client.post("/v1/copy/import", content=lines.content, headers=ndjson).json()
    assert (again["written"], again["same"]) == (0, 4)
    assert len(client.get(f"{V1}/export?prefix=cart/").text.splitlines()) == 1


def test_a_bad_line_spoils_no_other(client: Client, node: Node) -> None:
    text = '{"key": "a", "value": 1}\nnonsense\n\n{"key": "", "value": 1}\n{"key": "b", "value": 2}'
    done = client.post(f"{V1}/import", content=text).json()
    assert (done["written"], done["bad"], [p["line"] for p in done["problems"]]) == (2, 2, [2, 4])
    assert dict(node.store("default")) == {"a": 1, "b": 2}
    kept = client.post(f"{V1}/import?absent_only=true", content='{"key": "a", "value": 9}').json()
    assert kept["kept"] == 1 and node.store("default")["a"] == 1
    wrong = client.post(f"{V1}/import", content="a,1", headers={"content-type": "text/csv"})
    problem(wrong, 415, "content-type-unknown")


# many keys


def test_pages(client: Client, node: Node) -> None:
    kv = node.store("default")
    kv.update({f"k{i}": i for i in range(5)})
    page = client.get(f"{V1}/keys?limit=2").json()
    assert page["keys"] == ["k0", "k1"]
    kv.delete("k2")
    page = client.get(f"{V1}/keys?limit=2&cursor={page['cursor']}").json()
    assert page == {"keys": ["k3", "k4"], "cursor": None}
    assert client.get(f"{V1}/keys?reverse=true&limit=1&values=true").json()["entries"][0]["value"] == 4
    assert client.get(f"{V1}/keys?glob=k[01]&regex=1$").json()["keys"] == ["k1"]
    assert client.get(f"{V1}/keys?start=k1&end=k4").json()["keys"] == ["k1", "k3"]
    assert client.get(f"{V1}/keys?count=true&prefix=k").json() == {"count": 4}
    for query in ("limit=0", "limit=10001", "cursor=!", "glob=[", "regex=(", "reverse=perhaps", "prefxi=k"):
        reply = client.get(f"{V1}/keys?{query}")
        problem(reply, 400, reply.json()["code"])


def test_lines(client: Client, node: Node, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, over several pages; with a limit the cursor is the last line."""
    from crdtkv.server import listing

    monkeypatch.setattr(listing, "_PAGE", 2)
    node.store("default").update({f"k{i}": i for i in range(5)})
    accept = {"accept": "application/x-ndjson"}
    lines = client.get(f"{V1}/keys?values=true", headers=accept).text.splitlines()
    assert [json.loads(line)["value"] for line in lines] == list(range(5))
    lines = client.get(f"{V1}/keys?limit=3", headers=accept).text.splitlines()
    assert len(lines) == 4 and json.loads(lines[3])["cursor"]


def test_several_keys_of_one_instant(client: Client, node: Node) -> None:
    node.store("default")["a"] = crdtkv.Blob(b"GIF", "image/gif")
    entries = bodies.load(client.post(f"{V1}/get", json={"keys": ["a", "b"]}).content)["entries"]
    assert entries["b"] is None and bodies.entry_of(entries["a"]) == node.store("default").get("a")
    for body in ({}, {"keys": "a"}, {"keys": [1]}, {"keys": [], "x": 1}, []):
        reply = client.post(f"{V1}/get", json=body)
        problem(reply, 400, reply.json()["code"])
    problem(client.post(f"{V1}/get", json={"keys": ["a"] * 1001}), 413, "too-large")


# transactions


def test_transactions_are_whole(client: Client, node: Node) -> None:
    """All writes have one version; where one is refused, or a condition does not hold, there are none."""
    kv = node.store("default")
    writes: list[Any] = [
        {"key": "doc", "op": "put", "value": {"a": 1}}, {"key": "hits", "op": "increment", "by": 3},
        {"key": "tags", "op": "add", "values": ["b", "a"]}, {"key": "doc", "op": "put", "path": "/b", "value": 2},
    ]  # fmt: skip
    done = client.post(f"{V1}/transactions", json={"writes": writes}).json()["receipts"]
    assert dict(kv) == {"doc": {"a": 1, "b": 2}, "hits": 3, "tags": ["a", "b"]}
    assert done[0]["version"] == done[3]["version"]
    before = kv.digest()
    bad: list[Any] = [
        ([{"key": "doc", "op": "delete"}, {"key": "hits", "op": "append", "value": 1}], [], 400, "wrong-operation"),
        ([{"key": "doc", "op": "delete"}], [{"key": "hits", "version": None}], 412, "precondition-failed"),
        ([{"key": "doc", "op": "delete", "if_version": None}], [], 412, "precondition-failed"),
        ([{"key": "doc", "op": "delete"}], [{"key": "hits"}], 400, "bad-request"),
        ([{"key": "doc", "op": "delete", "ttl": 3}], [], 400, "bad-request"), ([], [], 400, "bad-request"),
        ([{"key": "doc", "op": "delete"}] * 10_001, [], 413, "too-large"),
    ]  # fmt: skip
    for given, conditions, status, code in bad:
        problem(client.post(f"{V1}/transactions", json={"writes": given, "if": conditions}), status, code)
    assert kv.digest() == before


def test_operations(client: Client, node: Node) -> None:
    """The key's own strategy takes them; of a key that is not there the usual one."""
    kv = node.store("default")

    def operate(key: str, *operations: dict[str, Any]) -> Any:
        reply = client.post(f"{V1}/keys/{key}/operations", json=list(operations))
        assert reply.status_code in (200, 201), reply.text
        return kv.get(key)

    assert operate("hits", {"op": "increment"}, {"op": "decrement", "by": 3}).value == -2
    assert operate("tags", {"op": "add", "values": ["b", "a"]}, {"op": "remove", "value": "b"}).value == ["a"]
    queue = operate("queue", {"op": "append", "values": [1, 2]}, {"op": "insert", "index": 0, "value": 0})
    assert (queue.strategy, queue.value) == ("list", [0, 1, 2])
    assert operate("queue", {"op": "move", "index": 0, "to": 2}, {"op": "remove", "index": 0}).value == [2, 0]
    kv.put("todo", [1])
    assert operate("todo", {"op": "append", "value": 2}, {"op": "set", "index": 0, "value": 9}).value == [9, 2]
    assert operate("open", {"op": "enable"}).value is True
    assert operate("log", {"op": "append", "value": "in", "family": "log"}).strategy == "log"
    assert operate("log", {"op": "append", "value": "out"}).value == ["in", "out"]
    assert operate("doc", {"op": "put", "path": "/a/b", "value": 1}).value == {"a": {"b": 1}}
    assert operate("doc", {"op": "expire", "ttl": 60}).expires is not None
    kv.rules.set("seen/*", "log")
    assert operate("seen/1", {"op": "append", "value": 1}).strategy == "log"
    problem(client.post(f"{V1}/keys/hits/operations", json={"op": "append", "value": 1}), 400, "wrong-operation")
    problem(client.post(f"{V1}/keys/hits/operations", json=[]), 400, "bad-request")


def test_the_past(client: Client) -> None:
    v1 = client.put(f"{V1}/keys/doc", json={"a": 1}).json()["version"]
    client.put(f"{V1}/keys/doc", json={"a": 2})
    past = client.get(f"{V1}/keys/doc/history").json()["revisions"]
    assert [revision["value"] for revision in past] == [{"a": 1}, {"a": 2}]
    patch = client.get(f"{V1}/keys/doc/diff?from={v1}").json()["patch"]
    assert patch == [{"op": "replace", "path": "/a", "value": 2}]
    assert client.get(f"{V1}/keys/doc/blame").json()["blame"][0]["path"] == "/a"
    assert client.post(f"{V1}/keys/doc/revert?to={v1}").status_code == 200
    assert client.get(f"{V1}/keys/doc").json() == {"a": 1}
    problem(client.post(f"{V1}/keys/doc/revert"), 400, "bad-request")
    problem(client.get(f"{V1}/keys/doc/history?x=1"), 400, "bad-request")


# sessions


def test_a_session_sees_what_it_wrote(node: Node) -> None:
    """Its token, sent to a colo that lacks the write, is waited for, and then refused: 503, Retry-After."""
    from crdtkv.server.limits import Limits

    late = Limits(session_wait=0.0)
    with Node(None, colo="sin") as other, Client(create_app(node)) as lhr, Client(create_app(other, late)) as sin:
        token = lhr.put(f"{V1}/keys/a", content="1").headers["crdtkv-session"]
        early = sin.get(f"{V1}/keys/a", headers={"crdtkv-session": token})
        problem(early, 503, "base-not-here")
        assert early.headers["retry-after"]
        node.store("default").sync(other.store("default"))
        got = sin.get(f"{V1}/keys/a", headers={"crdtkv-session": token})
        assert got.text == "1" and got.headers["crdtkv-session"] == token
        problem(sin.get(f"{V1}/keys/a", headers={"crdtkv-session": "zzz"}), 400, "version-invalid")


@pytest.mark.parametrize("method, path, body", [
    ("GET", "/keys/k", None),
    ("GET", "/keys?prefix=k&values=true", None),
    ("POST", "/get", {"keys": ["k"]}),
    ("POST", "/keys/k/operations", {"op": "remove", "value": "mine"}),
    ("PUT", "/keys/k", ["theirs"]),
    ("DELETE", "/keys/k", None),
    ("POST", "/transactions", {"writes": [{"key": "k", "op": "remove", "value": "mine"}]}),
    ("POST", "/import", {"key": "k", "value": ["theirs"]}),
    ("POST", "/conflicts/ID/restore", None),
    ("DELETE", "/conflicts/ID", None),
])  # fmt: skip
def test_a_colo_that_comes_back_while_it_is_asked_has_not_what_its_client_wrote(
    monkeypatch: pytest.MonkeyPatch, method: str, path: str, body: Any
) -> None:
    """Between its look at the session and the read or the write it takes another's cells, and what only it knew waits
    to be minted anew: nothing is told of that moment, and a remove of what is not there does not count as done."""
    with Node(None, colo="sin") as node, Client(create_app(node)) as client, ExitStack() as stack:
        sin = node.store("default")
        lhr, gru = (stack.enter_context(Node(None, colo=colo)).store("default") for colo in ("lhr", "gru"))
        for one, other in ((lhr, sin), (gru, sin), (gru, lhr)) * 2:
            one.sync(other)
        sin["owner"] = "ann"
        for n in range(100):  # (more than sin has counted in this millisecond: it is the later one)
            lhr["owner"] = n
        for one, other in ((lhr, sin), (gru, sin)):
            one.sync(other)
        path = path.replace("ID", sin.conflicts()[0].id)
        kind = {"content-type": "application/x-ndjson" if path == "/import" else "application/json"}
        lhr.evict("sin")
        wrote = client.post(f"{V1}/keys/k/operations", json={"op": "add", "value": "mine"})
        session = {"crdtkv-session": wrote.headers["crdtkv-session"], **kind}

        def meanwhile(name: str) -> None:
            as_it_is = getattr(Serving, name)

            def asked(self: Serving, *given: Any) -> Any:
                monkeypatch.undo()
                lhr.sync(sin)
                assert door.replica(sin).state.pending and "k" not in sin
                return as_it_is(self, *given)

            monkeypatch.setattr(Serving, name, asked)

        for name in ("glance", "slow", "at_rest", "write"):
            meanwhile(name)
        problem(client.request(method, f"{V1}{path}", json=body, headers=session), 503, "base-not-here")
        assert sin["owner"] == 99 and len(sin.conflicts()) == 1
        for one, other in ((lhr, gru), (lhr, sin), (gru, sin)) * 2:
            one.sync(other)
        assert sin["k"] == ["mine"] == lhr["k"]
        assert client.request(method, f"{V1}{path}", json=body, headers=session).status_code in (200, 201, 204)


def test_a_read_says_how_fresh_it_is(client: Client, node: Node) -> None:
    """When it is asked for; the colo itself is always fresh."""
    clash(node)
    fresh = client.get(f"{V1}/keys/owner", headers={"prefer": "freshness"}).headers["crdtkv-heard"]
    heard = dict(each.split("=") for each in fresh.split(", "))
    assert heard.keys() == {"lhr", "sin"} and heard["lhr"] == "0" and int(heard["sin"]) >= 0
    assert "crdtkv-heard" not in client.get(f"{V1}/keys/owner").headers


# the page


def test_every_path_and_every_refusal_is_in_the_page(node: Node) -> None:
    from crdtkv.server.app import routed
    from crdtkv.server.limits import Limits
    from crdtkv.server.serving import Serving

    page = (Path(__file__).parent.parent.parent / "docs" / "http.md").read_text()
    missing = []
    for path, operations in routed(Serving(node)).openapi()["paths"].items():
        rows = [line for line in page.splitlines() if f"`{path.replace('{namespace}', '{ns}')}`" in line]
        missing += [f"{m} {path}" for m in operations if not any(f"`{m.upper()}`" in row for row in rows)]
    assert missing == []
    assert [name for name in Limits.__dataclass_fields__ if f"`{name}`" not in page] == []
    assert [kind.code for kind in all_refusals() if f"`{kind.code}`" not in page] == []
    assert {kind.code for kind in all_refusals()} & {kind.code for kind in all_errors()} == set()


def test_a_colo_that_is_taking_in_a_namespace_has_not_joined_yet() -> None:
    """What is seen while that goes on is not committed, and the event loop does not wait for it."""
    with Node(None, colo="lhr") as node:
        serving = Serving(node)
        serving.joining = True
        store = node.store("default")
        store["a"] = 1
        held, let_go = threading.Event(), threading.Event()

        def hold() -> None:
            with store._lock:
                held.set()
                let_go.wait(60)

        holder = threading.Thread(target=hold)
        holder.start()
        held.wait(60)
        with pytest.raises(Stopping):
            serving.check_joined()
        let_go.set()
        holder.join()
        serving.check_joined()
        assert not serving.joining
