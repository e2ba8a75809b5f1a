"""Paths: bytes that sort, nest and come apart as lists of components do."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from crdtkv.core import paths
from crdtkv.core.paths import component, first, is_below, join, pretty, split
from crdtkv.errors import MessageInvalid, TooLarge

# Few bytes, and the awkward ones: small worlds collide.
data = st.lists(st.sampled_from([0, 1, 0x61, 0xFE, 0xFF]), max_size=4).map(bytes)
parts = st.lists(st.tuples(st.sampled_from([b"!", b"m", b"~"]), data), max_size=4)


def encode(components: list[tuple[bytes, bytes]]) -> bytes:
    """The path of these components."""
    return join(*(component(tag, d) for tag, d in components))


@given(parts)
def test_a_path_comes_apart_as_it_was_put_together(p: list[tuple[bytes, bytes]]) -> None:
    """split and first undo component and join, whatever bytes the data has."""
    path = encode(p)
    assert split(path) == p
    if p:
        assert first(path) == (*p[0], encode(p[1:]))


@given(parts, parts)
@example([(b"m", b"a")], [(b"m", b"a\0")])
@example([(b"m", b"a")], [(b"m", b"a"), (b"m", b"")])
def test_paths_sort_and_nest_as_their_components(a: list[tuple[bytes, bytes]], b: list[tuple[bytes, bytes]]) -> None:
    """The order of bytes is the order of components; (p, p + 0xff) is what lies strictly below p."""
    path, other = encode(a), encode(b)
    assert (path < other) == (a < b) and (path == other) == (a == b)
    below = len(b) > len(a) and b[: len(a)] == a
    assert (path < other < path + b"\xff") is below
    assert is_below(other, path) is below
    assert not below or other.startswith(path)


@given(st.lists(st.sampled_from([0, 0x20, 0x61, 0x7F, 0xFF]), max_size=8).map(bytes))
def test_malformed_paths_are_refused(raw: bytes) -> None:
    """Any bytes are the encoding of their components, or MessageInvalid: a path has one form."""
    try:
        p = split(raw)
    except MessageInvalid:
        return
    assert encode(p) == raw


@pytest.mark.parametrize("raw", [b"a", b"\0", b" a\0", b"\x7fa\0", b"sa\0\xff", b"sa\0m", b"sa\0\xffb", b"sa\0\0"])
def test_each_kind_of_malformed_path(raw: bytes) -> None:
    """No end, no tag, a tag out of range, a second component that is cut short."""
    with pytest.raises(MessageInvalid):
        split(raw)
    assert pretty(raw) == f"malformed:{raw.hex()}"


def test_the_empty_path_is_the_root() -> None:
    """It has no components, and everything else lies below it."""
    assert split(b"") == [] and join() == b"" and is_below(component(b"m", b""), b"")
    with pytest.raises(MessageInvalid):
        first(b"")


def test_a_path_has_a_greatest_length() -> None:
    """4,096 bytes pass, whatever way one byte more comes about does not."""
    longest = component(b"m", b"x" * (paths.MAX_PATH - 2))
    assert len(longest) == paths.MAX_PATH and split(longest)
    with pytest.raises(TooLarge):
        component(b"m", b"x" * (paths.MAX_PATH - 1))
    with pytest.raises(TooLarge):
        component(b"m", b"\0" * (paths.MAX_PATH // 2))
    with pytest.raises(TooLarge):
        join(longest, component(b"m", b""))
    with pytest.raises(MessageInvalid):
        split(longest + component(b"m", b""))


def test_a_tag_that_is_none_is_a_bug() -> None:
    """Tags are constants of this code: a wrong one is an assert."""
    for tag in (b"", b"ab", b" ", b"\xff"):
        with pytest.raises(AssertionError):
            component(tag, b"")


def test_tags_are_all_different() -> None:
    """Two kinds of things never share a tag."""
    tags = [paths.STRATEGY, paths.MEMBER, paths.ELEMENT, paths.KEYED, paths.ORDER]
    tags += [paths.VALUE, paths.REPLICA, paths.ONCE, paths.ENTRY, paths.TTL]
    assert len(set(tags)) == len(tags) == 10 and all(component(tag, b"") for tag in tags)


def test_pretty_is_readable() -> None:
    """Text as text, other bytes as hex."""
    path = join(component(b"s", b"json"), component(b"m", "é/x".encode()), component(b"e", b"\x01\xff"))
    assert pretty(path) == "s'json'/m'é/x'/e:01ff"
