"""What a plain row shows is what is packed, in as few bytes as can be, and nothing else."""

from __future__ import annotations

from typing import Any

import msgpack
from hypothesis import example, given
from hypothesis import strategies as st

from crdtkv.core import values
from crdtkv.storage.keyrows import _as_column

LENGTHS = (0, 1, 31, 32, 33, 255, 256, 65_535, 65_536)
PACKED = st.one_of(
    st.text().map(values.pack), st.integers().map(values.pack), st.binary(min_size=1),
    st.sampled_from(LENGTHS).map(lambda n: values.pack("x" * n)),
    st.tuples(st.sampled_from([b"\xd9", b"\xda\x00", b"\xdb\x00\x00\x00"]), st.integers(0, 255), st.binary()).map(
        lambda parts: parts[0] + bytes((parts[1],)) + parts[2]
    ),
)  # fmt: skip


def _obvious(payload: bytes) -> Any:
    try:
        value = msgpack.unpackb(payload)
    except Exception:
        return None
    if type(value) not in (str, int) or msgpack.packb(value) != payload:
        return None
    if type(value) is int:
        return value if -(1 << 63) <= value < 1 << 63 else None
    return None if "\0" in value else value


@given(PACKED)
@example(b"\xd9\x01x")
@example(b"\xda\x00\x20" + b"x" * 32)
@example(b"\xa1\xff")
@example(b"\xa2x")
@example(b"\xa1xx")
@example(b"\xdb")
@example(b"\xa1\x00")
@example(b"\xcc\x01")
@example(b"\xc3")
def test_a_column_holds_what_is_packed_as_short_as_can_be(payload: bytes) -> None:
    found = _as_column(payload)
    assert found == _obvious(payload) and type(found) is type(_obvious(payload))
