"""What only shows where there are other colos, other clients, or strangers."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

import crdtkv
from crdtkv.errors import (
    BaseNotHere,
    BaseRequired,
    CrdtkvError,
    Forbidden,
    MembershipConflict,
    NotAMember,
    Refused,
    TooLarge,
    Unauthorized,
)
from crdtkv.node.node import Node
from crdtkv.server.app import create_app
from tests.client.conftest import Bridge, Loop
from tests.store.conftest import Clock
from tests.test_docs import ROOT

Connected = Callable[..., crdtkv.Client]


@pytest.fixture
def sin(node: Node, clock: Clock) -> crdtkv.Store:
    """Another colo of the namespace, in sync with the one that is served."""
    store = crdtkv.open(colo="sin", namespace=node.store("default").namespace, clock=clock)
    store.sync(node.store("default"))
    return store


def test_lost_writes_are_restored_or_dismissed(kv: crdtkv.Client, sin: crdtkv.Store, node: Node) -> None:
    for key in ("a", "b", "c"):
        kv.put(key, "mine", strategy="lww")
        sin.put(key, "theirs", strategy="lww")
    sin.sync(node.store("default"))
    first, second, third = kv.conflicts()
    [told, *_] = node.store("default").conflicts()
    assert (first.key, first.value, first.winner, first.reason) == ("a", "mine", "theirs", told.reason)
    assert first.restore().value == "mine" and kv["a"] == "mine"
    second.dismiss()
    second.dismiss()
    assert [lost.key for lost in kv.conflicts()] == ["c"] and kv.conflicts("x") == []
    with pytest.raises(CrdtkvError, match="no conflict"):
        first.restore()
    kv.dismiss(third.id)
    assert kv.conflicts() == []


def test_the_thread(kv: crdtkv.Client, sin: crdtkv.Store, node: Node) -> None:
    """Two clients each write their whole list, and say nothing of bases: what they had read goes along."""
    lhr = node.store("default")
    kv["todo"] = [1, 2, 3, 4, 5, 6, 7]
    sin.sync(lhr)
    read = sin.get("todo")
    assert read is not None
    kv["todo"] = [1, 2, 3, 4, 6, 7]
    sin.put("todo", [1, 2, 3, 4, 5, 6, 7, 8, 9], base=read.version)
    sin.sync(lhr)
    assert kv["todo"] == sin["todo"] == [1, 2, 3, 4, 6, 7, 8, 9]


def test_two_clients_of_one_colo(connected: Connected) -> None:
    """Each edits what it had read; nobody undoes what the other did."""
    ann, bob = connected(), connected()
    ann["todo"] = ["milk", "bread"]
    assert ann["todo"] == bob["todo"]
    ann["todo"] = ["milk", "bread", "eggs"]
    made = bob.put("todo", ["bread"])  # without milk
    with pytest.raises(BaseRequired):
        bob["todo"] = ["bread", "tea"]  # eggs are there, which bob has not seen
    assert made.value == ["bread", "eggs"]
    bob["todo"] = ["bread", "eggs", "tea"]
    assert ann["todo"] == ["bread", "eggs", "tea"]


def test_a_session_is_handed_on(kv: crdtkv.Client, connected: Connected, clock: Clock, loop: Loop) -> None:
    """At a colo that has not heard of it yet the read waits, and is refused; never shown the old value."""
    kv["a"] = 1
    assert connected(session=kv.session)["a"] == 1
    with Node(None, colo="gru", clock=clock) as other:
        app = create_app(other)
        with crdtkv.connect("http://gru", transport=Bridge(app, loop), session=kv.session, tries=1) as far:
            with pytest.raises(BaseNotHere):
                far.get("a")
            other.store("default").sync(crdtkv.open(colo="zrh", namespace=other.store("default").namespace))
        loop.call(app.stop)


@pytest.fixture
def guarded(clock: Clock, loop: Loop) -> Iterator[Connected]:
    """Clients of a colo that wants a token."""
    with Node(None, colo="lhr", clock=clock, tokens=["an-admin-token-of-some-length"]) as node:
        app = create_app(node)
        clients: list[crdtkv.Client] = []

        def connect(**options: Any) -> crdtkv.Client:
            clients.append(crdtkv.connect("http://lhr", transport=Bridge(app, loop), **options))
            return clients[-1]

        yield connect
        for client in clients:
            client.close()
        loop.call(app.stop)


def test_who_asks_is_said_by_a_token(guarded: Connected) -> None:
    stranger, liar, admin = guarded(), guarded(token="x" * 30), guarded(token="an-admin-token-of-some-length")
    for nobody in (stranger, liar):
        with pytest.raises(CrdtkvError) as caught:
            nobody.get("a")
        assert caught.value.status == 401 and caught.value.happened == "no"
    admin["a"] = 1
    assert admin["a"] == 1
    made = admin.create_token("web", [{"namespace": "default", "prefix": "cart/", "actions": ["read"]}])
    web = guarded(token=made["token"])
    assert web.get("cart/7") is None and [found["label"] for found in admin.tokens()] == ["web"]
    for refused in (lambda: web.get("a"), lambda: web.put("cart/7", 1)):
        with pytest.raises(Forbidden):
            refused()
    admin.revoke_token(made["id"])
    with pytest.raises(Unauthorized):
        web.get("cart/7")


def test_namespaces(kv: crdtkv.Client, connected: Connected) -> None:
    assert [found["name"] for found in kv.namespaces()] == ["default"]
    made = kv.create_namespace("shop")
    shop = connected(namespace="shop")
    shop["hat"] = 3
    assert "hat" not in kv and connected(namespace=made["id"])["hat"] == 3
    assert kv.rename_namespace("shop", "store")["id"] == made["id"]
    assert connected(namespace="store")["hat"] == 3
    with pytest.raises(CrdtkvError) as caught:
        shop.get("hat")
    assert caught.value.status == 404
    kv.delete_namespace("store")
    assert [found["name"] for found in kv.namespaces()] == ["default"]


def test_more_than_a_request_may_hold(kv: crdtkv.Client) -> None:
    kv.update({f"k{n:04}": n for n in range(2100)})
    assert len(kv) == len(list(kv)) == len(kv.scan()) == 2100
    found = kv.get_many(f"k{n:04}" for n in range(2101))
    assert [entry and entry.value for entry in found.values()] == [*range(2100), None]
    with pytest.raises(TooLarge, match="10,001 writes; at most 10,000") as caught:
        kv.update({f"x{n}": n for n in range(10_001)})
    assert caught.value.happened == "no" and len(kv) == 2100
    kv.clear()
    assert len(kv) == 0


def test_what_a_colo_says_of_itself(kv: crdtkv.Client, node: Node) -> None:
    store = node.store("default")
    kv["a"] = 1
    assert (kv.id, kv.colo, kv.vector, kv.members) == (store.id, "lhr", store.vector, store.members)
    assert (kv.digest(), kv.floor, kv.forks, kv.size, kv.check()) == (store.digest(), store.floor, [], 0, [])
    assert kv.compact() == 0 and kv.status()["colo"] == "lhr"
    with pytest.raises(NotAMember, match="no other member at colo 'nobody'"):
        kv.evict("nobody")
    with pytest.raises(MembershipConflict):
        kv.resolve("lhr~none.1")
    with pytest.raises(Refused, match="only member"):
        kv.leave()


def test_the_lines_of_the_guide_run(connected: Connected, app: Any, loop: Loop) -> None:
    """Of its last chapter, at this colo in the place of the one that it names."""
    page = (ROOT / "docs" / "guide.md").read_text().split("## 15.")[1]
    [block] = re.findall(r"^```py\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    threads, awaited = block.split("\n\n")
    connected().create_namespace("shop")
    told: dict[str, Any] = {"crdtkv": _Elsewhere(connected, app)}
    exec(threads.replace("token=...", "token=None"), told)
    body = "\n".join(f"    {line}" for line in awaited.replace("...", "break").splitlines())
    exec(f"async def main():\n{body}", told)
    loop.begin(told["main"]()).result()
    with connected(namespace="shop") as kv:
        assert kv["hits"] == 2 and kv["tags"] == ["red"]


class _Elsewhere:
    """`crdtkv`, whose clients come to the colo of this test."""

    def __init__(self, connected: Connected, app: Any) -> None:
        self._connected, self._app = connected, app

    def connect(self, url: str, **given: Any) -> crdtkv.Client:
        return self._connected(**given)

    def aconnect(self, url: str, **given: Any) -> crdtkv.AsyncClient:
        return crdtkv.aconnect(url, transport=_Answering(self._app), **given)


class _Answering(httpx.ASGITransport):
    """A feed that is waited for is told of a change, so that it does not wait for ever."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("/changes") and "since" in request.url.params:
            put = httpx.Request("PUT", "http://lhr/v1/shop/keys/cart%2F7", content=b"1")
            await super().handle_async_request(put)
        return await super().handle_async_request(request)


def test_popitem_goes_on_where_another_client_was_first(
    connected: Connected, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two take from one queue: what the other took in between is no error, the next one is given."""
    one, other = connected(), connected()
    one.update(a=1, b=2)
    scan = crdtkv.Client.scan

    def late(client: crdtkv.Client, **given: Any) -> Any:
        page = scan(client, **given)
        if "a" in other:
            other.delete("a")
        return page

    monkeypatch.setattr(crdtkv.Client, "scan", late)
    assert one.popitem() == ("b", 2)
    with pytest.raises(KeyError, match="no key"):
        one.popitem()
