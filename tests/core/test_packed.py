"""The cells of a large key are to who reads them what a SortedDict of them is, whatever their shape."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sortedcontainers import SortedDict

from crdtkv.core.cells import Sibling, newest_stamp, shown_payload
from crdtkv.core.clocks import covers
from crdtkv.core.packed import Packed
from crdtkv.core.paths import ORDER, last_tag
from crdtkv.core.wire import KeyCells, pack_cells, pack_key

DOTS = st.tuples(st.sampled_from(["lhr~k3f7", "sin~a2c5", "gru~1"]), st.integers(1, 1 << 65))
LISTS = st.lists(DOTS, max_size=2).map(tuple)
SIBLINGS = st.builds(
    Sibling, DOTS, st.integers(0, 1 << 65), st.sampled_from([None, b"", b"\xa1x", b"\xc1[", b"\xc1w\x90"]),
    st.just(()) | LISTS, st.just(()) | LISTS,
)  # fmt: skip
CELLS = st.lists(SIBLINGS, min_size=1, max_size=2).map(lambda found: tuple(sorted(found, key=lambda s: s.dot)))
PATHS = st.sampled_from([b"slist\0e%d\0" % n for n in range(9)] + [b"oe\0", b"slist\0oe\0", b"so\0\xffo\0"])
ACTS = st.lists(st.tuples(st.sampled_from(["set", "pop", "update", "behind"]), PATHS, CELLS), max_size=30)


@given(st.dictionaries(PATHS, CELLS), ACTS, st.dictionaries(DOTS.map(lambda d: d[0]), st.integers(0, 1 << 65)))
def test_it_is_what_a_sorted_dict_is(first: dict[bytes, Any], acts: list[Any], vector: dict[str, int]) -> None:
    packed, plain = Packed(first), SortedDict(first)
    for what, path, cell in acts:
        for cells in (packed, plain):
            if what == "set":
                cells[path] = cell
            elif what == "pop":
                cells.pop(path, None)
            elif what == "behind":
                cells.update({b"%b%d" % (max(cells, default=b"s"), n): cell for n in range(3)})
            else:
                cells.update({path: cell, b"slist\0f\0": cell})
    assert list(packed.items()) == list(plain.items()) and dict(packed) == dict(plain) and packed == plain
    assert list(packed.values()) == list(plain.values()) and {**packed} == {**plain} and len(packed) == len(plain)
    assert [packed.get(path, 7) for path in first] == [plain.get(path, 7) for path in first]
    for low, high in ((b"slist\0e3\0", b"z"), (b"", b"slist\0e5\0"), (b"slist\0", b"slist\0\xff")):
        wanted = [(path, plain[path]) for path in plain.irange(low, high, inclusive=(False, False))]
        assert list(packed.between(low, high)) == wanted == list(packed.between(low, high, reverse=True))[::-1]
        assert packed.paths_between(low, high) == [path for path, _ in wanted]
        assert packed.standing([low, b"slist\0e4\0", high]) == [p for p in (low, b"slist\0e4\0", high) if p in plain]
        live = [shown_payload(cell) for _, cell in wanted]
        assert packed.shown(low, high) == [payload for payload in live if payload is not None]
    assert [path in packed for path in first] == [path in plain for path in first]
    assert not plain or packed.last() == plain.keys()[-1]
    assert sorted(packed.crowded()) == [path for path, cell in plain.items() if len(cell) > 1]
    standing = [s for cell in plain.values() for s in cell]
    said, parents = sum(len(s.payload or b"") for s in standing), sum(len(s.parents) for s in standing)
    assert packed.weight() == said and packed.weights() == (len(standing), parents, sum(map(len, plain)), said)
    assert packed.newest() == max(map(newest_stamp, plain.values()), default=0)
    lacking = [path for path, cell in plain.items() if not all(covers(vector, s.dot) for s in cell)]
    assert sorted(packed.beyond(vector)) == lacking
    assert packed.dots(list(plain)) == [packed.dot(path) for path in plain]
    assert packed.dots_from(b"slist\0e3\0") == [(p, packed.dot(p)) for p in plain.irange(b"slist\0e3\0", None)]
    for path, cell in plain.items():
        payloads = packed.payloads([path])
        assert payloads is None or payloads == [cell[0].payload]


def fits(s: Sibling) -> bool:
    return max(s.stamp, *(n for _, n in (s.dot, *s.parents, *s.lost))) < 1 << 64


@given(st.dictionaries(PATHS, CELLS))
def test_on_the_wire_it_is_what_its_cells_are(cells: dict[bytes, Any]) -> None:
    cells = {path: tuple(s for s in cell if fits(s)) for path, cell in cells.items()}
    paths = sorted(path for path, cell in cells.items() if cell)
    wanted = pack_key(KeyCells("k", {"lhr~k3f7": 2}, tuple((path, cells[path]) for path in paths)))
    assert pack_cells("k", {"lhr~k3f7": 2}, Packed(cells), paths) == wanted
    assert pack_cells("k", {"lhr~k3f7": 2}, cells, paths) == wanted


@given(st.lists(st.tuples(PATHS, DOTS)))
def test_a_value_that_replaced_nothing_is_kept_as_bytes(found: list[Any]) -> None:
    plain = {p: (Sibling((r, n % (1 << 40) + 1), 5, b"\xa1x"),) for p, (r, n) in found if last_tag(p) != ORDER}
    assert Packed(plain).payloads(list(plain)) == [b"\xa1x"] * len(plain)
