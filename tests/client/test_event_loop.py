"""The client for an event loop: the same calls, awaited."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

import crdtkv
from crdtkv.client.waiting import AsyncClient
from crdtkv.errors import BadRequest, PreconditionFailed, StoreClosed, StrategyMismatch
from tests.client.conftest import Loop

Story = Callable[[AsyncClient], Awaitable[None]]
Play = Callable[[Story], None]


@pytest.fixture
def play(app: Any, loop: Loop) -> Play:
    """Runs a story with a client of the colo, in the loop that serves it."""

    def run(story: Story) -> None:
        async def main() -> None:
            async with crdtkv.aconnect("http://lhr", transport=httpx.ASGITransport(app)) as kv:
                await story(kv)

        loop.begin(main()).result()

    return run


def test_keys(play: Play) -> None:
    async def story(kv: AsyncClient) -> None:
        made = await kv.put("todo", [1, 2])
        assert made.value == [1, 2] and (await kv.get("todo")).version == made.version  # type: ignore[union-attr]
        assert await kv.get("nothing") is None
        await kv.put("page", {"a": 1})
        assert (await kv.patch("page", {"b": 2})).value == {"a": 1, "b": 2}
        assert [key async for key in kv.keys("")] == ["page", "todo"] and await kv.count() == 2
        assert [entry.value for entry in await kv.scan("t")] == [[1, 2]]
        assert (await kv.get_many(["todo", "x"]))["x"] is None
        [before, *_] = [r.version for r in await kv.history("page")]
        assert (await kv.diff("page", before))[0]["path"] == "/b"
        assert (await kv.revert("page", before)).value == {"a": 1}
        assert {part.path for part in await kv.blame("page")} == {"/a"}
        await kv.delete("todo")
        assert await kv.get("todo") is None

    play(story)


def test_handles(play: Play) -> None:
    async def story(kv: AsyncClient) -> None:
        assert (await kv.counter("n").add(3)).value == 3 and await kv.counter("n").value() == 3
        await kv.set("tags").add("b", "a")
        assert await kv.set("tags").value() == ["a", "b"]
        assert await kv.set("tags").has("a") and not await kv.set("tags").has("c")
        await kv.list("l").append(1, 2)
        await kv.list("l").remove(0)
        await kv.log("events").append("in")
        assert [word for _, word in await kv.log("events").range()] == ["in"]
        await kv.flag("on").enable()
        assert await kv.flag("on").value() is True and await kv.list("nothing").value() == []
        doc = kv.json("doc")
        await doc.set_at("/a/l", [1])
        await doc.list("/a/l").append(2)
        assert await doc.get("/a/l") == [1, 2] and await kv.json("doc").value() == {"a": {"l": [1, 2]}}
        with pytest.raises(StrategyMismatch):
            await kv.list("tags").value()

    play(story)


def test_what_is_in_a_set_is_told_as_a_store_tells_it(play: Play) -> None:
    """Of bytes as of a blob, of what is no value that it is not in it; and nothing is taken for its JSON."""
    odd = [{1: 2}, {"1": 2}, b"x", "\ud800", object(), float("nan"), 10**5000]

    async def story(kv: AsyncClient) -> None:
        tags = crdtkv.open(colo="lhr").set("tags")
        for each in ("a", b"x", {"1": 2}):
            tags.add(each)
            await kv.set("tags").add(each)
        assert [await kv.set("tags").has(each) for each in odd] == [each in tags for each in odd]

    play(story)


def test_a_transaction_reads_what_it_wrote(play: Play) -> None:
    async def story(kv: AsyncClient) -> None:
        async with kv.transaction() as t:
            t.put("a", 1)
            t.counter("n").add(2)
            found = [await t.get("a"), await t.get("n"), await t.get("nowhere")]
            assert [entry and entry.value for entry in found] == [1, 2, None]
            assert await kv.get("a") is None
        assert (await kv.get("n")).value == 2  # type: ignore[union-attr]

    play(story)


def test_a_transaction_is_sent_at_its_end(play: Play) -> None:
    async def story(kv: AsyncClient) -> None:
        await kv.put("n", 1)
        async with kv.transaction() as t:
            entry = await t.get("n")
            assert entry is not None
            made = t.put("n", entry.value + 1)
            t.counter("c").add(1)
        assert made.version == (await kv.get("n")).version  # type: ignore[union-attr]
        with pytest.raises(PreconditionFailed):
            async with kv.transaction() as t:
                await t.get("n")
                await kv.put("n", 7)
                t.put("c", 0)
        with pytest.raises(ZeroDivisionError):
            async with kv.transaction() as t:
                t.put("never", 1)
                raise ZeroDivisionError
        assert await kv.get("never") is None and await kv.counter("c").value() == 1

    play(story)


def test_many_at_once_share_one_client(play: Play) -> None:
    async def story(kv: AsyncClient) -> None:
        await asyncio.gather(*(kv.counter("n").add(1) for _ in range(50)), *(kv.put(f"k{i}", i) for i in range(50)))
        assert await kv.counter("n").value() == 50 and await kv.count() == 51

    play(story)


def test_a_value_that_nobody_could_wait_for_is_asked_for(play: Play) -> None:
    async def story(kv: AsyncClient) -> None:
        await kv.put("a", 1)
        [lost] = [*await kv.conflicts(), None][:1]
        assert lost is None
        await kv.close()
        with pytest.raises(StoreClosed):
            await kv.get("a")

    play(story)


def test_changes_are_told_as_they_come(play: Play) -> None:
    async def story(kv: AsyncClient) -> None:
        feed = await kv.watch("cart/", timeout=0)
        await kv.put("todo", 1)
        await kv.put("cart/7", 1)
        assert [(change.key, change.entry and change.entry.value) async for change in feed] == [("cart/7", 1)]
        await kv.delete("cart/7")
        again = await kv.watch("cart/", since=feed.cursor, timeout=0)
        assert [(change.key, change.entry) async for change in again] == [("cart/7", None)]
        waiting = await kv.watch()

        async def first() -> str:
            async for change in waiting:
                return change.key
            raise AssertionError("it ends only when it is closed")

        told = asyncio.create_task(first())
        await kv.put("later", 1)
        assert await told == "later"

    play(story)


def test_rules(play: Play) -> None:
    async def story(kv: AsyncClient) -> None:
        rule = await kv.rules.set("tag/*", "set", wins="remove")
        assert rule.strategy == "set?wins=remove" and [r.pattern for r in await kv.rules.all()] == ["tag/*"]
        assert (await kv.put("tag/1", ["b", "a"])).value == ["a", "b"]
        assert (await kv.rules.of("tag/2")).strategy == "set?wins=remove"
        await kv.rules.remove("tag/*")
        assert [m.key for m in await kv.rules.migrate(dry_run=True)] == ["tag/1"]
        with pytest.raises(BadRequest):
            await kv.rules.remove("tag/*")

    play(story)
