"""Letters: what is not wholly ours, and new, is refused, and for what."""

from __future__ import annotations

import zlib
from itertools import pairwise

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crdtkv.transport import letters
from crdtkv.transport.letters import HEAD_SIZE, MAX_LIVES, WINDOW, Keyring, Letter, Seen, Unwelcome, Why, pack, unpack

OLD, NEW = b"correct horse battery staple", b"another long secret"
RING = Keyring([OLD])
HERE, THERE = b"receiver", b"sender01"


def letter(ring: Keyring = RING, number: int = 1, small: bool = False, messages: tuple[tuple[str, bytes], ...] = ()) -> bytes:  # fmt: skip  # noqa: E501
    packing, plain, payload = pack("lhr", "http://127.0.0.1:1", messages, small)
    return ring.seal(payload, False, packing, plain, HERE, THERE, number)


def taken(data: bytes, ring: Keyring = RING, most: int = letters.MAX_PAYLOAD) -> Letter:
    head = ring.open(data[:HEAD_SIZE], most)
    payload = data[HEAD_SIZE:]
    ring.check(head, payload)
    return unpack(head, payload)


def refused(data: bytes, ring: Keyring = RING, most: int = letters.MAX_PAYLOAD) -> Why:
    with pytest.raises(Unwelcome) as caught:
        taken(data, ring, most)
    return caught.value.why


@given(st.lists(st.tuples(st.text(max_size=5), st.binary(max_size=3_000)), max_size=4), st.booleans())
def test_what_is_sealed_is_opened(messages: list[tuple[str, bytes]], small: bool) -> None:
    assert taken(letter(messages=tuple(messages), small=small)).messages == tuple(messages)


def test_it_is_packed_where_that_pays() -> None:
    dull = (("~default", b"x" * 10_000),)
    assert len(letter(messages=dull, small=True)) < 1_000 < len(letter(messages=dull))


@given(st.data())
def test_no_byte_can_be_altered(data: st.DataObject) -> None:
    sealed = bytearray(letter(messages=(("~default", b"message"),)))
    at = data.draw(st.integers(0, len(sealed) - 1))
    sealed[at] ^= data.draw(st.integers(1, 255))
    why = refused(bytes(sealed))
    assert why in (Why.malformed, Why.version, Why.cluster, Why.tampered), why
    if at >= HEAD_SIZE:
        assert why is Why.tampered


@given(st.integers(0, 400))
def test_nothing_can_be_cut_off(size: int) -> None:
    sealed = letter(messages=(("~default", b"message" * 30),))
    assert refused(sealed[: min(size, len(sealed) - 1)]) is Why.truncated


@given(st.binary(max_size=300))
def test_strangers_are_refused(data: bytes) -> None:
    assert refused(data) in (Why.malformed, Why.truncated, Why.version)


def test_other_clusters_and_versions_are_refused() -> None:
    assert refused(letter(Keyring([NEW]))) is Why.cluster
    assert refused(letter(Keyring())) is Why.cluster
    assert refused(letter(), Keyring()) is Why.cluster
    for version in (0, letters.VERSION + 2, 255):
        other = bytearray(letter())
        other[3] = version
        assert refused(bytes(other)) is Why.version


@pytest.mark.parametrize("ahead", [1, -1])
def test_releases_side_by_side_understand_each_other(monkeypatch: pytest.MonkeyPatch, ahead: int) -> None:
    """One version apart, either way; what the later one has added is passed over."""
    payload = msgpack.packb(["sin", "http://127.0.0.1:2", [["~default", b"message"]], *["new"][:ahead]])
    monkeypatch.setattr(letters, "VERSION", 2)
    ours = letter()
    monkeypatch.setattr(letters, "VERSION", 2 + ahead)
    theirs = RING.seal(payload, False, 0, len(payload), HERE, THERE, 1)
    assert taken(ours).colo == "lhr"
    monkeypatch.setattr(letters, "VERSION", 2)
    assert taken(theirs).messages == (("~default", b"message"),)


def test_secrets_are_replaced_while_letters_are_under_way() -> None:
    """The new one behind the old everywhere, then before it, then alone: at each step all understand each other."""
    steps = [Keyring([OLD]), Keyring([OLD, NEW]), Keyring([NEW, OLD]), Keyring([NEW])]
    for before, after in pairwise(steps):
        assert taken(letter(before), after).colo == taken(letter(after), before).colo == "lhr"
    assert refused(letter(steps[0]), steps[3]) is Why.cluster


def test_one_that_says_it_is_too_large_is_refused_by_its_head() -> None:
    sealed = letter(messages=(("~default", bytes(1_000)),))
    assert refused(sealed, most=900) is Why.oversized
    small = letter(messages=(("~default", bytes(100_000)),), small=True)
    assert len(small) < 900
    assert refused(small, most=900) is Why.oversized


@pytest.mark.parametrize(
    ("packing", "plain", "payload"),
    [
        (1, 1_000, zlib.compress(bytes(2_000))), (1, 3_000, zlib.compress(bytes(2_000))), (1, 9, b"no zlib"),
        (2, 1, b"\x90"), (0, 1, b"\xc1"), (0, 1, msgpack.packb(7)), (0, 1, msgpack.packb(["lhr", "", [["a"]]])),
        (0, 1, msgpack.packb(["lhr", "", [["a", "text"]]])), (0, 1, msgpack.packb([7, "", []])),
        (0, 1, msgpack.packb(["lhr", "", 7])),
    ],
)  # fmt: skip
def test_a_payload_that_no_colo_made_is_refused(packing: int, plain: int, payload: bytes) -> None:
    assert refused(RING.seal(payload, False, packing, plain, HERE, THERE, 1)) is Why.malformed


# once


def test_a_letter_is_taken_once_in_whatever_order_they_come() -> None:
    seen = Seen(HERE)
    for number in (3, 1, 2, 7, 5):
        seen.take(HERE, THERE, number)
    for number in (1, 2, 3, 5, 7):
        with pytest.raises(Unwelcome, match="it came before"):
            seen.take(HERE, THERE, number)
    seen.take(HERE, b"sender02", 1)


@given(st.lists(st.integers(1, 3 * WINDOW), max_size=60))
def test_nothing_is_taken_twice(numbers: list[int]) -> None:
    """And what is new is taken, but for what comes too late to be told from what is not."""
    seen, taken_before = Seen(HERE), set()
    for number in numbers:
        late = bool(taken_before) and number <= max(taken_before) - WINDOW
        try:
            seen.take(HERE, THERE, number)
        except Unwelcome as error:
            assert error.why is Why.replayed
            assert number in taken_before or late
        else:
            assert number not in taken_before
            taken_before.add(number)


def test_a_letter_for_an_earlier_life_is_stale() -> None:
    with pytest.raises(Unwelcome) as caught:
        Seen(b"new-life").take(HERE, THERE, 1)
    assert caught.value.why is Why.stale


def test_too_many_senders_end_a_life() -> None:
    seen = Seen(HERE)
    for i in range(MAX_LIVES):
        seen.take(HERE, b"%08d" % i, 1)
    assert not seen.full
    seen.take(HERE, THERE, 1)
    assert seen.full
