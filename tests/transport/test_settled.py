"""What a letter has asked is waited for, but not for ever."""

from __future__ import annotations

import asyncio

import pytest

from crdtkv.transport import settled as room
from crdtkv.transport.settled import Settled


def test_once_all_are_done_and_at_once_where_they_are() -> None:
    async def story() -> None:
        told: list[str] = []
        loop = asyncio.get_running_loop()
        one, other = loop.create_future(), loop.create_future()
        Settled([], lambda: told.append("none"))
        Settled([one, other], lambda: told.append("both"))
        one.set_result([])
        Settled([one], lambda: told.append("done"))
        await asyncio.sleep(0)
        assert told == ["none", "done"]
        other.set_result([])
        await asyncio.sleep(0)
        assert told == ["none", "done", "both"]

    asyncio.run(story())


def test_who_takes_too_long_is_not_waited_for_and_it_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "ANSWER_S", 0)

    async def story() -> None:
        late, told = asyncio.get_running_loop().create_future(), asyncio.Event()
        count: list[int] = []
        Settled([late], lambda: (count.append(1), told.set())[1])
        async with asyncio.timeout(60):
            await told.wait()
        late.set_result([])
        await asyncio.sleep(0)
        assert count == [1]

    asyncio.run(story())
