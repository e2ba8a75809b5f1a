"""The door, over a real socket: what is no letter for it, or came before, changes nothing and is counted."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

import httpx
import pytest

from crdtkv.transport import door as door_room
from crdtkv.transport.letters import HEAD_SIZE, Keyring, Why
from crdtkv.transport.office import Office
from tests.transport.colos import SECRET, Colo, colos

Post = Callable[[bytes], Awaitable[tuple[int, bytes]]]


def at_the_door(story: Callable[[Colo, Office, Post], Coroutine[Any, Any, None]]) -> None:
    """The story's colo, an office that knows the secret, and a way to post bytes."""

    async def run() -> None:
        async with colos("lhr") as (lhr,), httpx.AsyncClient() as session:

            async def post(data: bytes) -> tuple[int, bytes]:
                response = await session.post(f"{lhr.url}/gossip/v1", content=data)
                return response.status_code, response.content

            await story(lhr, Office("sin", SECRET, "http://127.0.0.1:1"), post)

    asyncio.run(run())


def letter(sin: Office, lhr: Colo, *messages: tuple[str, bytes]) -> bytes:
    return sin.request(messages, lhr.transport.office.life)[1]


def test_a_letter_is_answered_by_one_that_only_its_sender_takes() -> None:
    async def story(lhr: Colo, sin: Office, post: Post) -> None:
        number, data = sin.request([], lhr.transport.office.life)
        status, answer = await post(data)
        assert status == 200
        head = sin.open(answer[:HEAD_SIZE])
        sin.expect(head, number)
        assert sin.read(head, answer[HEAD_SIZE:])[:2] == ("lhr", lhr.url)
        with pytest.raises(Exception, match="no answer to what was asked"):
            sin.expect(head, number + 1)
        with pytest.raises(Exception, match="no answer to what was asked"):
            Office("sin", SECRET).expect(head, number)

    at_the_door(story)


def test_who_does_not_know_its_life_is_told_it_and_is_not_counted() -> None:
    async def story(lhr: Colo, sin: Office, post: Post) -> None:
        number, data = sin.request([("~default", b"message")])
        status, answer = await post(data)
        head = sin.open(answer[:HEAD_SIZE])
        sin.expect(head, number)
        assert (status, head.sender) == (409, lhr.transport.office.life)
        assert lhr.transport.office.received["letters"] == 0
        assert not lhr.transport.office.refused

    at_the_door(story)


def _flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


@pytest.mark.parametrize(
    ("spoil", "status", "why"),
    [
        (lambda d: b"hello", 400, Why.malformed),
        (lambda d: b"", 400, Why.truncated),
        (lambda d: _flip(d, 3), 400, Why.version),
        (lambda d: _flip(d, 7), 401, Why.cluster),
        (lambda d: _flip(d, HEAD_SIZE - 1), 401, Why.tampered),
        (lambda d: _flip(d, HEAD_SIZE - 40), 401, Why.tampered),
        (lambda d: _flip(d, len(d) - 1), 401, Why.tampered),
        (lambda d: d[: HEAD_SIZE - 1], 400, Why.truncated),
        (lambda d: d[:-1], 400, Why.truncated),
        (lambda d: d + b"x", 413, Why.oversized),
    ],
)  # fmt: skip
def test_what_is_no_letter_of_ours_is_refused(spoil: Callable[[bytes], bytes], status: int, why: Why) -> None:
    async def story(lhr: Colo, sin: Office, post: Post) -> None:
        before = (lhr.store().vector, lhr.node.system.vector, lhr.store().digest())
        said, words = await post(spoil(letter(sin, lhr, ("~default", b"message"))))
        assert (said, lhr.transport.office.refused) == (status, {why.value: 1})
        assert lhr.transport.office.received["messages"] == 0
        assert "sin" not in lhr.transport._links
        assert (lhr.store().vector, lhr.node.system.vector, lhr.store().digest()) == before
        assert lhr.url.encode() not in words  # a stranger is told nothing

    at_the_door(story)


def test_a_letter_that_comes_twice_is_taken_once() -> None:
    async def story(lhr: Colo, sin: Office, post: Post) -> None:
        data = letter(sin, lhr)
        assert [(await post(data))[0] for _ in range(3)] == [200, 409, 409]
        assert lhr.transport.office.refused == {"replayed": 2}
        assert lhr.transport.office.received["letters"] == 1

    at_the_door(story)


def test_a_letter_to_an_earlier_life_is_refused() -> None:
    async def story(lhr: Colo, sin: Office, post: Post) -> None:
        data = sin.request([], os.urandom(8))[1]
        assert (await post(data))[0] == 409
        assert lhr.transport.office.refused == {"stale": 1}
        assert lhr.transport.office.received["letters"] == 0

    at_the_door(story)


def test_a_reply_is_no_letter() -> None:
    async def story(lhr: Colo, sin: Office, post: Post) -> None:
        data = Keyring(SECRET).seal(b"", True, 0, 0, lhr.transport.office.life, sin.life, 1)
        assert (await post(data))[0] == 400
        assert lhr.transport.office.refused == {"malformed": 1}

    at_the_door(story)


def test_of_a_stranger_no_more_than_a_head_is_read() -> None:
    """It may say that it sends a gigabyte: it is refused before it has."""

    async def story() -> None:
        read = 0

        async def receive() -> dict[str, Any]:
            nonlocal read
            read += 1
            return {"type": "http.request", "body": bytes(100), "more_body": True}

        door = door_room.Door(Office("lhr", SECRET), _nobody)
        status, _, _ = await door.answer({"type": "http", "method": "POST"}, receive)
        assert (status, read) == (400, -(-HEAD_SIZE // 100))

    asyncio.run(story())


async def _nobody(letter: object) -> list[tuple[str, bytes]]:
    raise AssertionError("nothing is to be delivered")


def test_who_goes_away_in_the_middle_is_forgotten() -> None:
    async def story() -> None:
        events = [{"type": "http.request", "body": b"CKG", "more_body": True}, {"type": "http.disconnect"}]
        office = Office("lhr", SECRET)
        door = door_room.Door(office, _nobody)

        async def receive() -> dict[str, Any]:
            return events.pop(0)

        assert await door.answer({"type": "http", "method": "POST"}, receive)
        assert door._open == 0
        assert not office.refused and not office.received

    asyncio.run(story())


def test_a_closed_door_and_too_many_letters_are_told_to_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    async def story(lhr: Colo, sin: Office, post: Post) -> None:
        monkeypatch.setattr(door_room, "MAX_OPEN", 0)
        assert (await post(letter(sin, lhr)))[0] == 503
        monkeypatch.setattr(door_room, "MAX_OPEN", 1)
        assert (await post(letter(sin, lhr)))[0] == 200
        lhr.transport.door.closed = True
        assert (await post(letter(sin, lhr)))[0] == 503

    at_the_door(story)


def test_another_method_is_none() -> None:
    async def run() -> None:
        async with colos("lhr") as (lhr,), httpx.AsyncClient() as session:
            assert (await session.get(f"{lhr.url}/gossip/v1")).status_code == 405

    asyncio.run(run())


def test_a_message_of_nobody_changes_nothing() -> None:
    """A colo of the cluster that speaks of a namespace that is not here, or nonsense of one that is."""

    async def story(lhr: Colo, sin: Office, post: Post) -> None:
        before = lhr.store().vector
        assert (await post(letter(sin, lhr, ("~none", b"x"), ("~default", b"x"))))[0] == 200
        assert lhr.transport.office.dropped["namespace not here"] == 1
        assert lhr.transport._actors["~default"].status()["counts"]["refused message-invalid"] == 1
        assert lhr.store().vector == before

    at_the_door(story)


