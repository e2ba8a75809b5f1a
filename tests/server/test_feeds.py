"""Feeds over HTTP: each change once, resumable, also by who reads slowly."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest

import crdtkv
from crdtkv.http import bodies
from crdtkv.node.node import Node
from crdtkv.server import hub as hubs
from crdtkv.server.feeds import _LINES
from crdtkv.server.hub import Hub, follow
from crdtkv.server.serving import Serving
from crdtkv.store import door
from crdtkv.store.watching import begin, cursor_of, read_on
from tests.server.asgi import Client
from tests.server.conftest import Start
from tests.server.test_values import problem

CHANGES = "/v1/default/changes"


def test_a_long_poll_goes_on_at_its_cursor(client: Client, node: Node) -> None:
    kv = node.store("default")
    start = client.get(f"{CHANGES}?timeout=0").json()
    assert start["changes"] == []
    kv.update({"cart/7": [1], "todo": 2})
    kv.put("cart/7", [2])
    first = client.get(f"{CHANGES}?timeout=0&limit=1&since={start['cursor']}").json()
    rest = client.get(f"{CHANGES}?timeout=0&since={first['cursor']}").json()
    told = [bodies.change_of(change) for change in (*first["changes"], *rest["changes"])]
    assert [(change.key, change.entry and change.entry.value) for change in told] == [("cart/7", [2]), ("todo", 2)]
    kv.delete("todo")
    gone = client.get(f"{CHANGES}?timeout=0&prefix=to&since={rest['cursor']}").json()["changes"]
    assert [(change["key"], change["entry"]) for change in gone] == [("todo", None)]
    assert client.get(f"{CHANGES}?timeout=0&prefix=cart/&since={rest['cursor']}").json()["changes"] == []


def test_what_was_compacted_away_is_a_reset(client: Client, tmp_path: Any) -> None:
    now = [1_800_000_000.0]
    with Node(None, colo="lhr", clock=lambda: now[0], purge_step_ms=1) as node, Client(_app(node)) as client:
        kv = node.store("default")
        kv.update({"a": 1, "b": 2})
        cursor = client.get(f"{CHANGES}?timeout=0").json()["cursor"]
        kv.delete("a")
        now[0] += 60
        assert kv.compact() > 0
        told = client.get(f"{CHANGES}?timeout=0&since={cursor}").json()["changes"]
        assert [(change["key"], change["reset"]) for change in told] == [("", True), ("b", False)]


def _app(node: Node) -> Any:
    from crdtkv.server.app import create_app

    return create_app(node)


def test_cursors_that_are_none(client: Client) -> None:
    problem(client.get(f"{CHANGES}?since=nonsense"), 400, "cursor-invalid")
    problem(client.get(f"{CHANGES}?feed=carrier-pigeon"), 400, "bad-request")
    other = crdtkv.open(colo="sin")
    other["a"] = 1
    problem(client.get(f"{CHANGES}?since={other.watch(timeout=0).cursor}"), 503, "base-not-here")


def test_server_sent_events_resume(start: Start) -> None:
    """As an EventSource does: the id of the last event in Last-Event-ID; nothing missed, nothing doubled."""
    server = start()
    put = server.http.put
    put("/v1/default/keys/a", json=0)
    seen: list[tuple[str, Any]] = []
    last = ""
    with server.http.stream("GET", f"{CHANGES}?feed=sse") as reply:
        assert reply.headers["content-type"] == "text/event-stream"
        lines = reply.iter_lines()
        last = _until_id(lines)  # where it begins
        for i in range(1, 4):
            put("/v1/default/keys/a", json=i)
            last, change = _event(lines)
            seen.append((change["key"], change["entry"]["value"]))
    put("/v1/default/keys/b", json=9)
    with server.http.stream("GET", CHANGES, headers={"accept": "text/event-stream", "last-event-id": last}) as reply:
        last, change = _event(reply.iter_lines())
        seen.append((change["key"], change["entry"]["value"]))
    assert seen == [("a", 1), ("a", 2), ("a", 3), ("b", 9)]


def _until_id(lines: Any) -> str:
    return next(line for line in lines if line.startswith("id: "))[4:]


def _event(lines: Any) -> tuple[str, Any]:
    """The next event with data, and its id."""
    id = ""
    for line in lines:
        if line.startswith("id: "):
            id = line[4:]
        if line.startswith("data: "):
            return id, json.loads(line[6:])
    raise AssertionError("the feed ended")


def test_a_quiet_feed_says_where_it_is(start: Start) -> None:
    """Lines with nothing in them, and a stop ends it at once."""
    server = start()
    with server.http.stream("GET", f"{CHANGES}?feed=ndjson&heartbeat=0.1") as reply:
        lines = reply.iter_lines()
        assert [next(lines) for _ in range(3)] == ["", "", ""]
        server.process.terminate()
        assert server.process.wait(60) == 0
        assert all(line == "" for line in lines)


# the hub, in an event loop of our own


class Feed:
    """A feed of lines, whose client reads when it is asked to; `room`: parts that may be under way to it."""

    def __init__(self, hub: Hub, prefix: str, since: str | None, room: int) -> None:
        self._parts: asyncio.Queue[bytes] = asyncio.Queue(room)
        position = begin(hub.store, since)
        self.task = asyncio.ensure_future(follow(hub, prefix, position, _LINES, 20, self._parts.put))

    async def next(self, number: int) -> list[tuple[str, Any]]:
        """So many changes."""
        found: list[tuple[str, Any]] = []
        while len(found) < number:
            async with asyncio.timeout(60):
                told = await self._parts.get()
            for line in told.splitlines():
                if line:
                    change = json.loads(line)
                    found.append((change["key"], change["entry"] and change["entry"]["value"]))
        return found

    async def end(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def _next(feed: Feed, number: int) -> list[tuple[str, Any]]:
    return await feed.next(number)


async def _following(
    serving: Serving, kv: crdtkv.Store, prefix: str = "", since: str | None = None, room: int = 0
) -> Feed:
    hub = serving.hub(kv)
    await hub.enter()
    return Feed(hub, prefix, since, room)


def _run(act: Any) -> None:
    """`act(serving, store)` in an event loop."""
    with Node(None, colo="lhr") as node:
        serving = Serving(node)

        async def main() -> None:
            await act(serving, node.store("default"))

        asyncio.run(main())
        serving.close()


def test_many_who_follow_are_told_the_same() -> None:
    """From three places in the past, and from now on; each key's last value, in one order, once."""

    async def act(serving: Serving, kv: crdtkv.Store) -> None:
        cursors = []
        for i in range(30):
            cursors.append(cursor_of(begin(kv, None)))
            kv.put(f"k{i:02}", i)
        feeds = [await _following(serving, kv, since=cursors[at]) for at in (0, 10, 29)]
        fresh = [await _following(serving, kv) for _ in range(3)]
        first = [await _next(feed, 30 - at) for feed, at in zip(feeds, (0, 10, 29), strict=True)]
        assert [len(set(told)) for told in first] == [30, 20, 1]
        waiting = [asyncio.ensure_future(_next(feed, 5)) for feed in (*feeds, *fresh)]
        for i in range(5):
            await serving.write(kv, lambda t, i=i: t.put(f"n{i}", i))
        assert all(sorted(told) == [(f"n{i}", i) for i in range(5)] for told in await asyncio.gather(*waiting))
        for feed in (*feeds, *fresh):
            await feed.end()
        assert kv._writer.on_change == [] and serving.hub(kv)._users == 0

    _run(act)


def test_each_is_told_of_his_prefix() -> None:
    async def act(serving: Serving, kv: crdtkv.Store) -> None:
        cart, todo = await _following(serving, kv, "cart/"), await _following(serving, kv, "todo")
        told = [asyncio.ensure_future(_next(feed, 1)) for feed in (cart, todo)]
        await serving.write(kv, lambda t: t.update({"cart/1": 1, "other": 0, "todo": 2}))
        assert await asyncio.gather(*told) == [[("cart/1", 1)], [("todo", 2)]]
        await cart.end()
        await todo.end()

    _run(act)


def test_who_reads_slowly_misses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """He is let go when too much waits for him, and reads on by himself."""
    monkeypatch.setattr(hubs, "_QUEUE", 300)

    async def act(serving: Serving, kv: crdtkv.Store) -> None:
        slow, quick = await _following(serving, kv, room=1), await _following(serving, kv)
        first = [asyncio.ensure_future(_next(feed, 1)) for feed in (slow, quick)]
        await serving.write(kv, lambda t: t.put("k0", 0))
        await asyncio.gather(*first)
        seen = []
        for i in range(1, 20):
            await serving.write(kv, lambda t, i=i: t.put(f"k{i}", i))
            seen += await _next(quick, 1)
        assert seen == [(f"k{i}", i) for i in range(1, 20)]
        assert sorted(await _next(slow, 19)) == sorted(seen)
        await slow.end()
        await quick.end()

    _run(act)


def test_what_was_committed_is_told_while_the_next_one_writes() -> None:
    """Who commits reads it: nobody waits for the lock that the next one has, who may wait for the disk."""

    async def act(serving: Serving, kv: crdtkv.Store) -> None:
        feed, told = await _following(serving, kv), threading.Event()
        await asyncio.sleep(0)

        def write() -> bool:
            with door.holding(kv):
                kv.put("a", 1)
                return told.wait(60)

        writing = asyncio.ensure_future(serving.slow(write))
        assert await _next(feed, 1) == [("a", 1)]
        told.set()
        assert await writing
        await feed.end()

    _run(act)


@pytest.mark.parametrize(("few", "page", "batches"), [(100, 1_000, 16), (3, 5, 16), (100, 1_000, 2), (1, 1, 1)])
def test_many_keys_of_one_and_many_writes_at_once_are_told_each_once(
    few: int, page: int, batches: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As much as is read by who commits it, and the rest; in the order of the feed."""
    for name, value in {"_FEW": few, "_PAGE": page, "_BATCHES": batches}.items():
        monkeypatch.setattr(hubs, name, value)

    async def act(serving: Serving, kv: crdtkv.Store) -> None:
        feed = await _following(serving, kv)
        kv.update({f"a{i:02}": i for i in range(20)})
        for i in range(20):
            kv.put(f"b{i:02}", i)
        assert await _next(feed, 40) == [(f"{c}{i:02}", i) for c in "ab" for i in range(20)]
        await feed.end()

    _run(act)


def test_a_write_is_committed_whatever_becomes_of_its_feed(monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails while it is read is read again, in a thread."""

    async def act(serving: Serving, kv: crdtkv.Store) -> None:
        feed, failing = await _following(serving, kv), [True]

        def read(*given: Any) -> Any:
            if failing and failing.pop():
                raise RuntimeError("a bug")
            return read_on(*given)

        monkeypatch.setattr(hubs, "read_on", read)
        await serving.write(kv, lambda t: t.put("a", 1))
        assert await _next(feed, 1) == [("a", 1)] and not failing
        await feed.end()

    _run(act)


def test_a_namespace_that_is_deleted_ends_its_feeds() -> None:
    async def act(serving: Serving, kv: crdtkv.Store) -> None:
        serving.node.create("shop")
        shop = serving.node.store("shop")
        feed = await _following(serving, shop)
        await serving.slow(serving.node.delete, "shop")
        async with asyncio.timeout(60):
            await feed.task

    _run(act)


def test_there_is_a_limit(node: Node) -> None:
    from crdtkv.server.app import create_app
    from crdtkv.server.limits import Limits

    with Client(create_app(node, Limits(subscriptions=0))) as client:
        reply = client.get(CHANGES)
        problem(reply, 429, "too-many-requests")
        assert reply.headers["retry-after"]


def test_the_hub_of_another_loop_is_another(node: Node) -> None:
    serving = Serving(node)

    async def hub() -> Hub:
        return serving.hub(node.store("default"))

    assert asyncio.run(hub()) is not asyncio.run(hub())
