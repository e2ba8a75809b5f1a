"""What is said by hand is what MessagePack says."""

from __future__ import annotations

import msgpack
from hypothesis import given
from hypothesis import strategies as st

from crdtkv.core import said
from crdtkv.core.cells import Sibling
from crdtkv.core.clocks import Dot

edges = [edge + by for edge in (1 << 7, 1 << 8, 1 << 16, 1 << 32) for by in (-1, 0, 1)]
numbers = st.integers(0, 1 << 63) | st.sampled_from(edges)
texts = st.text(max_size=40) | st.sampled_from(["x" * n for n in (31, 32, 255, 256, 70_000)]) | st.just("é" * 130)
data = st.binary(max_size=40) | st.sampled_from([bytes(n) for n in (255, 256, 70_000)])
dots = st.tuples(texts, numbers)
several = st.lists(dots, max_size=3).map(tuple)


@given(st.builds(Sibling, dots, numbers, st.none() | data, several, several))
def test_a_sibling(sibling: Sibling) -> None:
    assert said.sibling(sibling) == msgpack.packb(sibling)
    alone = sibling._replace(parents=(), lost=())
    assert said.alone(said.sibling_by(sibling.dot, sibling.stamp), sibling.payload) == msgpack.packb(alone)


@given(texts, data, texts, numbers, several)
def test_where_it_stands(key: str, path: bytes, replica: str, n: int, some: tuple[Dot, ...]) -> None:
    assert said.text(key) == msgpack.packb(key) and said.number(n) == msgpack.packb(n)
    assert said.place(said.text(key), path) == msgpack.packb((key, path))
    assert said.entry(said.text(key), replica, n) == msgpack.packb((key, replica, n))
    assert said.dots(some) == msgpack.packb(some) and said.data(path) == msgpack.packb(path)
    assert all(said.context(found) == msgpack.packb(found) for found in ({}, {replica: n}, dict(some)))
