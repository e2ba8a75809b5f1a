"""A link: what waits has a bound, what cannot go is dropped and counted, and nobody is asked too often."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any

import pytest

from crdtkv.transport import link as room
from crdtkv.transport.letters import Letter, Message
from crdtkv.transport.link import BACKOFF_MOST_S, Link, backoff
from crdtkv.transport.office import Office
from crdtkv.transport.wire import Unreached


class Hand:
    """In the place of a wire: each letter waits for what the test says becomes of it."""

    def __init__(self) -> None:
        self.urls = ["http://there"]
        self.flights: list[tuple[list[Message], asyncio.Future[Letter]]] = []

    async def exchange(self, messages: Sequence[Message]) -> Letter:
        future = asyncio.get_running_loop().create_future()
        self.flights.append((list(messages), future))
        return await future  # type: ignore[no-any-return]

    def learn(self, url: str) -> None:
        self.urls.insert(0, url)

    def answer(self, n: int) -> None:
        self.flights[n][1].set_result(Letter("sin", "", ()))

    def fail(self, n: int) -> None:
        self.flights[n][1].set_exception(Unreached("away"))


def on_a_link(story: Callable[[Link, Hand, Office], Coroutine[Any, Any, None]]) -> None:
    async def run() -> None:
        hand, office = Hand(), Office("lhr")
        link = Link(office, hand, _nothing, Random(1))  # type: ignore[arg-type]
        try:
            await story(link, hand, office)
        finally:
            await link.close()

    asyncio.run(run())


async def _nothing(letter: Letter) -> None: ...


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0)


def messages(*n: int) -> list[Message]:
    return [("~default", b"%d" % i) for i in n]


def test_what_comes_while_one_is_under_way_goes_together() -> None:
    async def story(link: Link, hand: Hand, office: Office) -> None:
        link.put(messages(1))
        await until(lambda: hand.flights)
        for i in range(2, 6):
            link.put(messages(i))
        hand.answer(0)
        await until(lambda: len(hand.flights) == 2)
        assert hand.flights[1][0] == messages(2, 3, 4, 5)
        hand.answer(1)
        await link.flushed()

    on_a_link(story)


def test_where_answers_take_long_some_more_fly_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "FLY_AFTER_S", 0)

    async def story(link: Link, hand: Hand, office: Office) -> None:
        for i in range(10):
            link.put(messages(i))
            for _ in range(20):
                await asyncio.sleep(0)
        assert len(hand.flights) == room.MAX_FLYING
        hand.answer(2)
        await until(lambda: len(hand.flights) == room.MAX_FLYING + 1)
        assert [m for flight, _ in hand.flights for m in flight] == messages(*range(10))

    on_a_link(story)


def test_a_letter_is_not_larger_than_it_has_to_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_BATCH", 10)

    async def story(link: Link, hand: Hand, office: Office) -> None:
        link.put([("~a", b"x" * 4)] * 3 + [("~a", b"y" * 100)])
        assert [len(link.take(10)) for _ in range(3)] == [2, 1, 1]
        assert link.take(10) == []

    on_a_link(story)


def test_the_queue_has_a_bound_and_the_oldest_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_QUEUE", 3)
    monkeypatch.setattr(room, "MAX_QUEUED", 100)

    async def story(link: Link, hand: Hand, office: Office) -> None:
        link.put(messages(*range(5)))
        assert (office.dropped["queue full"], link.queued) == (2, 3)
        link.put([("~default", b"x" * 1_000)])  # larger than all may be: it goes, alone
        assert (office.dropped["queue full"], link.queued) == (5, 1)
        assert link.take() == [("~default", b"x" * 1_000)]

    on_a_link(story)


def test_what_cannot_go_is_dropped_and_what_comes_later_is_tried() -> None:
    async def story(link: Link, hand: Hand, office: Office) -> None:
        link.put(messages(1))
        await until(lambda: hand.flights)
        link.put(messages(2, 3))
        hand.fail(0)
        await until(lambda: link.failures)
        assert (office.dropped["unreached"], link.queued, link.words) == (3, 0, "away")
        await link.flushed()
        link.put(messages(4))
        await until(lambda: len(hand.flights) == 2)
        assert hand.flights[1][0] == messages(4)
        hand.answer(1)
        await until(lambda: not link.failures)

    on_a_link(story)


def test_one_without_an_address_keeps_what_waits_for_an_answer_to_take() -> None:
    async def story(link: Link, hand: Hand, office: Office) -> None:
        hand.urls = []
        link.put(messages(1))
        for _ in range(20):
            await asyncio.sleep(0)
        assert not hand.flights
        assert link.take() == messages(1)
        link.put(messages(2))
        link.learn("http://there")
        await until(lambda: hand.flights)

    on_a_link(story)


def test_it_waits_ever_longer_up_to_a_bound_and_never_all_at_once() -> None:
    dice = Random(1)
    waits = [[backoff(n, dice) for _ in range(50)] for n in range(1, 30)]
    assert all(len(set(each)) > 40 for each in waits)
    assert all(max(each) <= BACKOFF_MOST_S and min(each) >= BACKOFF_MOST_S / 2 for each in waits[6:])
    assert max(waits[0]) <= min(waits[2])
