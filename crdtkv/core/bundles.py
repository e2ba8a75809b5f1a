"""Records that travel side by side, told as one: what they share is said once.

A bundle is columns: whose records they are, their stamps as differences, keys, paths and
payloads behind what all of them begin with. What follows from the record before (its
number, the hash that it names, its checksum) is not said at all. A record of another shape
stands beside the bundles as it is.

Law of this room: `unbundled(bundled(records)) == records`, to the byte, since the bytes of a
record are what the next one names; and whatever comes in, what it is unfolded to is at most
MAX_UNFOLDED, or MessageInvalid is raised.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise, starmap
from operator import eq
from typing import Any

import msgpack

from crdtkv.core.clocks import COUNTER_BITS, Stamp, make_stamp, stamp_ms
from crdtkv.core.envelope import seal
from crdtkv.core.parts import expect, fields_in
from crdtkv.core.wire import RECORDS, chain
from crdtkv.errors import MessageInvalid

__all__ = ["MAX_UNFOLDED", "bundled", "unbundled"]

MAX_UNFOLDED = 4 << 20
"""Bytes that one message of bundles may stand for."""

_SHORT = 8
"""Bytes of values, on average, of which it is not worth it to look for more that they share."""
_MAX_SHARED, _MAX_NAME, _MAX_WRITES = 256, 256, 1 << 16
_HEAD = bytes((RECORDS,)) + b"r"
_KEYS: frozenset[type] = frozenset({str})
_PATHS: frozenset[type] = frozenset({bytes})
_ANY: frozenset[type] = frozenset({bytes, type(None)})


# out


def bundled(records: Sequence[bytes]) -> list[Any]:
    """Records that `decode` takes, as bundles; those that no bundle can hold as they are. O(size)."""
    if len(records) < 2 or sum(map(len, records)) > MAX_UNFOLDED // 2:
        return list(records)
    parts: list[Any] = []
    bundle = _Bundle()
    for data in records:
        body = _usual(data)
        if body is not None and bundle.add(body, data):
            continue
        parts += bundle.told()
        bundle = _Bundle()
        if body is None or not bundle.add(body, data):
            parts.append(data)
    return parts + bundle.told()


def _usual(data: bytes) -> list[Any] | None:
    """The fields of a record, if a bundle can hold it: one that writes something."""
    if data[:2] != _HEAD:
        return None
    body = msgpack.unpackb(data[2:-4], raw=False, strict_map_key=True)
    return [*body, []][:8] if len(body) in (7, 8) and body[6] else None


class _Bundle:
    """One that grows, record by record."""

    def __init__(self) -> None:
        self._records: list[bytes] = []
        self._names: dict[str, int] = {}
        self._last: dict[int, tuple[int, int]] = {}
        self._heads: list[int] = []
        self._whose: list[int] = []
        self._stamps: list[int] = []
        self._needs: list[list[int]] = []
        self._floors: list[int] = []
        self._counts: list[int] = []
        self._writes: list[tuple[str, bytes, bytes | None, Any, list[int]]] = []
        self._lives: list[list[list[int]]] = []

    def add(self, body: list[Any], data: bytes) -> bool:
        """One more, if it goes on from the last of its origin."""
        replica, n, stamp, previous, needs, floor, groups, lives = body
        who = self._name(replica)
        last = self._last.get(who)
        if last is None:
            self._heads += (n, previous)
        elif last != (n - 1, previous):
            return False
        self._last[who] = n, chain(data)
        self._records.append(data)
        self._whose.append(who)
        self._stamps.append(stamp)
        self._needs.append(self._vector(needs))
        self._floors.append(floor)
        before = len(self._writes)
        for key, *writes in groups:
            for path, payload, *dots in writes:
                lost = self._dots(dots[1]) if len(dots) > 1 else []
                self._writes.append((key, path, payload, self._parents(replica, n, *dots[:1]), lost))
        self._counts.append(len(self._writes) - before)
        self._lives.append([self._life(before, *life) for life in lives] if lives else [])
        return True

    def _life(self, first: int, key: str, replaced: dict[str, int]) -> list[int]:
        """The key by the write of this record that is the first to it."""
        at = next((w for w in range(first, len(self._writes)) if self._writes[w][0] == key), first)
        return [at - first, *self._vector(replaced)]

    def _vector(self, vector: dict[str, int]) -> list[int]:
        return self._dots([part for dot in vector.items() for part in dot]) if vector else []

    def _name(self, replica: str) -> int:
        return self._names.setdefault(replica, len(self._names))

    def _dots(self, flat: Sequence[Any]) -> list[int]:
        return [part if at % 2 else self._name(part) for at, part in enumerate(flat)]

    def _parents(self, replica: str, n: int, flat: Sequence[Any] = ()) -> Any:
        """None: 0. One of the same replica: how many transactions before. Others: as dots."""
        if not flat:
            return 0
        return n - flat[1] if len(flat) == 2 and flat[0] == replica and flat[1] < n else self._dots(flat)

    def told(self) -> list[Any]:
        """What is sent of it: nothing, or itself; or its records as they are, where these are not just what it says."""
        if len(self._records) < 2:
            return self._records
        stamps = self._stamps
        keys, paths, payloads, parents, lost = zip(*self._writes, strict=True)
        made = [
            list(self._names), self._whose if any(self._whose) else [], self._heads,
            [stamps[0], *starmap(_step, pairwise(stamps))],
            _any(self._needs), _alike(self._floors), _alike(self._counts),
            _column(keys), _column(paths), _column(payloads), _any(parents), _any(lost), _any(self._lives),
        ]  # fmt: skip
        return [made] if _unfolds(made, self._records) else self._records


def _unfolds(made: list[Any], records: list[bytes]) -> bool:
    try:
        return all(map(eq, _unfolded(made), records))
    except MessageInvalid:
        return False


def _step(before: Stamp, stamp: Stamp) -> Any:
    """0: the next one of the same millisecond. How many milliseconds later, if it is the first of that one. Or both."""
    ms, counter = divmod(stamp, 1 << COUNTER_BITS)
    later = ms - stamp_ms(before)
    return 0 if stamp == before + 1 else [later, counter] if counter or not later else later


def _any(said: Sequence[Any]) -> list[Any]:
    """None where nothing is said."""
    return list(said) if any(said) else []


def _alike(numbers: list[int]) -> list[int]:
    return numbers[:1] if numbers.count(numbers[0]) == len(numbers) else numbers


def _column(values: Sequence[Any]) -> list[Any]:
    """One for all; what all begin with, and the rest of each; or of each after the first how much of the one before
    it begins it, and the rest."""
    if values.count(values[0]) == len(values):
        return [values[0]]
    if None in values:
        return [b"", *values]
    most = _alike_up_to(min(values), max(values))
    rest = [value[most:] for value in values]
    if sum(map(len, rest)) > _SHORT * len(rest):
        each = list(map(_alike_up_to, values, values[1:]))
        if sum(each) > (most + 1) * len(each):
            return [values[0], each, *(value[at:] for value, at in zip(values[1:], each, strict=True))]
    return [values[0][:most], *rest]


def _alike_up_to(one: Any, other: Any) -> int:
    """How long the beginning is that they share."""
    low, high = 0, min(len(one), len(other), _MAX_SHARED)
    while low < high:
        at = (low + high + 1) // 2
        low, high = (at, high) if one[:at] == other[:at] else (low, at - 1)
    return low


# in


def unbundled(parts: Any) -> tuple[bytes, ...]:
    """The records of all parts, each as its origin encoded it. O(what they unfold to). Raises MessageInvalid."""
    out: list[bytes] = []
    size = 0
    try:
        for part in expect(parts, list):
            if type(part) is bytes:
                out.append(part)
                continue
            for data in _unfolded(part):
                size += len(data)
                if size > MAX_UNFOLDED:
                    raise MessageInvalid(f"message has bundles of more than {MAX_UNFOLDED} bytes of records")
                out.append(data)
    except MessageInvalid:
        raise
    except Exception as error:
        raise MessageInvalid(f"a bundle is malformed: {type(error).__name__}: {error}") from error
    return tuple(out)


def _unfolded(part: Any) -> Iterator[bytes]:
    """The records of one bundle. Whatever is wrong in it that makes nothing large is left to who decodes them."""
    names, whose, heads, stamps, needs, floors, counts, keys, paths, payloads, parents, lost, lives = fields_in(
        part, 13, ()
    )
    floors, counts = _each(floors, len(stamps)), _each(counts, len(stamps))
    writes = sum(counts)
    if min(counts) < 1 or writes > _MAX_WRITES:
        raise MessageInvalid(f"message has a bundle of {writes} writes; 1 to {_MAX_WRITES}, and one of each record")
    keys, paths = _values(keys, writes, _KEYS), _values(paths, writes, _PATHS)
    payloads = _values(payloads, writes, _ANY)
    _check_names(names, needs, parents, lost, *lives)
    if max(map(len, keys)) * sum(map(len, lives)) > MAX_UNFOLDED:
        raise MessageInvalid(f"message has a bundle with {sum(map(len, lives))} keys made anew; too many")
    last: dict[int, tuple[int, int]] = {}
    at = head = stamp = 0
    for i, count in enumerate(counts):
        who = whose[i] if whose else 0
        replica, stamp = names[who], _stepped(stamp, stamps[i]) if i else stamps[0]
        if who in last:
            n, previous = last[who]
        else:
            n, previous = heads[head : head + 2]
            head += 2
        groups: list[list[Any]] = []
        for w in range(at, at + count):
            write = [paths[w], payloads[w]]
            if parents and parents[w] != 0:
                said = parents[w]
                write.append([replica, n - said] if type(said) is int else _dots(names, said))
            if lost and lost[w]:
                write += [[], _dots(names, lost[w])] if len(write) == 2 else [_dots(names, lost[w])]
            if groups and groups[-1][0] == keys[w]:
                groups[-1].append(write)
            else:
                groups.append([keys[w], write])
        needed = _vector(names, needs[i]) if needs else {}
        body = [replica, n, stamp, previous, needed, floors[i], groups]
        if lives and lives[i]:
            body.append([[keys[at + w], _vector(names, replaced)] for w, *replaced in lives[i]])
        at += count
        data = seal(b"r", body, RECORDS)
        last[who] = n + 1, chain(data)
        yield data


def _stepped(before: Stamp, step: Any) -> Stamp:
    if type(step) is int:
        return make_stamp(stamp_ms(before) + step) if step else before + 1
    later, counter = step
    return make_stamp(stamp_ms(before) + later) + expect(counter, int)


def _each(numbers: Any, count: int) -> list[int]:
    """So many: one for all, or each."""
    if set(map(type, numbers)) != {int} or len(numbers) not in (1, count):
        raise MessageInvalid(f"message has a bundle with {len(numbers)} numbers for {count} records")
    return numbers * count if len(numbers) == 1 else numbers  # type: ignore[no-any-return]


def _values(column: Any, count: int, kinds: frozenset[type]) -> list[Any]:
    """So many of these kinds, as `_column` tells them."""
    first, *rest = expect(column, list)
    alike = rest.pop(0) if rest and type(rest[0]) is list else None
    if not {type(first), *map(type, rest)} <= kinds or (rest and len(rest) + (alike is not None) != count):
        raise MessageInvalid(f"message has a bundle with {len(rest)} values for {count} writes, or of a wrong type")
    if alike is not None:
        return _continued(first, alike, rest)
    if first is None and not rest:
        return [None] * count
    if len(first) * count > MAX_UNFOLDED:
        raise MessageInvalid(f"message has a bundle of {count} writes that share {len(first)} bytes; too many")
    if not rest:
        return [first] * count
    return [None if value is None else first + value for value in rest] if first else rest


def _continued(value: Any, alike: list[int], rest: list[Any]) -> list[Any]:
    """Each begins as the one before it, so far."""
    out, size = [value], len(value)
    for at, end in zip(alike, rest, strict=True):
        value = value[:at] + end
        size += len(value)
        if size > MAX_UNFOLDED:
            raise MessageInvalid(f"message has a bundle of more than {MAX_UNFOLDED} bytes")
        out.append(value)
    return out


def _check_names(names: Any, *said: Any) -> None:
    """What is named often may not be long."""
    longest = max(len(expect(name, str)) for name in names)
    named = sum(len(dots) for column in said for dots in column if type(dots) is not int)
    if longest > _MAX_NAME or longest * named > MAX_UNFOLDED:
        raise MessageInvalid(f"message has a bundle that names replicas of up to {longest} characters {named} times")


def _dots(names: list[str], said: list[Any]) -> list[Any]:
    return [part if at % 2 else names[part] for at, part in enumerate(said)]


def _vector(names: list[str], said: list[Any]) -> dict[str, Any]:
    return {names[who]: n for who, n in zip(said[::2], said[1::2], strict=True)}
