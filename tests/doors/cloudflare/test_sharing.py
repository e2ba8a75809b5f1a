"""Puts that wait for one commit share a transaction, and each is answered as if it had come alone."""

from __future__ import annotations

import asyncio
from typing import Any

from crdtkv.doors.cloudflare.door import Cloudflare
from crdtkv.node.node import Node
from crdtkv.server.asking import CONNECTION, Reply
from crdtkv.server.serving import Serving
from tests.doors.cloudflare.conftest import BASE


def puts(node: Node, asked: list[tuple[str, bytes, str]], seen: dict[Any, Any] | None = None) -> list[Reply]:
    """The replies to PUTs of key, body and query, all asked for in one turn of an event loop, on one connection."""

    async def main() -> list[Reply]:
        door, told = Cloudflare(Serving(node)), []
        for key, body, query in asked:
            path = f"{BASE}/default/values/{key}".encode()
            scope: dict[str, Any] = {
                "method": "PUT", "raw_path": path, "path": path.decode(), "query_string": query.encode(), "headers": [],
                CONNECTION: {} if seen is None else seen,
            }  # fmt: skip
            told.append(asyncio.get_running_loop().create_future())
            assert door.begin(scope, body, told[-1].set_result)
        return await asyncio.gather(*told)

    return asyncio.run(main())


def test_they_are_one_transaction_while_their_keys_differ(node: Node) -> None:
    """Also with a date, and with metadata, which are of the key."""
    kv, records = node.store("default"), []
    kv.on_commit.append(lambda record, data: records.append(record))
    asked = [("a", b"1", ""), ("b", b"2", "expiration_ttl=600"), ("c", b"3", ""), ("a", b"4", "")]
    assert [reply.status for reply in puts(node, asked)] == [200] * 4
    assert [sorted({write.key for write in record.writes}) for record in records] == [["a", "b", "c"], ["a"]]
    assert (kv["a"], kv["b"], kv["c"]) == (4, 2, 3) and kv.get("b").expires is not None


def test_what_was_undone_with_another_is_done_again(node: Node) -> None:
    """One does not fit its key: the others are done again, and what their client wrote is known of each."""
    kv = node.store("default")
    kv.put("set", ["x"], strategy="set")
    kv.put("list", [1, 2])
    seen: dict[Any, Any] = {}
    replies = puts(node, [("list", b"[1, 2, 3]", ""), ("set", b"7", ""), ("b", b"[1]", "")], seen)
    assert [reply.status for reply in replies] == [200, 400, 200]
    assert (kv["list"], sorted(kv["set"]), kv["b"]) == ([1, 2, 3], ["x"], [1])
    assert {key: dict(known) for (_, key), known in seen.items()} == {
        key: kv._replica.storage.context(key) for key in ("list", "b")
    }
    assert all(reply.body.count(b"guessed") <= 1 for reply in replies)
