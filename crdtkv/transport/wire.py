"""Letters to one other colo, and its answers.

Law of this room: a letter that was lost is sent once more, where its connection had gone
cold or the other begins a new life; what is no answer to it is refused and counted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache, partial
from typing import TypeVar
from urllib.parse import urlsplit

from crdtkv.transport.calls import Broken, Calls
from crdtkv.transport.letters import HEAD_SIZE, NOBODY, Head, Letter, Message, Unwelcome, Why
from crdtkv.transport.office import Office

__all__ = ["LARGE", "MAX_URLS", "PATH", "Unreached", "Wire", "aside"]

PATH = "/gossip/v1"
"""Where a colo takes letters, below its URL."""

MAX_URLS = 4
"""Addresses of one colo that are tried in turn; a new one takes the place of the last."""


LARGE = 1 << 18
"""Bytes: what is larger is sealed and opened in a thread, so that the event loop does not wait for it."""

_T = TypeVar("_T")


class Unreached(Exception):
    """The colo did not answer, or not as one of this cluster does. `slow`: it took its time, so once is enough."""

    def __init__(self, words: str, slow: bool = False) -> None:
        super().__init__(words)
        self.slow = slow


class Wire:
    """To the colo at `urls`, the likeliest first. `colo`: who should answer there; "": whoever does. `calls`: by
    which it is called now.
    """

    def __init__(self, office: Office, calls: Callable[[], Calls], urls: Iterable[str], colo: str = "") -> None:
        self._colo = colo
        self._office = office
        self._calls = calls
        self._life = NOBODY
        self._told = (NOBODY, "")
        """Of which of its lives it is known that it knows where we are reached, and where."""
        self.urls = list(dict.fromkeys(urls))

    def learn(self, url: str) -> None:
        """The colo is reached there, too: tried first from now on, if that is news."""
        if url and url not in self.urls:
            self.urls = [url, *self.urls][:MAX_URLS]

    async def exchange(self, messages: Sequence[Message]) -> Letter:
        """The answer to a letter. Tried twice: the other has begun a new life, or the connection had gone cold."""
        first: Unreached | None = None
        for _ in range(2):
            try:
                letter = await self._once(messages)
            except Unreached as error:
                self.urls = [*self.urls[1:], *self.urls[:1]]
                if first is not None or error.slow:
                    raise
                first = error
                continue
            if letter is not None:
                return letter
        raise first or Unreached("it begins a new life each time")

    async def _once(self, messages: Sequence[Message]) -> Letter | None:
        """The answer; None where it is for another life than the other's now, which is known from then on."""
        url, office = self.urls[0], self._office
        size = sum(len(data) for _, data in messages)
        life, told = self._life, office.url
        tell = self._told != (life, told)
        request = partial(office.request, messages, life, small=not _is_near(url), tell=tell)
        number, data = await aside(size, request)

        heads: list[Head] = []

        def size_of(first: bytes) -> int:
            heads.append(self._expected(first, number))
            return HEAD_SIZE + heads[0].packed

        try:
            answer = await self._calls().post(url.rstrip("/") + PATH, data, HEAD_SIZE, size_of)
            if answer.words:
                words = answer.body.decode(errors="replace")
                raise Unreached(f"{url} answers {answer.status}: {words}")
            head = heads[0] if heads else self._expected(answer.body, number)
            self._life = head.sender
            letter = await aside(head.plain, lambda: office.read(head, answer.body[HEAD_SIZE:]))
        except Unwelcome as error:
            office.refuse(error)
            raise Unreached(f"{url} answers what is not taken: {error}") from None
        except (OSError, TimeoutError, ValueError) as error:
            if isinstance(error, Broken) and error.begun:
                office.refuse(Unwelcome(Why.truncated, ""))
            slow = isinstance(error, TimeoutError)
            raise Unreached(f"{url} is not reached: {type(error).__name__} {error}", slow) from None
        if self._colo and letter.colo != self._colo:
            self.urls = [other for other in self.urls if other != url] or [url]
            raise Unreached(f"at {url} {letter.colo!r} answers, not {self._colo!r}")
        if answer.status != 200:
            return None
        self._told = (life, told)
        return letter

    def _expected(self, first: bytes, number: int) -> Head:
        """The head of the answer to our letter of that number. Raises Unwelcome."""
        head = self._office.open(first)
        self._office.expect(head, number)
        return head


async def aside(size: int, work: Callable[[], _T]) -> _T:
    """What `work` gives; done in a thread where so many bytes are large."""
    return await asyncio.to_thread(work) if size > LARGE else work()


@lru_cache(maxsize=1_024)
def _is_near(url: str) -> bool:
    host = urlsplit(url).hostname or ""
    return host == "localhost" or host.startswith("127.") or host == "::1"
