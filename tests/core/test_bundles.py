"""Records told as one: each comes out as it went in, to the byte; and whatever comes in, it does not become much."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

import crdtkv
from crdtkv.core import bundles
from crdtkv.core.bundles import MAX_UNFOLDED, bundled, unbundled
from crdtkv.core.envelope import seal
from crdtkv.core.wire import Record, RecordWrite, encode
from crdtkv.errors import MessageInvalid
from tests.colos import Colos, arrive, record
from tests.core.test_wire import meddled_with


def _records() -> list[bytes]:
    """Two colos write in turn: all kinds of cells, several writes at once, what was deleted made anew, losers."""
    colos = Colos("a", "b")
    acts: list[Callable[[crdtkv.Store], object]] = [
        lambda kv: kv.put("doc", {"x": [1, 2], "y": kv.colo}),
        lambda kv: kv.put("doc", {"x": [2], "y": "é"}),
        lambda kv: kv.counter("n").add(1, idempotency_key=f"once-{kv.colo}"),
        lambda kv: kv.counter("n").add(2),
        lambda kv: kv.put("ttl", "é", ttl=60),
        lambda kv: kv.list("row").append("a", "b"),
        lambda kv: kv.set("set").add("an element"),
        lambda kv: kv.set("set").add("another"),
        lambda kv: kv.delete("doc"),
        lambda kv: kv.put("doc", crdtkv.Blob(b"\0" * 40)),
        lambda kv: kv.put("last", 1, strategy="lww"),
    ]
    made: list[bytes] = []
    for act in acts:
        one, other = (record(colos[name], act) for name in "ab")  # neither has heard of the other's
        arrive(colos["b"], one)
        arrive(colos["a"], other)
        made += [one, other]
    return made


RECORDS = _records()


def told(records: list[bytes]) -> Any:
    return msgpack.unpackb(msgpack.packb(bundled(records)))


@given(st.lists(st.sampled_from(range(len(RECORDS))), max_size=30), st.booleans())
def test_what_comes_out_is_what_went_in(chosen: list[int], in_order: bool) -> None:
    """Whatever stands side by side: in order, with some missing, twice, or all mixed up."""
    records = [RECORDS[i] for i in (sorted(chosen) if in_order else chosen)]
    assert list(unbundled(told(records))) == records


def test_all_kinds_of_records_go_into_bundles() -> None:
    parts = told(RECORDS)
    assert len(parts) == 1 and isinstance(parts[0], list)
    assert len(msgpack.packb(parts)) < sum(map(len, RECORDS)) * 0.55


def test_a_record_of_a_later_release_stands_as_it_is() -> None:
    """More fields, another version, or the same packed in another way: its bytes are what the next one names."""
    body = msgpack.unpackb(RECORDS[0][2:-4])
    later = [seal(b"r", [*body, [], "more"], 1), seal(b"r", body, 2), _longer(RECORDS[0])]
    for odd_one in later:
        records = [*RECORDS[:4], odd_one, *RECORDS[4:8], odd_one]
        assert list(unbundled(told(records))) == records


def _longer(data: bytes) -> bytes:
    """The same record, its replica's name packed in a byte more than it takes."""
    from xxhash import xxh32_digest

    size = data[3] & 0x1F
    made = data[:3] + bytes((0xD9, size)) + data[4:-4]
    return made + xxh32_digest(made)


@pytest.mark.parametrize(
    ("act", "most"),
    [
        (lambda kv, n: kv.counter("hits").add(1), 10),
        (lambda kv, n: kv.set("tags").add(f"element-{n}"), 14),
        (lambda kv, n: kv.put(f"user/{n:05}/name", "x" * 20), 32),
        (lambda kv, n: kv.list("row").append(n), 14),
    ],
)
def test_each_of_a_hundred_takes_few_bytes(act: Callable[[crdtkv.Store, int], object], most: int) -> None:
    kv = Colos("a")["a"]
    records = [record(kv, lambda kv, n=n: act(kv, n)) for n in range(100, 200)]
    assert len(msgpack.packb(bundled(records))) <= most * 100


@given(st.data())
def test_bundles_with_other_things_in_them(draw: st.DataObject) -> None:
    """Parts exchanged for others of it or for odd ones, left out, doubled: refused, or records of some bytes."""
    parts = meddled_with(told(RECORDS), draw)
    try:
        found = unbundled(parts)
    except MessageInvalid:
        return
    assert all(type(data) is bytes for data in found) and sum(map(len, found)) <= MAX_UNFOLDED


def _bundle(**other: Any) -> list[Any]:
    """One of four records of one write each, but for what is other."""
    fields = {
        "names": ["a~1"], "whose": [], "heads": [1, 0], "stamps": [7, 1, 1, 1], "needs": [], "floors": [0],
        "counts": [1], "keys": ["k"], "paths": [b"slww\0"], "payloads": [b"\x01"], "parents": [], "lost": [],
        "lives": [],
    }  # fmt: skip
    return [list({**fields, **other}.values())]


def test_a_bundle_by_hand() -> None:
    found = unbundled(_bundle())
    assert found[0] == encode(Record(("a~1", 1), 7, 0, {}, 0, (RecordWrite("k", b"slww\0", b"\x01"),)))
    assert len(found) == 4


LARGE = 1 << 20


@pytest.mark.parametrize(
    "other",
    [
        {"payloads": [b"x" * LARGE]},
        {"keys": ["k" * LARGE]},
        {"paths": [b"p" * LARGE, b"", b"", b"", b""]},
        {"paths": [b"p" * LARGE, [LARGE] * 3, b"", b"", b""]},
        {"counts": [1 << 60]},
        {"counts": [20_000], "payloads": [b"x" * 300]},
        {"counts": [1 << 14, 1, 1, 1 << 14], "keys": ["k" * 200]},
        {"counts": [0], "keys": []},
        {"counts": [-1, 3, 1, 1]},
        {"names": ["a" * LARGE]},
        {"names": ["a" * 200], "parents": [[0, 1] * 10_000, 0, 0, 0], "needs": [[0, 1] * 10_000, [], [], []]},
        {"keys": ["k" * 1_000], "lives": [[[0]] * 5_000, [], [], []]},
        {"stamps": [1] * (MAX_UNFOLDED // 40)},
        {"stamps": []},
        {"heads": []},
        {"keys": ["k", "k"]},
        {"payloads": [1]},
        {"floors": [0, 0]},
    ],
)
def test_little_does_not_become_much(other: dict[str, Any]) -> None:
    """A few bytes that stand for many are refused before these are there, as is what does not fit together."""
    with pytest.raises(MessageInvalid):
        unbundled(_bundle(**other))


def test_many_bundles_together_do_not_become_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundles, "MAX_UNFOLDED", 1_000)
    with pytest.raises(MessageInvalid, match="more than 1000 bytes"):
        unbundled(_bundle() * 8)


def test_what_is_too_large_for_a_bundle_stands_as_it_is() -> None:
    kv = Colos("a")["a"]
    records = [record(kv, lambda kv, n=n: kv.put(f"k{n}", "x" * (LARGE + n))) for n in range(3)]
    assert bundled(records) == records == list(unbundled(told(records)))
