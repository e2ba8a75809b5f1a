"""Keys of one value, read at a glance: as the definition reads them, or not at all."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from crdtkv.core import values
from crdtkv.core.blob import Blob
from crdtkv.core.cells import MARK_ARRAY, MARK_OBJECT, MARK_PLAIN, Cell, Sibling, expiry, hide, make_cell, sweep
from crdtkv.core.paths import MEMBER, component
from crdtkv.store.telling import of_lone, of_roots
from crdtkv.strategies.lone import lone, plainly_shown
from crdtkv.strategies.lww import Lww
from crdtkv.strategies.registry import _registered, register, strategy
from crdtkv.strategies.roots import TTL_PATH, pick, root_path, roots_in

SPECS = [
    "json", "json?wins=delete", "json?strings=words", "json?wins=edit", "json?none=such", "lww", "mv", "max", "min",
    "set", "list", "counter", "flag", "log", "words", "latch?order=a,b", "merge:none", "foreign", "mv?none=such",
]  # fmt: skip
PLAIN: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 0, 1, 1.0, -0.0, 2**70, "", "a", "b", Blob(b"x")]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["b", "a"]), inner, max_size=2),
    max_leaves=3,
)
PAYLOADS = st.one_of(
    PLAIN.map(values.pack),
    st.sampled_from([
        None, MARK_OBJECT, MARK_ARRAY, MARK_PLAIN, hide({"a~1": 1}, MARK_OBJECT), sweep({"a~1": 1}), b"\xc1?later",
        b"\xa5sh", b"\xc7\x01\x09x", b"\x01\x01", b"\x81\x01\x01", b"\xff",
    ]),
)  # fmt: skip
PATHS = st.one_of(
    st.sampled_from(SPECS).map(root_path),
    st.sampled_from([b"", root_path("json") + component(MEMBER, b"a"), root_path("set") + component(MEMBER, b"a")]),
)
CELLS = st.lists(
    st.tuples(st.sampled_from(["a~1", "b~1"]), st.integers(1, 3), st.integers(1, 3), PAYLOADS), min_size=1, max_size=2,
    unique_by=lambda s: s[:2],
).map(lambda found: make_cell(Sibling((r, n), stamp, payload, ()) for r, n, stamp, payload in found))  # fmt: skip
DATE = st.none() | st.sampled_from([None, 1, 1 << 60]).map(
    lambda date: (Sibling(("a~1", 9), 2, expiry(date, "max"), ()),)
)
KEYS = st.tuples(st.dictionaries(PATHS, CELLS, min_size=1, max_size=2), DATE).map(
    lambda key: {**key[0], **({} if key[1] is None else {TTL_PATH: key[1]})}
)


@given(KEYS)
def test_what_is_read_at_a_glance_is_what_the_definition_reads(cells: dict[bytes, Cell]) -> None:
    """Every field of the entry, types and the order of members included; and nothing is shared with the cells."""
    context = {"a~1": 3, "b~1": 2}
    found = lone(cells)
    if found is not None:
        wanted = of_roots("k", cells, context, list(roots_in(cells)))
        assert wanted is not None
        entry = of_lone("k", found, context)
        assert repr(entry) == repr(wanted) and entry == wanted
        assert values.pack(entry.value) == values.pack(wanted.value)


@given(KEYS)
def test_what_is_plainly_shown_is_shown(cells: dict[bytes, Cell]) -> None:
    if plainly_shown(cells):
        assert pick(list(roots_in(cells))) is not None


def test_most_keys_are_read_at_a_glance() -> None:
    """Else nothing above would be tested."""
    for spec, value in (("json", "x"), ("lww", {"b": 1, "a": [2]}), ("mv", [1]), ("max", 3), ("min", None)):
        found = lone({root_path(spec): (Sibling(("a~1", 1), 1, values.pack(value), ()),)})
        assert found is not None and found[3] == value, spec
    assert plainly_shown({root_path("json"): (Sibling(("a~1", 1), 1, MARK_OBJECT, ()),)})


def test_a_strategy_of_somebody_else_is_asked_itself() -> None:
    """Also one that derives from ours: it may read its cells otherwise."""

    class Loud(Lww):
        name = "loud"

        def read(self, tree: Any) -> Any:
            return str(super().read(tree)).upper()

    register(Loud)
    try:
        assert lone({root_path("loud"): (Sibling(("a~1", 1), 1, values.pack("x"), ()),)}) is None
    finally:
        del _registered["loud"]
        strategy.cache_clear()
