"""A key's version as text: its key context, and a check that it is this key's.

`3f9a_lhr~k3f9.41_sin~a0c2.7`: four hex digits of the key's hash, then replica.n. For
clients it is opaque; it needs no quoting in a URL, a header or a file name.
"""

from __future__ import annotations

import re
from typing import Final

import xxhash

from crdtkv.core.cells import Context
from crdtkv.core.show import show
from crdtkv.errors import VersionInvalid

__all__ = ["MAX_VERSION", "format_version", "parse_version"]

MAX_VERSION = 65_536

_ENTRY: Final = re.compile(r"([a-z0-9-]{1,32}~[a-z0-9]{1,32})\.([1-9][0-9]{0,18})")


def format_version(key: str, context: Context) -> str:
    """The version of `key` that `context` stands for.

    >>> format_version("todo", {"lhr~k3f9": 41})
    '5af9_lhr~k3f9.41'
    """
    if len(context) == 1:
        for replica, n in context.items():
            return f"{_check(key)}_{replica}.{n}"
    return "_".join([_check(key), *(f"{r}.{n}" for r, n in sorted(context.items()))])


def parse_version(key: str, text: object) -> dict[str, int]:
    """The context that a version of `key` stands for. O(size). Raises VersionInvalid: malformed, or of another key.

    >>> parse_version("todo", "5af9_lhr~k3f9.41")
    {'lhr~k3f9': 41}
    """
    if not isinstance(text, str) or not 4 <= len(text) <= MAX_VERSION:
        raise VersionInvalid(f"version {show(text)} is not one; use {_way(text)}")
    check, *entries = text.split("_")
    found = [_ENTRY.fullmatch(entry) for entry in entries]
    if not re.fullmatch("[0-9a-f]{4}", check) or not all(found):
        raise VersionInvalid(f"version {show(text)} is not one; use {_way(text)}")
    if check != _check(key):
        raise VersionInvalid(f"version {show(text)} is of another key, not of {key!r}; read {key!r} for its own")
    context = {m[1]: int(m[2]) for m in found if m}
    if len(context) != len(entries):
        raise VersionInvalid(f"version {show(text)} names a replica twice; use {_way(text)}")
    return context


def _way(given: object) -> str:
    return "its .version" if hasattr(given, "version") else "the version that a receipt or a read returned"


def _check(key: str) -> str:
    return xxhash.xxh3_64_hexdigest(key.encode())[-4:]
