"""What a client stores: a JSON value or a blob, and its bytes.

Values come in as Python objects or JSON text and live as packed bytes
(MessagePack). Rule of this room: what goes in comes out exactly (integers of any
size, 1 and 1.0, 0.0 and -0.0, the order of members), or a ValueInvalid says where
it went wrong. Returned values are fresh: nobody shares them.

JSON here is strict (RFC 8259 with the advice of RFC 7493): no duplicate members,
NaN, Infinity or lone surrogates. A tuple is read as a list.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from math import copysign, isfinite
from typing import Any, Final

import msgpack

from crdtkv.core.blob import Blob, blob_in
from crdtkv.core.show import show
from crdtkv.errors import MessageInvalid, TooLarge, ValueInvalid

__all__ = [
    "MAX_DEPTH",
    "MAX_INT_DIGITS",
    "MAX_PACKED",
    "check_items",
    "copy",
    "equal",
    "join_array",
    "join_map",
    "pack",
    "pack_canonical",
    "pack_each",
    "pack_list",
    "parse_json",
    "sort_key",
    "to_json",
    "unpack",
]

MAX_DEPTH = 100
MAX_PACKED = 25 * 1024 * 1024 + 1024  # Workers KV takes bodies of 25 MiB; the rest is how long one is, and its type.
MAX_INT_DIGITS = 4300  # Python refuses to read or write longer ones (CVE-2020-10735).

# Never change these two numbers: they are on disk and on the wire.
_EXT_INT: Final = 1
_EXT_BLOB: Final = 2

_SHORT: Final = 1 << 20
_plain: Final[Callable[[str | int], bytes]] = msgpack.Packer(use_bin_type=True).pack

_INT_END = 10**MAX_INT_DIGITS
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


class _Refused:
    """What the JSON parser puts where it met something to refuse: `_problems` finds its path."""

    def __init__(self, why: str) -> None:
        self.why = why


def pack(value: Any) -> bytes:
    """The bytes of `value`, members in their order.

    Cost: O(size); about 0.5 ms for 10,000 small integers. Raises ValueInvalid for
    what is no value, with its JSON pointer, and TooLarge beyond MAX_PACKED.

    >>> unpack(pack({"b": [1, 1.0, 2**70], "a": None}))
    {'b': [1, 1.0, 1180591620717411303424], 'a': None}
    """
    if _is_plain(value):
        return _plain(value)
    _check(value)
    return _pack_checked(value)


def _is_plain(value: Any) -> bool:
    """Most are: no check would find anything."""
    if type(value) is str:
        return value.isascii() and len(value) < _SHORT
    return type(value) is int and -(2**63) <= value < 2**64


def pack_canonical(value: Any) -> bytes:
    """As `pack`, with the members of every object sorted: equal values have equal bytes.

    >>> pack_canonical({"a": 1, "b": 2}) == pack_canonical({"b": 2, "a": 1})
    True
    """
    if _is_plain(value):
        return _plain(value)
    _check(value)
    return _pack_checked(_sorted(value))


def unpack(data: bytes) -> Any:
    """The value that `pack` made `data` of, all fresh objects. O(size).

    It trusts `data` to be pack's, and a value to have the one form that pack gives it. Raises MessageInvalid if it
    cannot be read at all.
    """
    try:
        return msgpack.unpackb(data, raw=False, strict_map_key=True, ext_hook=_unpack_ext)
    except (ValueError, msgpack.UnpackException, RecursionError, ValueInvalid) as error:
        raise MessageInvalid(f"packed value {show(data)} cannot be read: {error}") from None


def pack_each(items: Sequence[Any]) -> list[bytes]:
    """`pack_canonical` of each. A tenth of its cost for integers and text.

    >>> pack_each([1, "a"])
    [b'\\x01', b'\\xa1a']
    """
    return _each(items, pack_canonical)


def pack_list(items: Sequence[Any]) -> list[bytes]:
    """`pack` of each, as fast."""
    return _each(items, pack)


def _each(items: Sequence[Any], slow: Callable[[Any], bytes]) -> list[bytes]:
    if len(items) == 1:
        return [slow(items[0])]
    fast = msgpack.Packer(use_bin_type=True, autoreset=True).pack  # (a buffer of its own: items may be long)
    kinds = set(map(type, items))
    if (kinds == {str} and all(map(str.isascii, items))) or (
        kinds == {int} and min(items) >= -(2**63) and max(items) < 2**64
    ):
        return list(map(fast, items))  # all of one plain kind: a third of the time
    return [
        fast(v) if ((t := type(v)) is int and -(2**63) <= v < 2**64) or (t is str and v.isascii()) else slow(v)
        for v in items
    ]


def check_items(items: Sequence[Any]) -> None:
    """Raises ValueInvalid or TooLarge if a list of these is no value: one may be deep enough by itself already."""
    for item in items:
        if isinstance(item, (dict, list, tuple)):
            pack(list(items))
            return


def join_array(parts: list[bytes]) -> bytes:
    """The packed array of packed values. O(bytes)."""
    return _head(len(parts), 0x90, 0xDC) + b"".join(parts)


def join_map(parts: list[bytes]) -> bytes:
    """The packed map of packed names and values in turn, names sorted. O(bytes)."""
    return _head(len(parts) // 2, 0x80, 0xDE) + b"".join(parts)


def _head(n: int, small: int, large: int) -> bytes:
    """How MessagePack begins an array or map of n."""
    if n < 16:
        return bytes((small | n,))
    return bytes((large,)) + n.to_bytes(2, "big") if n < 65536 else bytes((large + 1,)) + n.to_bytes(4, "big")


def copy(value: Any) -> Any:
    """A deep copy of a value (tuples become lists). O(size).

    >>> copy({"a": (1, [2])})
    {'a': [1, [2]]}
    """
    if isinstance(value, dict):
        return {name: copy(v) if isinstance(v, (dict, list, tuple)) else v for name, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [copy(v) if isinstance(v, (dict, list, tuple)) else v for v in value]
    return value


def equal(a: Any, b: Any) -> bool:
    """Whether two values are the same, the order of members aside. O(size).

    1, 1.0 and True are three values, 0.0 and -0.0 are two.

    >>> equal({"a": 1, "b": 2}, {"b": 2, "a": 1}), equal([1], [1.0]), equal(0.0, -0.0)
    (True, False, False)
    """
    if isinstance(a, dict):
        return (
            isinstance(b, dict)
            and len(a) == len(b)
            and all(name in b and equal(value, b[name]) for name, value in a.items())
        )
    if isinstance(a, (list, tuple)):
        return isinstance(b, (list, tuple)) and len(a) == len(b) and all(map(equal, a, b))
    if type(a) is not type(b) or a != b:
        return False
    return type(a) is not float or copysign(1.0, a) == copysign(1.0, b)


def sort_key(value: Any) -> tuple[Any, ...]:
    """A key that puts any values in one total order, equal values at one place. O(size).

    null < false < true < numbers by value (where they tie: integer, -0.0, float) <
    strings by code point < arrays < objects < blobs.

    >>> sorted([Blob(b""), {}, [], "a", 2, 1.5, True, None], key=sort_key)[:5]
    [None, True, 1.5, 2, 'a']
    """
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return (2,) if value else (1,)
    if isinstance(value, int):
        return (3, value, 0)
    if isinstance(value, float):
        return (3, value, 1 if copysign(1.0, value) < 0 else 2)
    if isinstance(value, str):
        return (4, value)
    if isinstance(value, (list, tuple)):
        return (5, *map(sort_key, value))
    if isinstance(value, dict):
        return (6, *((name, sort_key(value[name])) for name in sorted(value)))
    if isinstance(value, Blob):
        return (7, value.content_type, value.data)
    raise ValueInvalid(f"{show(value)} is no value: {_allowed(value)}")


def parse_json(text: object) -> Any:
    """The value that JSON text stands for; bytes are UTF-8. O(size).

    Raises ValueInvalid, with the JSON pointer and the value, for what JSON's
    grammar lets through and no store should: duplicate members, NaN, Infinity
    and numbers beyond a float, lone surrogates, more than MAX_DEPTH levels,
    integers beyond MAX_INT_DIGITS.

    >>> parse_json('{"a": {"b": 1, "b": 2}}')
    Traceback (most recent call last):
    crdtkv.errors.ValueInvalid: at '/a': member 'b' occurs twice
    """
    if not isinstance(text, (str, bytes)):
        raise ValueInvalid(f"JSON is text or bytes; not {show(text)}")
    try:
        words = text if isinstance(text, str) else text.decode("utf-8")
        try:  # half the price of `decode`, which looks for white space on both sides
            value, end = _scan(words, 0)
        except StopIteration:
            end = -1
        if end != len(words.rstrip(" \t\n\r")):
            value = _decoder.decode(words)
    except UnicodeDecodeError as error:
        raise ValueInvalid(f"not UTF-8 at byte {error.start}: {show(text)}") from None
    except json.JSONDecodeError as error:
        raise ValueInvalid(f"not JSON at character {error.pos}: {show(_around(error))}: {error.msg.lower()}") from None
    except RecursionError:
        raise ValueInvalid(f"deeper than {MAX_DEPTH} levels: {show(text)}") from None
    except ValueError:
        # The parser says nothing of where, so parse again and mark each long integer.
        value = json.loads(words, object_pairs_hook=_object, parse_constant=_constant, parse_int=_parse_int)
    if type(value) not in _PLAIN:
        _check(value)
    if ("\\u" in words and _SURROGATE_ESCAPE.search(words)) or (words is text and not _is_unicode(words)):
        _raise_problem(value)
    return value


def to_json(value: Any) -> str:
    """The JSON text of a value, members in their order, as short as it gets.

    Raises ValueInvalid for a blob: JSON has none, so a door must decide.

    >>> to_json({"é": [1.0, None]})
    '{"é":[1.0,null]}'
    """
    try:
        return _encode(value)
    except (ValueError, RecursionError):
        _check(value)
        _raise_problem(value)
        raise


def _no_json(value: Any) -> Any:
    if isinstance(value, Blob):
        raise ValueInvalid(f"JSON has no words for {show(value)}: read it as a blob")
    raise ValueError(f"{show(value)} is no value")  # (`to_json` says where it stands)


# (`json.dumps` would make such an encoder for each value.)
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_no_json).encode


def _check(value: Any) -> None:
    """Raise unless `value` is made of what JSON has. Surrogates and integers are left to the packer.

    It looks at the *types* of a container's items first, at C speed, and at the
    items only where their type asks for it: 10,000 integers are one set.
    """
    if _weighed((value,), 0, {}) is None:
        _raise_problem(value)


def _weighed(items: Any, depth: int, known: dict[int, tuple[int, int]]) -> tuple[int, int] | None:
    """How many items there are, all in all, and how many levels of containers; None if one is no value.

    A few lists that hold one another may stand for 2**50 items: each is looked at once, and is in `known` then. (No
    function in a function that calls itself: each call would leave a cycle for the collector.)
    """
    types = set(map(type, items))
    count, levels = len(items), 0
    if types <= _PLAIN:
        return count, levels
    if not types <= _SCALARS:
        if not all(issubclass(t, _TYPES) for t in types):
            return None
        for item in items:
            if isinstance(item, (dict, list, tuple)):
                found = known.get(id(item))
                if found is None:
                    if depth == MAX_DEPTH or (isinstance(item, dict) and not all(map(_is_str, item))):
                        return None
                    found = _weighed(item.values() if isinstance(item, dict) else item, depth + 1, known)
                    if found is None:
                        return None
                    known[id(item)] = found
                count, levels = count + found[0], max(levels, found[1] + 1)
    if count > MAX_PACKED:
        raise TooLarge(f"value has {count} items; it is at most {MAX_PACKED} bytes packed")
    sound = depth + levels <= MAX_DEPTH and all(isfinite(item) for item in items if isinstance(item, float))
    return (count, levels) if sound else None


_PLAIN: Final = frozenset({type(None), bool, int, str, Blob})
_SCALARS: Final = _PLAIN | {float}
_TYPES: Final = (type(None), bool, int, str, Blob, float, dict, list, tuple)


def _is_str(name: Any) -> bool:
    return isinstance(name, str)


def _pack_checked(value: Any) -> bytes:
    try:
        data: bytes = msgpack.packb(value, default=_pack_ext, use_bin_type=True, unicode_errors="strict")
    except (UnicodeEncodeError, ValueInvalid):
        _raise_problem(value)
        raise
    except ValueError as error:  # msgpack's own limits, 2**32 of anything
        raise TooLarge(f"value is beyond {MAX_PACKED} bytes: {error}") from None
    if len(data) > MAX_PACKED:
        raise TooLarge(f"value is {len(data)} bytes packed; at most {MAX_PACKED}")
    return data


def _pack_ext(value: Any) -> Any:
    """What MessagePack lacks: integers beyond 64 bits, blobs."""
    if isinstance(value, Blob):
        kind = value.content_type.encode("ascii")
        return msgpack.ExtType(_EXT_BLOB, bytes((len(kind),)) + kind + value.data)
    if isinstance(value, int) and -_INT_END < value < _INT_END:
        return msgpack.ExtType(_EXT_INT, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))
    raise ValueInvalid(f"{show(value)} is no value: {_allowed(value)}")


def _unpack_ext(code: int, data: bytes) -> Any:
    if code == _EXT_INT:
        return int.from_bytes(data, "big", signed=True)
    if code == _EXT_BLOB and data and len(data) > data[0]:
        end = 1 + data[0]
        return blob_in(data[end:], data[1:end])
    raise ValueError(f"no extension type {code}")


def _sorted(value: Any) -> Any:
    """`value` with the members of every object in order."""
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    if isinstance(value, (list, tuple)):
        return [_sorted(v) if isinstance(v, (dict, list, tuple)) else v for v in value]
    return value


def _object(pairs: list[tuple[str, Any]]) -> Any:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    seen: set[str] = set()
    for name, _ in pairs:
        if name in seen:
            return _Refused(f"member {show(name)} occurs twice")
        seen.add(name)
    raise AssertionError("a duplicate member that is none")


def _constant(name: str) -> Any:
    return _Refused(f"{name} is no JSON number")


# (`json.loads` would make such a decoder for each text.)
_decoder = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant)
_scan = _decoder.scan_once  # type: ignore[attr-defined]


def _parse_int(digits: str) -> Any:
    try:
        return int(digits)
    except ValueError:
        return _Refused(f"integer {digits[:20]}... has {len(digits.lstrip('-'))} digits; at most {MAX_INT_DIGITS}")


def _raise_problem(value: Any) -> None:
    """Raise the first problem found in `value`, if there is one. Slow: only for words."""
    for path, why in _problems(value, "", 0, set()):
        raise ValueInvalid(f"at {path!r}: {why}" if path else why)


def _problems(value: Any, path: str, depth: int, sound: set[tuple[int, int]]) -> Iterator[tuple[str, str]]:
    """(JSON pointer, what is wrong there), depth first. `sound`: containers that have no problem, at which depth."""
    if isinstance(value, (dict, list, tuple)):
        if (id(value), depth) in sound:
            return
        if depth == MAX_DEPTH:
            yield path, f"deeper than {MAX_DEPTH} levels: {show(value)}"
            return
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for name, item in items:
            if isinstance(value, dict):
                yield from ((path, f"member name {why}") for why in _wrong_name(name))
            yield from _problems(item, f"{path}/{_pointer(name)}", depth + 1, sound)
        sound.add((id(value), depth))
    elif isinstance(value, str):
        if not _is_unicode(value):
            yield path, f"string {show(value)} has a lone surrogate"
    elif isinstance(value, float):
        if not isfinite(value):
            yield path, f"number {value!r} is not finite"
    elif isinstance(value, _Refused):
        yield path, value.why
    elif isinstance(value, int) and not -_INT_END < value < _INT_END:
        yield path, f"integer of {value.bit_length()} bits is beyond {MAX_INT_DIGITS} digits"
    elif not isinstance(value, _TYPES):
        yield path, f"{show(value)} is no value: {_allowed(value)}"


def _wrong_name(name: Any) -> Iterator[str]:
    if not isinstance(name, str):
        yield f"{show(name)} is {type(name).__name__}, not a string"
    elif not _is_unicode(name):
        yield f"{show(name)} has a lone surrogate"


def _pointer(name: Any) -> str:
    """A member's name or an index as a component of a JSON pointer (RFC 6901)."""
    return str(name).replace("~", "~0").replace("/", "~1").encode("utf-8", "backslashreplace").decode()


def _is_unicode(text: str) -> bool:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _allowed(value: Any) -> str:
    if isinstance(value, (bytes, bytearray, memoryview)):
        return "bytes are stored as a Blob"
    return "a value is None, bool, int, float, str, list, dict or Blob"


def _around(error: json.JSONDecodeError) -> str:
    return error.doc[max(0, error.pos - 20) : error.pos + 20]
