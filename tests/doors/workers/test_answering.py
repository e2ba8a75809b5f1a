"""What a KV binding is answered: bytes, metadata, dates, pages, many keys, and each refusal in its words."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

from crdtkv.errors import BadRequest
from crdtkv.node.node import Node
from crdtkv.node.settings import load
from tests.doors.workers.served import Client, Served, served

NOW = 1_000


def over(check: Any, **settings: Any) -> None:
    """`check(client, port)`, over a port whose clock stands at NOW."""

    async def run() -> None:
        async with served(workers_clock=NOW, **settings) as here:
            client = await here.connect()
            await check(client, here)

    asyncio.run(run())


def test_bytes_come_back() -> None:
    async def check(client: Client, here: Served) -> None:
        bodies = [b"", b"hello", "é\n\0".encode(), b"\xff\x00\xfe", b"1.50", b"5", b"null", b"x" * 100_000]
        for i, body in enumerate(bodies):
            assert (await client.put(f"key {i}/é", body)).status == 200
            found = await client.get(f"key {i}/é")
            assert (found.status, found.body) == (200, body)
            assert "cf-kv-metadata" not in found.headers and "cf-expiration" not in found.headers
        await client.put("document", b'{"b": [1, 2], "a": 1.0}')
        assert (await client.get("document")).json == {"a": 1.0, "b": [1, 2]}

    over(check)


def test_what_is_absent_is_404_and_nothing_else_is() -> None:
    async def check(client: Client, here: Served) -> None:
        found = await client.get("a")
        assert (found.status, found.reason) == (404, "Not Found")
        assert (await client.delete("a")).status == 200, "there or not"
        found = await client.get("a", x_kv_namespace="shop")
        assert found.status == 400 and "shop" in found.reason, "a Worker takes 404 for null"
        here.node.create("shop")
        assert (await client.get("a", x_kv_namespace="shop")).status == 404
        assert (await client.put("a", "1", x_kv_namespace="shop")).status == 200
        assert (await client.get("a", x_kv_namespace=here.node.namespace("shop").id)).body == b"1"
        assert (await client.get("a")).status == 404

    over(check)


def test_metadata_is_utf8_and_goes_with_a_put_without_it() -> None:
    async def check(client: Client, here: Served) -> None:
        plain = {"u": "é", "n": [1, None], "e": "\u007f\u2028"}
        await client.put("a", "1", cf_kv_metadata=json.dumps(plain, ensure_ascii=False).encode())
        found = await client.get("a")
        assert json.loads(found.headers["cf-kv-metadata"]) == plain
        listed = (await client.list()).json["keys"]
        assert [json.loads(each["metadata"]) for each in listed] == [plain], "JSON in a string"
        await client.put("a", "2")
        assert "cf-kv-metadata" not in (await client.get("a")).headers
        assert (await client.list()).json["keys"] == [{"name": "a"}]
        found = await client.put("a", "3", cf_kv_metadata=b'"' + b"x" * 1023 + b'"')
        assert (found.status, found.reason) == (413, "Metadata length of 1025 exceeds limit of 1024.")
        assert (await client.put("a", "3", cf_kv_metadata=b"{")).status == 400
        assert (await client.get("a")).body == b"2"

    over(check)


def test_dates() -> None:
    async def check(client: Client, here: Served) -> None:
        await client.put("a", "1", "&expiration_ttl=60")
        await client.put("b", "1", "&expiration=1500")
        await client.put("c", "1", "&expiration_ttl=120&expiration=9999")
        assert (await client.get("a")).headers["cf-expiration"] == "1060"
        assert (await client.list()).json["keys"] == [
            {"name": "a", "expiration": 1060}, {"name": "b", "expiration": 1500}, {"name": "c", "expiration": 1120},
        ]  # fmt: skip
        assert (await client.ask("POST", "/clock", b'{"advance": 60}')).json == {"now": 1060}
        assert (await client.get("a")).status == 404
        assert [each["name"] for each in (await client.list()).json["keys"]] == ["b", "c"]
        await client.put("b", "2")
        assert "cf-expiration" not in (await client.get("b")).headers, "a put without a date takes it away"
        assert (await client.ask("POST", "/clock", b'{"now": 5000}')).json == {"now": 5000}
        assert [each["name"] for each in (await client.list()).json["keys"]] == ["b"]

    over(check)


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("&expiration_ttl=0", "Invalid expiration_ttl of 0. Please specify integer greater than 0."),
        ("&expiration_ttl=nan", "Invalid expiration_ttl of nan. Please specify integer greater than 0."),
        ("&expiration_ttl=30", "Invalid expiration_ttl of 30. Expiration TTL must be at least 60."),
        ("&expiration=0", "Invalid expiration of 0. Please specify integer greater than the current number of seconds "
                          "since the UNIX epoch."),
        ("&expiration=1000", "Invalid expiration of 1000. Please specify integer greater than the current number of "
                             "seconds since the UNIX epoch."),
        ("&expiration=1030", "Invalid expiration of 1030. Expiration times must be at least 60 seconds in the future."),
    ],
)  # fmt: skip
def test_dates_that_are_refused(query: str, words: str) -> None:
    async def check(client: Client, here: Served) -> None:
        found = await client.put("a", "1", query)
        assert (found.status, found.reason) == (400, words)
        assert (await client.get("a")).status == 404

    over(check)


def test_sizes() -> None:
    async def check(client: Client, here: Served) -> None:
        found = await client.put("a", b"x" * 1025)
        assert (found.status, found.reason) == (413, "Value length of 1025 exceeds limit of 1024.")
        chunked = await here.connect()
        await chunked.raw(
            b"PUT /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n" + b"x" * 1025 + b"\r\n0\r\n\r\n"
        )
        assert b"413 Value length of 1025 exceeds limit of 1024." in await chunked.reader.readline()
        fresh = await here.connect()
        assert (await fresh.put("a", b"x" * 1024)).status == 200
        await fresh.put("b", b"x" * 1024)
        found = await fresh.bulk("a", "b")
        assert (found.status, found.reason) == (413, "Total size of request exceeds the limit of 0.0009765625MB")

    over(check, workers_value_limit=1024)


def test_pages() -> None:
    async def check(client: Client, here: Served) -> None:
        for name in ("key3", "key1", "key2", "KEY1", "k\\_%1", "k\\a"):
            await client.put(name, "v")
        whole = (await client.list()).json
        assert [each["name"] for each in whole["keys"]] == ["KEY1", "k\\_%1", "k\\a", "key1", "key2", "key3"]
        assert whole["list_complete"] is True and whole["cacheStatus"] is None and "cursor" not in whole
        first = (await client.list("prefix=key&key_count_limit=2")).json
        assert [each["name"] for each in first["keys"]] == ["key1", "key2"] and not first["list_complete"]
        await client.put("key15", "v")
        await client.put("key25", "v")
        second = (await client.list(f"prefix=key&key_count_limit=5&cursor={first['cursor']}")).json
        assert [each["name"] for each in second["keys"]] == ["key25", "key3"] and second["list_complete"]
        assert (await client.list("prefix=none")).json["keys"] == []
        assert (await client.list("prefix=k%5C_%25")).json["keys"] == [{"name": "k\\_%1"}]
        found = await client.list("key_count_limit=1001")
        assert found.reason == "Invalid key_count_limit of 1001. Please specify an integer less than 1000."
        assert (await client.list("cursor=nonsense")).status == 400

    over(check)


def test_many_keys() -> None:
    async def check(client: Client, here: Served) -> None:
        await client.put("text", "hé")
        await client.put("empty", "")
        await client.put("json", '{"b": 1.50, "a": [1]}', cf_kv_metadata=b'{"m": 1}')
        await client.put("bytes", b"\xff")
        found = (await client.bulk("text", "none", "empty", "bytes", "text")).json
        assert found == {"text": "hé", "none": None, "empty": "", "bytes": "\ufffd"}
        assert (await client.bulk("json", type="json", withMetadata=True)).json == {
            "json": {"value": {"a": [1], "b": 1.5}, "metadata": {"m": 1}}
        }
        assert (await client.bulk("none", "empty", withMetadata=True)).json == {
            "none": None, "empty": {"value": "", "metadata": None},
        }  # fmt: skip
        found = await client.bulk("json", "text", type="json")
        assert found.reason == "At least one of the requested keys corresponds to a non-json value"
        for key, body in (("deep", b"[" * 5000), ("nan", b"NaN")):
            await client.put(key, body)
            assert (await client.bulk(key, type="json")).status == 400

    over(check)


def test_who_may_what() -> None:
    async def check(client: Client, here: Served) -> None:
        here.node.tokens.set_settings(["correct horse battery staple"])
        known = {"authorization": "Bearer correct horse battery staple"}
        for found in (await client.get("a"), await client.put("a", "1"), await client.list(), await client.bulk("a")):
            assert found.status == 401 and "Bearer" in found.reason
        assert (await client.put("a", "1", **known)).status == 200
        assert (await client.get("a", **known)).body == b"1"
        url = {"mf_url": "https://fake-host/a?urlencoded=true", "mf_binding": "KV"}
        assert (await client.ask("GET", "/?namespace=default", **url)).status == 401
        found = await client.ask("GET", "/?namespace=default&token=correct+horse+battery+staple", **url)
        assert found.body == b"1"

    over(check)


def test_through_miniflare() -> None:
    """Namespace and token stand in the URL it was told, or the binding is called as its namespace, or is mapped."""

    async def check(client: Client, here: Served) -> None:
        here.node.create("KV")
        here.node.create("pages")

        async def ask(binding: str, base: str = "/x") -> Any:
            url = "https://fake-host/a?urlencoded=true"
            return await client.ask("GET", base, mf_url=url, mf_binding=binding, mf_header_cf_kv_flprod_405=url)

        await client.put("a", "default")
        await client.put("a", "KV", x_kv_namespace="KV")
        await client.put("a", "pages", x_kv_namespace="pages")
        assert (await ask("KV")).body == b"KV"
        assert (await ask("CACHE")).body == b"pages"
        assert (await ask("KV", "/x?namespace=default")).body == b"default"
        found = await ask("NONE")
        assert found.status == 400 and "NONE" in found.reason
        found = await client.ask(
            "PUT", "/x", b"hello", mf_url="https://fake-host/b?urlencoded=true&expiration_ttl=60", mf_binding="KV",
            mf_header_cf_kv_metadata='{"u":"é"}'.encode(),
        )  # fmt: skip
        assert found.status == 200
        found = await client.get("b", x_kv_namespace="KV")
        assert (found.body, found.headers["cf-expiration"]) == (b"hello", "1060")
        assert json.loads(found.headers["cf-kv-metadata"]) == {"u": "é"}
        found = await client.ask("GET", "/x?MF-Binding=KV", connection="Upgrade", upgrade="websocket")
        assert found.status == 426

    over(check, workers_bindings="CACHE=pages")


def test_an_error_of_the_store_is_a_reason() -> None:
    """In one line, whatever key it names; and what is asked next is answered."""

    async def check(client: Client, here: Served) -> None:
        here.node.store("default").rules.set("n*", "counter")
        found = await client.put("n\r\nX: y", "text")
        assert found.status == 400 and "n" in found.reason and "x" not in found.headers
        assert (await client.get("n")).status == 404

    over(check)


def test_a_bug_is_said_to_be_one(monkeypatch: pytest.MonkeyPatch) -> None:
    async def check(client: Client, here: Served) -> None:
        monkeypatch.setattr(type(here.node), "store", lambda self, name: 1 / 0)
        found = await client.get("a")
        assert (found.status, found.reason) == (500, "a bug in the server: ZeroDivisionError")

    over(check)


def test_the_clock_of_a_test_suite() -> None:
    async def check(client: Client, here: Served) -> None:
        assert (await client.ask("POST", "/clock")).json == {"now": 1000}
        for body in (b'{"now": -1}', b'{"now": "soon"}', b'{"advance": true}', b'{"x": 1}', b"[", b'{"now": 1e300}'):
            assert (await client.ask("POST", "/clock", body)).status == 400
        assert (await client.ask("POST", "/clock")).json == {"now": 1000}

    over(check)


def test_there_is_no_clock_to_set_but_in_a_test_suite() -> None:
    async def run() -> None:
        async with served() as here:
            client = await here.connect()
            assert (await client.ask("POST", "/clock", b'{"now": 5}')).status == 405

    asyncio.run(run())
    for settings in (
        {"workers_clock": 1}, {"workers_value_limit": 1}, {"workers_clock": 1, "workers": "0.0.0.0:1"},
        {"workers_clock": 1, "workers": "127.0.0.1:1", "listen": "0.0.0.0:1"},
    ):  # fmt: skip
        with pytest.raises(BadRequest, match="is for test suites: it needs workers, and every address on loopback"):
            load(colo="lhr", data="lhr", environment={}, **settings)


def test_nothing_is_served_before_a_joining_colo_has_met_others() -> None:
    async def run() -> None:
        with Node(None, colo="lhr") as node:
            async with served(node) as here:
                here.port._serving.joining = True
                client = await here.connect()
                found = await client.put("a", "1")
                assert found.status == 503 and found.headers["retry-after"] == "1"

    asyncio.run(run())


def test_reads_wait_for_who_writes_without_a_thread_each() -> None:
    """More than there are threads, at once, while the store is held: all are answered once it is not."""

    async def run() -> None:
        async with served(limits={"threads": 1, "waiting": 2}) as here:
            clients = [await here.connect() for _ in range(20)]
            await clients[0].put("a", "1")
            store, held, go = here.node.store("default"), threading.Event(), threading.Event()

            def hold() -> None:
                with store._lock:
                    held.set()
                    go.wait()

            thread = threading.Thread(target=hold)
            thread.start()
            await asyncio.to_thread(held.wait)
            answers = [asyncio.create_task(client.get("a")) for client in clients]
            while sum(each._making for each in here.port._connections) < len(clients):
                await asyncio.sleep(0)
            go.set()
            assert {(each.status, each.body) for each in await asyncio.gather(*answers)} == {(200, b"1")}
            thread.join()

    asyncio.run(run())
