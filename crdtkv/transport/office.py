"""The post office of one colo: what it seals with, who it is, what it counts.

Law of this room: every letter that is refused, and every message that is dropped, is
counted by its reason. One office lives as long as one run of the process: its life is
drawn when it begins.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import count

from crdtkv.transport.letters import NOBODY, Head, Keyring, Letter, Message, Seen, Unwelcome, Why, pack, unpack
from crdtkv.transport.lives import Lives

__all__ = ["Deliver", "Office"]

Deliver = Callable[[Letter, Callable[[list[Message]], None]], None]
"""What takes a letter in, and is told once, in the event loop, what is answered to its sender."""


class Office:
    """Seals and opens letters of `colo`, which other colos reach at `url`.

    `sent` and `received`: letters, messages and bytes; `refused`: letters by reason; `dropped`:
    messages by reason.
    """

    def __init__(self, colo: str, secrets: Sequence[bytes] = (), url: str = "") -> None:
        self.colo = colo
        self.url = url
        self.secret = bool(secrets)
        self._ring = Keyring(secrets)
        self._numbers = count(1)
        self._seen = Seen(os.urandom(8))
        self._lives = Lives()
        self.sent: Counter[str] = Counter()
        self.received: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()

    @property
    def life(self) -> bytes:
        """Of this run of the process; a new one where it has to forget what it has seen."""
        return self._seen.life

    def set_secrets(self, secrets: Sequence[bytes]) -> None:
        """The first seals from now on, all open: letters under way included."""
        self._ring, self.secret = Keyring(secrets), bool(secrets)

    # out

    def request(
        self, messages: Iterable[Message], to: bytes = NOBODY, small: bool = False, tell: bool = True
    ) -> tuple[int, bytes]:  # fmt: skip
        """The number of a new letter, and the letter; `tell`: with where we are reached. O(size)."""
        messages = list(messages)
        packing, plain, payload = pack(self.colo, self.url if tell else "", messages, small)
        number = next(self._numbers)
        data = self._ring.seal(payload, False, packing, plain, to, self.life, number)
        self._count(self.sent, messages, len(data))
        return number, data

    def reply(
        self, request: Head, messages: Sequence[Message] = (), small: bool = False, tell: bool = True
    ) -> bytes:  # fmt: skip
        """The answer to a letter, which only its sender takes, and for that letter only. O(size)."""
        packing, plain, payload = pack(self.colo, self.url if tell else "", messages, small)
        data = self._ring.seal(
            payload, True, packing, plain, request.sender, self.life, request.number, key=request.key
        )
        self._count(self.sent, messages, len(data))
        return data

    # in

    def open(self, head: bytes) -> Head:
        """A head from a colo of this cluster, whichever kind. O(1). Raises Unwelcome; who gives up on it counts it."""
        return self._ring.open(head)

    def take(self, head: Head) -> None:
        """The request is new and meant for us, and from now on it is not new. O(1). Raises Unwelcome."""
        if head.reply:
            raise Unwelcome(Why.malformed, "it is a reply, and nothing was asked")
        if self._seen.full:
            self._seen = Seen(os.urandom(8))
        self._seen.take(head.to, head.sender, head.number)

    def read(self, head: Head, payload: bytes) -> Letter:
        """What it holds. O(size). Raises Unwelcome."""
        self._ring.check(head, payload)
        letter = unpack(head, payload)
        if head.sender != self.life:
            if letter.colo == self.colo:
                raise Unwelcome(Why.doubled, f"another process speaks for colo {self.colo!r}; stop one of them")
            if not self._lives.speaks(letter.colo, head.sender, time.monotonic()):
                raise Unwelcome(Why.doubled, f"two processes speak for colo {letter.colo!r}; stop the later one")
        self._count(self.received, letter.messages, head.packed)
        return letter

    @property
    def doubled(self) -> list[str]:
        """The colos that two processes speak for."""
        return self._lives.doubled(time.monotonic())

    def expect(self, head: Head, number: int) -> None:
        """The head is that of the answer to our letter of that number. O(1). Raises Unwelcome."""
        if not head.reply or head.to != self.life or head.number != number:
            raise Unwelcome(Why.replayed, "it is no answer to what was asked")

    def refuse(self, error: Unwelcome) -> None:
        """Counted."""
        self.refused[error.why.value] += 1

    @staticmethod
    def _count(where: Counter[str], messages: Sequence[Message], size: int) -> None:
        where["letters"] += 1
        where["messages"] += len(messages)
        where["bytes"] += size
