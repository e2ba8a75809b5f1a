"""A counter's share at a glance: as the careful way reads it."""

from __future__ import annotations

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from crdtkv.core import values
from crdtkv.core.cells import Sibling, is_live, spent
from crdtkv.core.paths import component
from crdtkv.core.tree import Tree
from crdtkv.strategies import counter_cells
from crdtkv.strategies.counter_cells import Share, adds, is_alive, once, once_path, share, share_path

NUMBERS = st.sampled_from([-1, 0, 1, 2, 127, 128, 2**63, 2**64 - 1, 2**64])
PAYLOADS = st.one_of(
    st.lists(NUMBERS, max_size=5).map(values.pack),
    st.lists(NUMBERS, min_size=2, max_size=4).map(lambda said: spent(values.pack(said))),
    st.sampled_from([None, b"", b"\x92", b"\x92\x01", b"\x92\xc2\x00", b"\x92\x01\x00\x00", values.pack([1.0, 0])]),
    st.binary(max_size=4).map(b"\x92".__add__),
    st.just(msgpack.packb([1, msgpack.ExtType(99, b"x")])),
)


def carefully(payload: bytes | None) -> Share | None:
    said = counter_cells._parts(payload)
    if len(said) not in (2, 4) or {*map(type, said)} != {int}:
        return None
    up, up_gone, down, down_gone = (*said, 0, 0)[:4]
    return Share(up, up_gone, down, down_gone) if 0 <= up_gone <= up and 0 <= down_gone <= down else None


@given(PAYLOADS)
def test_a_share_at_a_glance(payload: bytes | None) -> None:
    found = counter_cells._share(payload)
    assert found == carefully(payload) and (found is None or type(found) is Share)


@given(st.lists(PAYLOADS, min_size=1, max_size=2), st.sampled_from([share_path("lhr~k3f7"), once_path(b"k")]))
def test_what_a_cell_adds(payloads: list[bytes | None], path: bytes) -> None:
    cell = tuple(Sibling(("lhr~k3f7", n + 1), 5, payload) for n, payload in enumerate(payloads))
    keyed = once(cell)
    value = share(cell).value if path[:1] == b"r" else 0 if keyed is None else keyed.value
    assert adds(path, cell) == (value, is_alive(path, cell))


def test_cells_in_any_order_are_those_below() -> None:
    cell = (Sibling(("lhr~k3f7", 1), 5, b"\x01"),)
    root = component(b"s", b"a")
    paths = [root + b"rb\0", root + b"ra\0", root, b"sa\0\xff\0rc\0", b"sb\0rd\0"]
    tree = Tree(dict.fromkeys(paths, cell), root)
    assert sorted(tree.scattered()) == list(tree.below()) == [(b"ra\0", cell), (b"rb\0", cell)]
    assert is_live(cell[0].payload) and not list(Tree(dict.fromkeys(paths, cell), root, expiry=9).scattered())
