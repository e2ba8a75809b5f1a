"""The pieces that a past lies in: what is written makes the tables have what stands, and is no more than it takes."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from crdtkv.core.cells import Sibling
from crdtkv.storage.pasts import NO_PAST, PIECE_BYTES, Past, Superseded, begun, changes, past_in, plain_rows


def row(n: int, by: int = 0, size: int = 1) -> Superseded:
    return Superseded(Sibling(("a", n), n, bytes(size), (), ()), (("b", by),), None, n)


_edits = st.lists(
    st.one_of(
        st.tuples(st.just("come"), st.integers(1, 30)), st.tuples(st.just("large"), st.integers(1, 3)),
        st.tuples(st.just("go"), st.integers(1, 30)), st.tuples(st.just("alter"), st.integers(0, 50)),
        st.tuples(st.just("read"), st.just(0)),
    ),
    max_size=30,
)  # fmt: skip


@given(_edits)
@example([("come", 10), ("alter", 3), ("come", 3), ("go", 2), ("come", 30)])
def test_the_tables_have_what_stands(edits: list[tuple[str, int]]) -> None:
    """Whatever comes behind, goes before or is altered; and after the tables were read anew, piece by piece.

    And so does who is told only what came where a piece has grown.
    """
    table: dict[int, bytes] = {}
    told: dict[int, tuple[Superseded, ...]] = {}
    kept = past = NO_PAST
    count = 0
    for what, number in edits:
        if what in ("come", "large"):
            past = past.grown([row(count + n, size=400 if what == "large" else 1) for n in range(number)])
            count += number
        elif what == "go":
            past = past.without(number)
        elif what == "alter" and number < len(past):
            rows = list(past)
            rows[number] = row(rows[number].sibling.dot[1], rows[number].by[0][1] + 1)
            past = past.remade(rows)
        stands = list(past)
        for n, piece in changes(kept, past):
            assert what == "alter" or table.get(n) != piece
            if piece is None:
                del table[n], told[n]
            else:
                table[n] = piece
                before = begun(kept, n, piece)
                told[n] = past_in(plain_rows(piece)) if before is None else told[n] + past_in(plain_rows(piece, before))
        kept = past
        found = Past.found(sorted(table.items()), table.__getitem__) if table else NO_PAST
        assert found is not None and list(found) == stands == [row for _, some in sorted(told.items()) for row in some]
        if what == "read":
            kept = past = found
    assert all(len(piece) <= PIECE_BYTES for piece in table.values())


def test_one_more_writes_one_piece() -> None:
    past = Past.of([row(n) for n in range(100)])
    [(n, piece)] = changes(past, past.grown([row(100)]))
    assert piece is not None and n > 80


def test_what_goes_takes_its_pieces_along() -> None:
    past = Past.of([row(n) for n in range(60)])
    first, second, third = (n for n, _, _, _ in past.pieces[:3])
    left = past.without(second + 1)
    written = dict(changes(past, left))
    assert set(written) == {first, second, second + 1} and written[first] is written[second] is None
    assert third in {n for n, _, _, _ in left.pieces}


def test_of_what_the_tables_have_only_the_last_piece_is_in_memory() -> None:
    """And what nobody asks for is not read: one more comes, and the oldest go."""
    whole = Past.of([row(n) for n in range(100)])
    table = {n: blob for n, _, blob, _ in whole.pieces if blob is not None}
    read: list[int] = []

    def reading(n: int) -> bytes:
        read.append(n)
        return table[n]

    past = Past.found(sorted(table.items()), reading)
    assert past is not None and len(past) == 100
    more = past.grown([row(100)]).without(whole.pieces[2][0])
    assert not past.loose and past.grown([row(100)._replace(by=())]).loose
    assert not read and more.weight() < 2 * PIECE_BYTES
    assert list(more) == [row(n) for n in range(whole.pieces[2][0], 101)] and len(read) == len(table) - 3


def test_a_row_that_is_large_is_a_piece_by_itself() -> None:
    past = Past.of([row(n, size=5_000) for n in range(3)])
    assert [count for _, count, _, _ in past.pieces] == [1, 1, 1]
    counts = [count for _, count, _, _ in Past.of(map(row, range(40))).pieces]
    assert counts[:2] == [15, 15], "its first byte says so many"


def test_a_piece_that_is_missing_is_noticed() -> None:
    pieces = [(n, blob) for n, _, blob, _ in Past.of([row(n) for n in range(60)]).without(5).pieces if blob is not None]
    assert len(pieces) > 3 and Past.found(pieces, lambda n: b"") is not None
    for n in range(1, len(pieces) - 1):
        assert Past.found(pieces[:n] + pieces[n + 1 :], lambda n: b"") is None
    assert Past.found([(0, b"\xc0"), *pieces], lambda n: b"") is None


def test_what_was_purged_is_told_by_the_tables() -> None:
    """Nothing is read to know that there is none of it."""
    for purged in (None, 3, 40):
        rows = [row(n)._replace(by=()) if n == purged else row(n) for n in range(60)]
        pieces = [(n, blob) for n, _, blob, _ in Past.of(rows).pieces if blob is not None]
        found = Past.found(pieces, dict(pieces).__getitem__)
        assert found is not None and found.loose is (purged is not None) and list(found) == rows


def test_what_is_altered_is_looked_for_from_behind() -> None:
    """What the tables alone have is read where a dot was not found in what is later; its piece is altered, no other."""
    whole = Past.of([row(n) for n in range(100)])
    table = {n: blob for n, _, blob, _ in whole.pieces if blob is not None}
    for at, reads in ((99, 0), (3, len(table) - 1), (200, len(table) - 1)):
        read: list[int] = []
        past = Past.found(sorted(table.items()), lambda n, read=read: read.append(n) or table[n])  # type: ignore[misc]
        assert past is not None
        made = past.altered({("a", at)}, lambda row: row._replace(wall_ms=7))
        assert len(read) == reads
        assert [row.wall_ms for row in made] == [7 if n == at else n for n in range(100)]
        assert len(changes(past, made)) == (at < 100)
