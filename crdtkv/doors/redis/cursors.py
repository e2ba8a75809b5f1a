"""Numbers that stand for the keys at which pages of SCAN begin."""

from __future__ import annotations

import random
import threading
from collections import OrderedDict

__all__ = ["MAX_CURSORS", "Cursors"]

MAX_CURSORS = 10_000


class Cursors:
    """Of one door: the last of them are known. One that it did not give, or has forgotten, is none."""

    def __init__(self) -> None:
        self._keys: OrderedDict[int, str] = OrderedDict()
        self._numbers: dict[str, int] = {}
        self._lock = threading.Lock()
        # By chance: what another colo gave, or this one before it was started anew, is not taken for one of these.
        self._next = random.getrandbits(40) << 16

    def note(self, key: str) -> int:
        """The number for that key. O(1)."""
        with self._lock:
            number = self._numbers.get(key)
            if number is None:
                self._next += 1
                number = self._numbers[key] = self._next
            self._keys[number] = key
            self._keys.move_to_end(number)
            if len(self._keys) > MAX_CURSORS:
                _, forgotten = self._keys.popitem(last=False)
                del self._numbers[forgotten]
            return number

    def get(self, number: int) -> str | None:
        """The key of a number; None if it is not known. O(1)."""
        with self._lock:
            return self._keys.get(number)
