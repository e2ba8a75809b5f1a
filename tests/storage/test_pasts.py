"""The pieces that a past lies in: what is written makes the tables have what stands, and is no more than it takes."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from crdtkv.core.cells import Sibling
from crdtkv.storage.base import Superseded
from crdtkv.storage.pasts import EACH, Kept, changes, cut, joined


def row(n: int, by: int = 0) -> Superseded:
    return Superseded(Sibling(("a", n), n, b"x", (), ()), (("b", by),), None, n)


_edits = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.integers(1, 3 * EACH)), st.tuples(st.just("go"), st.integers(1, 3 * EACH)),
        st.tuples(st.just("alter"), st.integers(0, 50)), st.tuples(st.just("read"), st.just(0)),
    ),
    max_size=30,
)  # fmt: skip


@given(_edits)
def test_the_tables_have_what_stands(edits: list[tuple[str, int]]) -> None:
    """Whatever comes behind, goes before or is altered; and after the tables were read anew."""
    table: dict[int, tuple[Superseded, ...]] = {}
    kept: Kept = (0, ())
    rows: tuple[Superseded, ...] = ()
    count = 0
    for what, number in edits:
        if what == "come":
            rows = (*rows, *(row(count + n) for n in range(number)))
            count += number
        elif what == "go":
            rows = rows[number:]
        elif what == "alter" and number < len(rows):
            rows = (*rows[:number], row(rows[number].sibling.dot[1], rows[number].by[0][1] + 1), *rows[number + 1 :])
        kept, written = changes(kept, rows)
        for n, piece in written:
            assert table.get(n, ()) != piece
            table[n] = piece
        table = {n: piece for n, piece in table.items() if piece}
        found = joined(sorted(table.items())) if table else (0, ())
        assert found is not None and found[1] == rows
        if what == "read":
            kept = found
    assert all(len(piece) <= EACH for piece in table.values())


def test_one_more_writes_one_piece() -> None:
    rows = tuple(row(n) for n in range(8 * EACH - 3))
    kept, _ = changes((0, ()), rows)
    _, written = changes(kept, (*rows, row(8 * EACH)))
    assert [n for n, _ in written] == [7]


def test_what_goes_takes_its_pieces_along() -> None:
    rows = tuple(row(n) for n in range(4 * EACH))
    kept, _ = changes((0, ()), rows)
    _, written = changes(kept, rows[2 * EACH + 1 :])
    assert written == [(2, rows[2 * EACH + 1 : 3 * EACH]), (0, ()), (1, ())]


def test_a_piece_that_is_missing_is_noticed() -> None:
    pieces = list(cut((5, tuple(row(n) for n in range(4 * EACH)))))
    assert joined(pieces) == (5, tuple(row(n) for n in range(4 * EACH)))
    for n in range(1, len(pieces) - 1):
        assert joined([piece for piece in pieces if piece[0] != n]) is None
    short = [(n, piece[:-1] if n == 1 else piece) for n, piece in pieces]
    assert joined(short) is None
