"""The usual shape of messages: taken in at a glance as the careful way takes it, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdtkv.core import parts, usual, wire
from crdtkv.core.cells import MARK_OBJECT, Sibling, hide, join_cells, make_cell
from crdtkv.core.usual import (
    succeeds,
    usual_cells,
    usual_dots,
    usual_key,
    usual_part,
    usual_path,
    usual_payload,
    usual_sibling,
    usual_write,
)
from crdtkv.errors import MessageInvalid

NUMBERS = st.sampled_from([None, True, -1, 0, 1, 2**63 - 1, 2**63, 2**64 - 1, 1.5, "1", b"1"])
NAMES = st.sampled_from([None, 1, "", "lhr~k3f7", b"lhr~k3f7", ["a"]])
PAYLOADS = st.sampled_from([
    None, b"", b"\x01", b"\xc1", MARK_OBJECT, b"\xc1[", b"\xc1*", b"\xc1?", b"\xc1{x", b"\xc1h", hide({"a": 1}, b""),
    b"\xc1d", b"\xc1w\x90", "text", 1, [],
])  # fmt: skip
DOTS = st.one_of(
    st.sampled_from([None, (), {}, "ab"]),
    st.lists(st.one_of(NAMES, NUMBERS), max_size=4),
    st.tuples(NAMES, NUMBERS).map(list),
)
SIBLINGS = st.one_of(
    st.tuples(NAMES, NUMBERS, NUMBERS, PAYLOADS, DOTS, DOTS).flatmap(
        lambda fields: st.sampled_from([list(fields)[:size] for size in (3, 4, 5, 6)])
    ),
    st.tuples(st.just("a"), st.just(1), st.just(2), PAYLOADS, DOTS).map(list),
    st.sampled_from([None, 1, "abcd", (), ("a", 1, 1, b"\x01"), {"a": 1}]),
)
PATHS = st.one_of(
    st.binary(max_size=6),
    st.sampled_from([b"sjson\0", b"sjson\0ma\0", b"s\xc3\xa9\0", b"s\xff\0", b"s\0", b"\0", b"x" * 4095 + b"\0",
                     b"x" * 4096 + b"\0", b" \0", b"\x7f\0"]),
    st.builds(b"slist\0%b%b\0".__mod__, st.tuples(st.sampled_from([b"e", b"m", b"s", b"", b"\xff", b"\x01"]),
                                                  st.binary(max_size=4) | st.just(b"x" * 4096))),
)  # fmt: skip


def careful(take: Any, value: Any) -> Any:
    """What is taken in by the careful way alone; None if it is refused."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("usual_cells", "usual_key", "usual_sibling", "usual_write"):
            patch.setattr(wire, name, lambda _: None)
        patch.setattr(parts, "usual_dots", lambda _: None)
        for name in ("usual_payload", "usual_path", "usual_part"):
            patch.setattr(parts, name, lambda _: False)
        try:
            return take(value)
        except (MessageInvalid, ValueError, TypeError):
            return None


@given(SIBLINGS)
def test_a_sibling_of_the_usual_shape(value: Any) -> None:
    found = usual_sibling(value)
    assert found is None or (found == careful(wire._sibling_in, value) and type(found) is Sibling)


@given(
    st.one_of(
        st.tuples(
            st.sampled_from([None, "", "a", "x" * 300, "\u20ac" * 256, b"a", ["a"]]),
            st.one_of(st.none(), st.dictionaries(st.sampled_from(["", "lhr~k3f7", b"lhr", 1]), NUMBERS, max_size=2)),
            st.one_of(
                st.none(),
                st.lists(st.tuples(st.sampled_from([b"sjson\0", b"slww\0", "slww\0", b"", b"s"]), SIBLINGS).map(list)),
            ),
        ).map(list),
        st.tuples(
            st.just("a"), st.just({"a": 1}),
            st.lists(
                st.tuples(st.sampled_from([b"sjson\0", b"slww\0", b"smv\0"]), st.just(["a", 1, 2, b"\x01"])).map(list)
            ),
        ).map(list),
        st.sampled_from([None, "abc", ("a", {}, []), ["a", {}, [[b"slww\0"]]], ["a", {}, ["ab"]]]),
    )
)  # fmt: skip
def test_a_key_of_the_usual_shape(value: Any) -> None:
    found = usual_key(value)
    assert found is None or found == careful(wire._key_in, value)


ELEMENTS = st.lists(st.binary(max_size=2) | st.just(b"x" * 4096), min_size=1, max_size=4).map(
    lambda found: [[b"slist\0e%b\0" % name, ["a", 1, 2, b"\x01"]] for name in sorted(found)]
)


@given(ELEMENTS, st.data())
def test_many_cells_of_the_usual_shape(cells: list[Any], draw: st.DataObject) -> None:
    """As they are, or with one part of one of them another: as the careful way takes each, or not at all."""
    if draw.draw(st.booleans()):
        at = draw.draw(st.integers(0, len(cells) - 1))
        cells[at] = draw.draw(
            st.one_of(
                SIBLINGS, st.tuples(PATHS, SIBLINGS).map(list), st.just([b"slist\0e\xff\0", ["a", 1, 2, b"\x01"]] * 2),
                st.tuples(PATHS, st.just(["a", 1, 2, b"\x01"])).map(list),
                SIBLINGS.map(lambda said: [cells[at][0], said]),
            )
        )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(usual, "_SEVERAL", 1)
        found = usual_cells(cells)
    wanted = careful(wire._key_in, ["k", {}, cells])
    assert found is None or (found == wanted.cells and {type(s) for _, cell in found for s in cell} == {Sibling})


def test_a_long_list_is_of_the_usual_shape() -> None:
    cells = [[b"slist\0e%03d\0" % n, ["a", n + 1, 2, b"\x01"]] for n in range(100)]
    assert usual_cells(cells) == wire._key_in(["k", {}, cells]).cells
    assert usual_cells([[b"slist\0", ["a", 1, 2, b"\x01"]], *cells]) is None


@given(
    st.one_of(
        st.tuples(PATHS, PAYLOADS, DOTS, DOTS).flatmap(
            lambda fields: st.sampled_from([list(fields)[:size] for size in (1, 2, 3, 4)])
        ),
        st.sampled_from([None, "ab", (b"slww\0", b"\x01"), {}]),
    )
)
def test_a_write_of_the_usual_shape(value: Any) -> None:
    found = usual_write(value)
    wanted = careful(lambda write: wire._write_in("k", write), value)
    assert found is None or ("k", *found, ()) == wanted == wire._write_in("k", value)


@given(DOTS)
def test_dots_of_the_usual_shape(value: Any) -> None:
    found = usual_dots(value)
    assert found is None or found == careful(parts.dots_in, value)


@given(PAYLOADS)
def test_payloads_of_the_usual_shape(value: Any) -> None:
    assert not usual_payload(value) or value == careful(parts.payload_in, value)


@given(PATHS)
def test_paths_of_the_usual_shape(path: bytes) -> None:
    assert not (usual_path(path) or usual_part(path)) or path == careful(parts.path_in, path)


def test_what_comes_mostly_is_of_the_usual_shape() -> None:
    """Else nothing above would be tested."""
    cell = [b"slww\0", ["a", 1, 2, b"\x01"]]
    assert usual_key(["k", {"a": 1}, [cell]]) == ("k", {"a": 1}, ((b"slww\0", (Sibling(("a", 1), 2, b"\x01"),)),))
    assert usual_sibling(["a", 1, 2, b"\x01"]) == Sibling(("a", 1), 2, b"\x01")
    assert usual_sibling(["a", 2, 3, MARK_OBJECT, ["a", 1]]) == Sibling(("a", 2), 3, MARK_OBJECT, (("a", 1),))
    assert usual_write([b"slww\0", b"\x01", ["a", 1]]) == (b"slww\0", b"\x01", (("a", 1),))
    assert usual_path(b"sjson\0") and usual_part(b"slist\0e\x03\xf5\x80\0") and usual_dots([]) == () and usual.__all__


def test_a_place_in_a_document_is_usual_once_it_was_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """As often as there is room; what is not in order never is."""
    monkeypatch.setattr(usual, "_paths", {})
    monkeypatch.setattr(usual, "_PATHS", 1)
    for path in (b"sjson\0ma\0", b"sjson\0mb\0"):
        assert usual_write([path, b"\x01"]) is None
        assert parts.path_in(path) == path
    with pytest.raises(UnicodeDecodeError):
        parts.path_in(b"sjson\0m\xff\0")
    assert usual_write([b"sjson\0ma\0", b"\x01"]) == (b"sjson\0ma\0", b"\x01", ())
    assert usual_write([b"sjson\0mb\0", b"\x01"]) is None and len(usual._paths) == 1


CELLS = st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 3)), max_size=2, unique=True).map(
    lambda dots: make_cell(Sibling(dot, 1, b"\x01") for dot in dots)
)
VECTORS = st.dictionaries(st.sampled_from("ab"), st.integers(0, 3))


@given(CELLS, VECTORS, CELLS, VECTORS)
def test_what_succeeds_is_the_join(mine: Any, my_vector: Any, theirs: Any, their_vector: Any) -> None:
    """Whatever the vectors say, also what no two colos would hold."""
    if succeeds(mine, my_vector, theirs, their_vector):
        assert join_cells(mine, my_vector, theirs, their_vector) == theirs
