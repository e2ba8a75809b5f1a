"""When turns begin: one at a time, with all that gathered; nobody is forgotten."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import crdtkv
from crdtkv.doors.redis.at import Wait
from crdtkv.doors.redis.pace import Pace
from crdtkv.doors.redis.place import Place
from crdtkv.doors.redis.turn import MOST, Asked, Turn
from crdtkv.errors import StoreClosed
from crdtkv.store import door


class Desk:
    """A store that does what it is asked when the test says so."""

    def __init__(self) -> None:
        self.asked: list[asyncio.Future[None]] = []
        self.closed = False

    def _ask(self, act: Callable[[Any], Any]) -> asyncio.Future[None]:
        if self.closed:
            raise StoreClosed("the store is closed")
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not holds():
            await asyncio.sleep(0)


def asked(commands: int = 1) -> Asked:
    found: Any = Asked.__new__(Asked)
    found.commands, found.said = [None] * commands, b""
    return found  # type: ignore[no-any-return]


def run(story: Callable[[Desk, Pace, list[Turn]], Any]) -> None:
    async def main() -> None:
        desk: Any = Desk()
        done: list[Turn] = []
        await story(desk, Pace(desk, done.append), done)

    asyncio.run(main())


def test_what_comes_while_one_is_done_is_done_together() -> None:
    async def story(desk: Desk, pace: Pace, done: list[Turn]) -> None:
        pace.ask(asked())
        await until(lambda: len(desk.asked) == 1)
        for _ in range(5):
            pace.ask(asked())
        for _ in range(20):
            await asyncio.sleep(0)
        assert len(desk.asked) == 1
        desk.asked[0].set_result(None)
        await until(lambda: len(desk.asked) == 2)
        desk.asked[1].set_result(None)
        await until(lambda: len(done) == 2)
        assert [len(turn.asked) for turn in done] == [1, 5]

    run(story)


def test_who_has_just_been_answered_is_waited_for() -> None:
    async def story(desk: Desk, pace: Pace, done: list[Turn]) -> None:
        pace.ask(asked())
        await until(lambda: len(desk.asked) == 1)
        pace.ask(asked())
        pace._began -= 1000  # that took long
        desk.asked[0].set_result(None)
        await until(lambda: len(done) == 1)
        pace.ask(asked())
        await until(lambda: len(desk.asked) == 2)
        desk.asked[1].set_result(None)
        await until(lambda: len(done) == 2)
        assert len(done[1].asked) == 2

    run(story)


def test_many_commands_wait_for_nobody() -> None:
    async def story(desk: Desk, pace: Pace, done: list[Turn]) -> None:
        for _ in range(3):
            pace.ask(asked(MOST))
        assert len(desk.asked) == 3
        for future in desk.asked:
            future.set_result(None)
        await until(lambda: len(done) == 3)
        pace.ask(asked())
        await until(lambda: len(desk.asked) == 4)

    run(story)


def test_a_closed_store_is_told_to_all_who_asked() -> None:
    async def story(desk: Desk, pace: Pace, done: list[Turn]) -> None:
        desk.closed = True
        both = [asked(), asked(2)]
        for each in both:
            pace.ask(each)
        await until(lambda: bool(done))
        assert [each.said.count(b"closed") for each in both] == [1, 2]
        desk.closed = False
        pace.ask(asked())
        await until(lambda: len(desk.asked) == 1)

    run(story)


def test_who_does_not_come_is_waited_for_ever_less_often() -> None:
    async def story(desk: Desk, pace: Pace, done: list[Turn]) -> None:
        waited = []
        for i in range(20):
            pace._wanted = 3  # as many had asked before, and do not come again
            pace.ask(asked())
            await asyncio.sleep(0)  # it has looked; no timer has run out before the loop looks at its clock again
            waited.append(pace._timer is not None)
            await until(lambda: len(desk.asked) == i + 1)  # noqa: B023
            desk.asked[i].set_result(None)
            await until(lambda: len(done) == i + 1)  # noqa: B023
        # In vain at the first, then of two, of four, of eight.
        assert [i for i, each in enumerate(waited) if each] == [0, 2, 6, 14]
        pace._wanted = 1
        pace.ask(asked())
        await until(lambda: len(desk.asked) == 21)
        assert (pace._vain, pace._rests) == (0, 0)

    run(story)


def test_who_ends_to_listen_while_others_are_told_makes_nobody_be_passed_over() -> None:
    """A blocked client goes in the event loop, while a thread that has committed tells those who listen."""

    async def main() -> None:
        with crdtkv.open(colo="lhr") as store:
            place, client, heard = Place(store, lambda turn: None), cast("Any", object()), []
            asking: Any = SimpleNamespace(connection=SimpleNamespace(client=client), wait=Wait(0))
            place.parking.park(asking)
            door.listen(store, lambda: heard.append(place.parking.leave(client)))
            door.listen(store, lambda: heard.append(True))
            store["a"] = 1
            assert heard == [True, True]
            await asyncio.sleep(0)  # what it has called for is done

    asyncio.run(main())
