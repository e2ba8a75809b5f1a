"""What came of something large that is not taken in before all of it is here: kept, so that it need not come again.

Law of this room: it is a help and no promise. What of it cannot be written, or read back as it was
written, is not there; nothing waits for the disk.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from struct import Struct

import xxhash

__all__ = ["Pile"]

_HEAD = Struct("<II")
"""Length and checksum."""


class Pile:
    """Pieces, in a file or in memory.

    >>> pile = Pile()
    >>> pile.begin(b"who sends it"); pile.put(b"one"); list(pile.read())
    [b'who sends it', b'one']
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._pieces: list[bytes] = []

    def begin(self, first: bytes) -> None:
        """That, and nothing else. O(size)."""
        self.clear()
        self.put(first)

    def put(self, piece: bytes) -> None:
        """One more. O(size)."""
        if self._path is None:
            self._pieces.append(piece)
            return
        with suppress(OSError), self._path.open("ab") as file:
            file.write(_HEAD.pack(len(piece), xxhash.xxh32_intdigest(piece)) + piece)

    def read(self) -> Iterator[bytes]:
        """All of them in order, as far as they are as they were put."""
        if self._path is None:
            yield from self._pieces
            return
        with suppress(OSError), self._path.open("rb") as file:
            while len(head := file.read(_HEAD.size)) == _HEAD.size:
                length, check = _HEAD.unpack(head)
                piece = file.read(length)
                if len(piece) != length or xxhash.xxh32_intdigest(piece) != check:
                    return
                yield piece

    def clear(self) -> None:
        """None is left. Idempotent."""
        self._pieces.clear()
        if self._path is not None:
            with suppress(OSError):
                self._path.unlink(missing_ok=True)
