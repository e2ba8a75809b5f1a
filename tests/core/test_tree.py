"""A window on cells shows the same, however they are kept: a small dict in any order, in path order, or as bytes."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from sortedcontainers import SortedDict

from crdtkv.core.cells import Sibling
from crdtkv.core.packed import Packed
from crdtkv.core.tree import Tree

SIBLINGS = st.builds(
    Sibling, st.tuples(st.sampled_from(["lhr~k3f7", "sin~a2c5"]), st.integers(1, 9)), st.integers(0, 9),
    st.sampled_from([None, b"\xa1x", b"\xc1["]),
)  # fmt: skip
CELLS = st.lists(SIBLINGS, min_size=1, max_size=2, unique_by=lambda s: s.dot).map(lambda found: tuple(sorted(found)))
PATHS = st.sampled_from([b"", b"sa\0", b"sa\0ea\0", b"sa\0eb\0", b"sa\0oa\0", b"sab\0", b"sab\0ea\0", b"sb\0ea\0"])


@given(st.dictionaries(PATHS, CELLS), st.sampled_from([b"", b"sa\0", b"sab\0"]), st.sampled_from([0, 5]))
def test_it_shows_the_same_however_cells_are_kept(cells: dict[bytes, Any], prefix: bytes, expiry: int) -> None:
    def shown(kept: Any) -> list[Any]:
        tree = Tree(kept, prefix, expiry)
        ways = [tree.tops(), list(tree.crowded()), list(tree.below()), sorted(tree.scattered())]
        return [*ways, *(each for tag in (b"e", b"o", b"s") for each in (tree.payloads(tag), list(tree.range(tag))))]

    plain = shown(SortedDict(cells))
    assert shown(cells) == plain
    assert shown(dict(reversed(cells.items()))) == plain
    assert shown(Packed(cells)) == plain
