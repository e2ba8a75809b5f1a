"""Where a cell stands in its key: a path of components, as bytes that sort like it.

A component is `(tag, data)`: a tag of one printable ASCII letter says what kind of
thing the data names. Written: the tag, the data with each 0x00 as 0x00 0xff, then
0x00. So, and everything in the store leans on it:

- paths sort as bytes exactly as their lists of components do;
- a child's path begins with its parent's bytes;
- what lies strictly below p lies in (p, p + 0xff), and nothing else does.

(Beginning with p's bytes is *not* enough to lie below p: the component `sa` with
a 0x00 after it begins with the bytes of `sa`. `is_below` knows. The escape is
FoundationDB's, from its tuple layer.)
"""

from __future__ import annotations

from typing import Final

from crdtkv.errors import MessageInvalid, TooLarge

__all__ = [
    "ELEMENT",
    "ENTRY",
    "KEYED",
    "MAX_PATH",
    "MEMBER",
    "ONCE",
    "ORDER",
    "REPLICA",
    "STRATEGY",
    "TTL",
    "VALUE",
    "component",
    "component_end",
    "components",
    "element_index",
    "first",
    "is_below",
    "is_counted",
    "is_order",
    "join",
    "last_at",
    "last_tag",
    "pretty",
    "split",
]

MAX_PATH = 4096
_TAGS: Final = frozenset(bytes((letter,)) for letter in range(0x21, 0x7F))

# What stands behind each tag. They are on disk and on the wire: never change one.
STRATEGY: Final = b"s"  # a strategy's name and options: the first of every path
MEMBER: Final = b"m"  # a member of a json object, or of a set
ELEMENT: Final = b"e"  # an element of a list, by the position it was created at
KEYED: Final = b"k"  # an element of a list, by its key members
ORDER: Final = b"o"  # where an element was moved to
VALUE: Final = b"v"  # a value by its bytes
REPLICA: Final = b"r"  # one replica's part
ONCE: Final = b"x"  # an idempotency key
ENTRY: Final = b"n"  # an entry of a log
TTL: Final = b"t"  # when the key expires


def component(tag: bytes, data: bytes) -> bytes:
    """One component, encoded: a path of one, or to be added to another path.

    O(data), about 0.2 us (a cache would save half of it and keep megabytes). Raises
    TooLarge beyond MAX_PATH.

    >>> component(MEMBER, b"hits")
    b'mhits\\x00'
    """
    assert tag in _TAGS, f"tag {tag!r} is not one printable ASCII letter"
    if 0 in data:
        data = data.replace(b"\0", b"\0\xff")
    path = tag + data + b"\0"
    if len(path) > MAX_PATH:
        raise TooLarge(f"path {path[:40]!r}... is {len(path)} bytes; at most {MAX_PATH}")
    return path


def join(*parts: bytes) -> bytes:
    """The path of encoded parts, one below the other. Raises TooLarge beyond MAX_PATH.

    >>> join(component(STRATEGY, b"json"), component(MEMBER, b"hits"))
    b'sjson\\x00mhits\\x00'
    """
    path = b"".join(parts)
    if len(path) > MAX_PATH:
        raise TooLarge(f"path {pretty(path)[:80]!r}... is {len(path)} bytes; at most {MAX_PATH}")
    return path


def first(path: bytes) -> tuple[bytes, bytes, bytes]:
    """`(tag, data, rest)`: the first component of a path, decoded, and the path below it.

    O(component). Raises MessageInvalid if it is malformed, as the empty path is.

    >>> first(b"sjson\\x00mhits\\x00")
    (b's', b'json', b'mhits\\x00')
    """
    end = path.find(b"\0", 1)
    while end >= 0 and path[end + 1 : end + 2] == b"\xff":
        end = path.find(b"\0", end + 2)
    if end < 0 or not 0x21 <= path[0] <= 0x7E:
        raise MessageInvalid(f"{path!r} is not a path: a tag in '!'..'~', data, 0x00, and so on")
    return path[:1], path[1:end].replace(b"\0\xff", b"\0"), path[end + 1 :]


def split(path: bytes) -> list[tuple[bytes, bytes]]:
    """The components of a path, decoded. O(path).

    Raises MessageInvalid for what `join` would not have made: also the check for
    paths from elsewhere.

    >>> split(b"sjson\\x00mhits\\x00")
    [(b's', b'json'), (b'm', b'hits')]
    """
    if len(path) > MAX_PATH:
        raise MessageInvalid(f"path {path[:40]!r}... is {len(path)} bytes; at most {MAX_PATH}")
    parts = []
    rest = path
    while rest:
        tag, data, rest = first(rest)
        parts.append((tag, data))
    return parts


def is_below(path: bytes, parent: bytes) -> bool:
    """Whether `path` lies strictly below `parent`. O(parent).

    >>> is_below(b"sa\\x00mb\\x00", b"sa\\x00"), is_below(b"sa\\x00\\xff\\x00", b"sa\\x00")
    (True, False)
    """
    return len(path) > len(parent) and path.startswith(parent) and path[len(parent)] != 0xFF


def component_end(path: bytes, at: int) -> int:
    """Where the component that begins at `at` ends. O(component).

    >>> component_end(b"sa\\x00\\xff\\x00mb\\x00", 0)
    5
    """
    end = path.index(b"\x00", at) + 1
    while path[end : end + 1] == b"\xff":
        end = path.index(b"\x00", end) + 1
    return end


def components(path: bytes) -> list[bytes]:
    """The encoded components of a path, from the top. O(path).

    >>> components(b"sjson\\x00ma\\x00")
    [b'sjson\\x00', b'ma\\x00']
    """
    out = []
    at = 0
    while at < len(path):
        end = component_end(path, at)
        out.append(path[at:end])
        at = end
    return out


def last_tag(path: bytes) -> bytes:
    """The tag of the last component of a path; of the empty path none. O(component).

    >>> last_tag(b"sset\\x00vr\\x00"), last_tag(b"soe\\x03\\x00\\xff\\x00")
    (b'v', b's')
    """
    at = last_at(path)
    return path[at : at + 1]


def last_at(path: bytes) -> int:
    """Where the last component of a path begins; 0 in the empty path. O(component).

    >>> last_at(b"sset\\x00vr\\x00"), last_at(b"soe\\x03\\x00\\xff\\x00")
    (5, 0)
    """
    at = path.rfind(b"\0", 0, -1)
    while at >= 0 and path[at + 1] == 0xFF:
        at = path.rfind(b"\0", 0, at)
    return at + 1


def is_counted(path: bytes) -> bool:
    """Whether a path ends in a counter's share or keyed increment: cells that are cancelled, never swept. O(path).

    >>> is_counted(b"scounter\\x00rlhr\\x00"), is_counted(b"sset\\x00vr\\x00")
    (True, False)
    """
    return last_tag(path) in (REPLICA, ONCE)


def is_order(path: bytes) -> bool:
    """Whether a path ends in an order cell: where an element was moved to.

    >>> is_order(b"slist\\x00oe\\x03\\x00\\xff\\x00"), is_order(b"slist\\x00e\\x03\\x00")
    (True, False)
    """
    return last_tag(path) == ORDER


def pretty(path: bytes) -> str:
    """A path for people: never parse it.

    >>> pretty(b"sjson\\x00ma/b\\x00e\\x03\\xf0\\x00")
    "s'json'/m'a/b'/e:03f0"
    """
    try:
        parts = split(path[:MAX_PATH])
    except MessageInvalid:
        return f"malformed:{path.hex()}"
    return "/".join(tag.decode() + _pretty_data(data) for tag, data in parts)


def _pretty_data(data: bytes) -> str:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError:
        return ":" + data.hex()
    return repr(text) if text.isprintable() else ":" + data.hex()


def element_index(token: str, count: int) -> int | None:
    """Which of `count` elements a token of a JSON pointer names; None if it names none.

    In ASCII and without leading zeros (RFC 6901): `str.isdigit` takes more than `int` does.

    >>> element_index("1", 2), element_index("2", 2), element_index("01", 2), element_index("\u00b2", 9)
    (1, None, None, None)
    """
    if not token.isascii() or not token.isdigit() or len(token) > 18 or (token[0] == "0" and token != "0"):
        return None
    return int(token) if int(token) < count else None
