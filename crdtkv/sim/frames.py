"""Messages, each understood once: many colos are sent the same bytes.

Law of this room: what is shared between colos is of parts that nobody can change.
"""

from __future__ import annotations

from crdtkv.gossip.messages import Frame, Heard, Push, decode

__all__ = ["Frames"]

_SHARED = (Push, Heard)
"""Text, numbers and bytes, in tuples."""
_MOST, _SMALL = 4_096, 65_536
"""So many, of so many bytes at the most, are remembered."""


class Frames:
    """How the colos of a world read what they are sent."""

    def __init__(self) -> None:
        self._known: dict[bytes, Frame] = {}

    def read(self, data: bytes, most: int) -> Frame:
        """The frame in `data`. Raises what `decode` does."""
        known = self._known
        found = known.get(data)
        if found is None:
            found = decode(data, most)
            if len(data) <= _SMALL and isinstance(found.message, _SHARED):
                if len(known) >= _MOST:
                    known.clear()
                known[data] = found
        return found
