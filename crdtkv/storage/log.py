"""SQLite's log (`-wal`), looked at after a crash: does it break off where it was written last, or before?

SQLite takes a frame that does not fit for the end of the log. After a power cut it is;
but where commits follow it, which are written after it was synced, its bits have
changed by themselves, and what follows was acknowledged. (https://sqlite.org/fileformat2.html, 4)
"""

from __future__ import annotations

import struct
from pathlib import Path

__all__ = ["commits_after_break"]

_HEADER, _FRAME = 32, 24
_LITTLE, _BIG = 0x377F0682, 0x377F0683


def commits_after_break(log: Path, sound: int) -> int | None:
    """The first frame after the `sound` ones behind which another commit goes on; None: it ends there. O(log)."""
    with log.open("rb") as file:
        data = file.read()
    if len(data) < _HEADER:
        return None
    magic, _, page, _, *salts = struct.unpack(">6I", data[:24])
    if magic not in (_LITTLE, _BIG) or not page:
        return None
    size = _FRAME + page
    for at in range(_HEADER + sound * size, len(data) - 2 * size + 1, size):
        one, other = data[at : at + size], data[at + size : at + 2 * size]
        if _ends_commit(one, salts) and _follows(other, one, salts, magic):
            return (at - _HEADER) // size + 1
    return None


def _ends_commit(frame: bytes, salts: list[int]) -> bool:
    _, pages, *found = struct.unpack(">4I", frame[:16])
    return bool(pages) and found == salts


def _follows(frame: bytes, before: bytes, salts: list[int], magic: int) -> bool:
    """Whether its checksum goes on from that of the frame before it."""
    one, other = struct.unpack(">2I", before[16:24])
    words = struct.unpack(f"{'<' if magic == _LITTLE else '>'}{(len(frame) - 16) // 4}I", frame[:8] + frame[_FRAME:])
    for first, second in zip(words[::2], words[1::2], strict=True):
        one = (one + first + other) & 0xFFFFFFFF
        other = (other + second + one) & 0xFFFFFFFF
    return [*struct.unpack(">2I", frame[8:16])] == salts and (one, other) == struct.unpack(">2I", frame[16:24])
