"""Keys of one value, read at a glance: one cell, at the root of its strategy, of one sibling.

Most keys of most stores are that, and need nothing of what the others need: no tree, no
choice between strategies, no order among siblings.

Law of this room: it says what the definition says (`roots.pick` of `roots.roots_in`, and
what that strategy reads), or it says nothing; a test holds the two against each other.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from crdtkv.core import values
from crdtkv.core.cells import Cell, is_live
from crdtkv.core.paths import STRATEGY, first
from crdtkv.core.tree import Cells
from crdtkv.errors import CrdtkvError
from crdtkv.strategies.base import Strategy
from crdtkv.strategies.opaque import Opaque
from crdtkv.strategies.roots import TTL_PATH, known_strategy, root_path

__all__ = ["Lone", "atom_of", "lone", "plainly_shown"]

_ATOMS: Final = frozenset({"json", "lww", "max", "min", "mv"})
"""Where one value alone reads as itself. Not the strategies of others, whatever they derive from."""

_DOCUMENT: Final = root_path("json")


_CONTAINERS: Final = frozenset((*range(0x80, 0xA0), 0xDC, 0xDD, 0xDE, 0xDF))
"""The first bytes of packed arrays and maps."""

Lone = tuple[Strategy, bytes, Cell, Any]
"""The strategy that a key is read by, where its one cell stands, the cell, and the value: a fresh object."""


def lone(cells: Cells) -> Lone | None:
    """What a key of one value without a date shows; None where it takes more than a glance. O(value).

    >>> from crdtkv.core.cells import Sibling
    >>> lone({b"slww\\0": (Sibling(("lhr~k3f7", 2), 5, values.pack("here")),)})[3]
    'here'
    """
    if not isinstance(cells, dict) or len(cells) != 1:
        return None
    for path, cell in cells.items():
        return _alone(path, cell)
    return None


def _alone(path: bytes, cell: Cell) -> Lone | None:
    payload = cell[0][2]
    if len(cell) != 1 or not payload or payload[0] == 0xC1:
        return None
    found = _atom(path)
    # A document gives members by name, in whatever order they were put.
    if found is None or (payload[0] in _CONTAINERS and found.whole):
        return None
    try:
        return found, path, cell, values.unpack(payload)
    except CrdtkvError:
        return None


@lru_cache(maxsize=256)
def _atom(path: bytes) -> Strategy | None:
    """The strategy whose root is `path`, if one value alone reads as itself there."""
    tag, data, below = first(path) if path else (b"", b"", b"")
    if tag != STRATEGY or below or data.decode().partition("?")[0] not in _ATOMS:
        return None
    found = known_strategy(data.decode())
    return None if isinstance(found, Opaque) else found


@lru_cache(maxsize=256)
def atom_of(spec: str) -> Strategy | None:
    """The strategy of that spec, if one value alone reads as itself under it."""
    return _atom(root_path(spec))


def plainly_shown(cells: Cells) -> bool:
    """Whether it is plain that the key is there: the root of a document stands, and there is no date. O(1)."""
    cell = cells.get(_DOCUMENT, ())
    return len(cell) == 1 and is_live(cell[0].payload) and TTL_PATH not in cells
