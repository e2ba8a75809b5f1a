"""The past of a cell lies in the tables in pieces: what is written of it is what came behind, not all that is kept.

Law of this room: the rows of a past are numbered as they came; a piece is those of EACH numbers in a
row, under the first of them through EACH. Only the first and the last piece may be short.
"""

from __future__ import annotations

from collections.abc import Iterator

from crdtkv.storage.base import Superseded

__all__ = ["EACH", "Kept", "changes", "cut", "joined"]

EACH = 8

_Rows = tuple[Superseded, ...]

Kept = tuple[int, _Rows]
"""What the tables have of a past: the number of the first row, and the rows."""


def cut(kept: Kept) -> Iterator[tuple[int, _Rows]]:
    """The pieces. O(rows)."""
    first, rows = kept
    for n in range(first // EACH, -(-(first + len(rows)) // EACH)):
        yield n, rows[max(0, n * EACH - first) : (n + 1) * EACH - first]


def joined(pieces: list[tuple[int, _Rows]]) -> Kept | None:
    """What `cut` gave, in order; None where one is missing, or short. O(rows)."""
    n, rows = pieces[0]
    first = n * EACH if len(pieces) == 1 else (n + 1) * EACH - len(rows)
    kept = first, tuple(row for _, piece in pieces for row in piece)
    return kept if list(cut(kept)) == pieces else None


def changes(kept: Kept, rows: _Rows) -> tuple[Kept, list[tuple[int, _Rows]]]:
    """What the tables have once it is `rows`, and the pieces that are to be written for that; () is none. O(rows), a
    glance.
    """
    first, had = kept
    gone = had.index(rows[0]) if rows and rows[0] in had else len(had)
    now, before = (first + gone, rows), dict(cut(kept))
    made = dict(cut(now))
    written = [(n, piece) for n, piece in made.items() if before.get(n) != piece]
    return now, written + [(n, ()) for n in before if n not in made]
