"""What is published at one colo, to all others: at most once, and not at all to one that is not reached just then."""

from __future__ import annotations

import os
from itertools import count
from typing import TYPE_CHECKING

import msgpack

from crdtkv.doors.redis.board import Board
from crdtkv.transport.letters import Seen, Unwelcome

if TYPE_CHECKING:
    from crdtkv.transport.transport import Transport

__all__ = ["WORD", "Relay"]

WORD = "!redis"
"""Under which it goes between colos. A release that knows it not drops it."""
_MOST = 1 << 20
"""Bytes of a message that goes to other colos."""
_ALL = b"all here"


class Relay:
    """Of one door; `carrier`: None where there are no other colos."""

    def __init__(self, board: Board, carrier: Transport | None) -> None:
        self._board = board
        self._carrier = carrier
        self._life = os.urandom(8)
        self._numbers = count(1)
        # A letter that was sent twice, since nobody knew whether it had come, is told once.
        self._seen = Seen(_ALL)
        if carrier is not None:
            carrier.heralds[WORD] = self._take

    def tell(self, channel: bytes, message: bytes, shard: bool) -> None:
        """Others are told, in the event loop."""
        if self._carrier is not None and len(channel) + len(message) <= _MOST:
            told = msgpack.packb([self._life, next(self._numbers), shard, channel, message])
            self._carrier.tell_all(WORD, told)

    def _take(self, colo: str, data: bytes) -> None:
        """Another colo tells that."""
        try:
            life, number, shard, channel, message, *_ = msgpack.unpackb(data)
            if not (isinstance(life, bytes) and isinstance(number, int) and number > 0):
                return
            if not (isinstance(channel, bytes) and isinstance(message, bytes)):
                return
            if self._seen.full:
                self._seen = Seen(_ALL)
            self._seen.take(_ALL, life, number)
        except (ValueError, TypeError, msgpack.UnpackException, Unwelcome):
            return  # what is no message, or came before
        self._board.tell(channel, message, bool(shard))

    def close(self) -> None:
        """Nothing is taken any more. Idempotent."""
        if self._carrier is not None:
            self._carrier.heralds.pop(WORD, None)
