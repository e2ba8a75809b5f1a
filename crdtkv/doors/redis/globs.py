"""Redis' globs over bytes: `*`, `?`, `[abc]`, `[^a]`, `[a-z]`, and a backslash before what is meant as it is.

Whatever is written is a pattern, up to 4,096 bytes. No pattern takes more than a bounded time: what stands between
two stars is taken where it first occurs and never given back.
"""

from __future__ import annotations

import re
from functools import lru_cache

from crdtkv.doors.redis.refusals import Refusal

__all__ = ["MAX_GLOB", "glob", "prefix_of"]

MAX_GLOB = 4096
"""Bytes of a pattern, and of the name of a channel."""


@lru_cache(maxsize=256)
def glob(pattern: bytes) -> re.Pattern[bytes]:
    """What `fullmatch` of it says. Raises Refusal for a pattern that is too long.

    >>> bool(glob(b"h[^e]llo*").fullmatch(b"hallo there")), bool(glob(b"h?llo").fullmatch(b"hllo"))
    (True, False)
    """
    if len(pattern) > MAX_GLOB:
        raise Refusal(f"ERR the pattern is {len(pattern):,} bytes; at most {MAX_GLOB:,}")
    parts: list[bytes] = [b""]
    at = 0
    while at < len(pattern):
        char = pattern[at : at + 1]
        at += 1
        if char == b"*":
            if parts[-1] or len(parts) == 1:
                parts.append(b"")
        elif char == b"?":
            parts[-1] += b"."
        elif char == b"[":
            found, at = _one_of(pattern, at)
            parts[-1] += found
        else:
            if char == b"\\" and at < len(pattern):
                char = pattern[at : at + 1]
                at += 1
            parts[-1] += re.escape(char)
    if len(parts) == 1:
        return re.compile(parts[0], re.DOTALL)
    middle = b"".join(b"(?>.*?%b)" % part for part in parts[1:-1])
    return re.compile(parts[0] + middle + b".*" + parts[-1], re.DOTALL)


def _one_of(pattern: bytes, at: int) -> tuple[bytes, int]:
    """The expression of a class whose `[` is just before `at`, and where it ends; one that does not ends with all."""
    negated = pattern[at : at + 1] == b"^"
    at += negated
    said: list[bytes] = []
    while at < len(pattern) and pattern[at : at + 1] != b"]":
        low = pattern[at : at + 1]
        if low == b"\\" and at + 1 < len(pattern):
            at += 1
            low = pattern[at : at + 1]
        elif pattern[at + 1 : at + 2] == b"-" and at + 2 < len(pattern):
            high = pattern[at + 2 : at + 3]
            at += 3
            low, high = min(low, high), max(low, high)
            said.append(b"%b-%b" % (re.escape(low), re.escape(high)))
            continue
        at += 1
        said.append(re.escape(low))
    inside = b"".join(said)
    if not inside:
        return (b"." if negated else b"(?!)"), at + 1
    return b"[%b%b]" % (b"^" if negated else b"", inside), at + 1


def prefix_of(pattern: bytes) -> bytes:
    """What all that matches begins with, as far as it is plain.

    >>> prefix_of(b"user:*"), prefix_of(b"a[bc]")
    (b'user:', b'a')
    """
    plain = re.match(rb"[^*?\[\\]*", pattern)
    return plain[0] if plain else b""
