"""Strings, by redis-py."""

from __future__ import annotations

from typing import Any

import pytest
import redis


def test_what_is_set_is_read(r: Any) -> None:
    assert r.get("a") is None
    assert r.set("a", b"\xff\x00bytes")
    assert r.get("a") == b"\xff\x00bytes"
    r.set("a", "text")
    assert [r.get("a") for _ in range(4)] == [b"text"] * 4
    assert r.delete("a", "b") == 1
    assert r.get("a") is None


@pytest.mark.parametrize("key", [b"\xff", b"", b"a\0", b"k" * 513])
def test_what_is_no_key_is_refused(r: Any, key: bytes) -> None:
    with pytest.raises(redis.ResponseError, match="key"):
        r.set(key, 1)


def test_two_colos_tell_each_other(two: Any) -> None:
    lhr, sin, sync = two
    lhr.set("a", "here")
    sync()
    assert sin.get("a") == b"here"
