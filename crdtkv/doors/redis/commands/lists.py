"""Lists: a `list`, each element its own fate. What two colos push stands, and their runs do not interleave.

A pop takes an element away: two colos that pop at the same time may be given the same (at least once, as in Redis
Active-Active). LSET, LINSERT, LREM and LTRIM mean the elements that are at those places at this colo.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import zip_longest
from typing import Any

from crdtkv.core.cells import is_live, latest
from crdtkv.core.values import unpack
from crdtkv.doors.redis.arguments import MIN_INT
from crdtkv.doors.redis.at import At, Gathered, Wait, key_of
from crdtkv.doors.redis.commands.sets import keys_of_count
from crdtkv.doors.redis.held import element, end_if_empty, held, integer, natural, span, text, timeout, took_options
from crdtkv.doors.redis.refusals import SYNTAX, Refusal
from crdtkv.doors.redis.replies import NIL_ARRAY, OK
from crdtkv.doors.redis.table import command
from crdtkv.strategies.line import line
from crdtkv.strategies.roots import Root

__all__ = ["POPPED", "lindex", "linsert", "llen", "lpos", "lrange", "lrem", "lset", "ltrim"]

POPPED = "is popped by whoever asks first at this colo: two colos may pop the same"
_HERE = "means the places that elements have at this colo"


# reading


def _count(root: Root) -> int:
    plain = line(root[1])
    return len(root[0].read(root[1]) or ()) if plain is None else len(plain)


def _values(root: Root, start: int, stop: int, reverse: bool = False) -> Iterator[bytes]:
    """What stands at start <= index < stop, as text; `reverse`: the last first."""
    plain = line(root[1])
    if plain is None:
        found = (root[0].read(root[1]) or [])[start:stop]
        yield from map(text, reversed(found) if reverse else found)
        return
    tree = root[1]
    for path in plain.paths(start, stop, reverse):
        cell = tree.cell(path)
        payload = cell[0].payload if len(cell) == 1 else latest(s for s in cell if is_live(s.payload)).payload
        yield text(unpack(payload or b""))


def _length(at: At, key: str) -> int:
    root = held(at, key, "list")
    return 0 if root is None else _count(root)


def _at(at: At, key: str, word: bytes) -> int | None:
    """The index that a word means, from the front; None: there is none."""
    index, count = integer(word), _length(at, key)
    index += count if index < 0 else 0
    return index if 0 <= index < count else None


@command("llen", 2, "readonly fast", (1, 1, 1), group="list", maps="how many there are")
def llen(at: At, args: list[bytes]) -> Any:
    """How many elements a list has."""
    return _length(at, key_of(args[1]))


@command("lrange", 4, "readonly", (1, 1, 1), group="list", maps="elements by place")
def lrange(at: At, args: list[bytes]) -> Any:
    """The elements from one place to another."""
    key, start, stop = key_of(args[1]), integer(args[2]), integer(args[3])
    root = held(at, key, "list")
    return [] if root is None else list(_values(root, *span(start, stop, _count(root))))


@command("lindex", 3, "readonly", (1, 1, 1), group="list", maps="an element by place")
def lindex(at: At, args: list[bytes]) -> Any:
    """The element at a place."""
    key = key_of(args[1])
    root = held(at, key, "list")
    found = None if root is None else _at(at, key, args[2])
    return None if root is None or found is None else next(_values(root, found, found + 1))


@command("lpos", -3, "readonly", (1, 1, 1), group="list", maps="places of an element")
def lpos(at: At, args: list[bytes]) -> Any:
    """Where elements like this one stand."""
    rank, wanted, most = _lpos_options(args[3:])
    root = held(at, key_of(args[1]), "list")
    found = [] if root is None else list(_matches(root, args[2], rank, 1 if wanted is None else wanted, most))
    if wanted is None:
        return found[0] if found else None
    return found


def _lpos_options(words: list[bytes]) -> tuple[int, int | None, int]:
    """RANK, COUNT and MAXLEN. Raises Refusal, of the first that is wrong."""
    rank, wanted, most = 1, None, 0
    for name, value in zip_longest(words[::2], words[1::2]):
        option = name.lower()
        if value is None or option not in (b"rank", b"count", b"maxlen"):
            raise Refusal(SYNTAX)
        if option == b"rank":
            rank = integer(value)
            if rank in (0, MIN_INT):
                raise Refusal("ERR value is out of range" if rank else _NO_RANK)
        elif option == b"count":
            wanted = natural(value, "ERR COUNT can't be negative")
        else:
            most = natural(value, "ERR MAXLEN can't be negative")
    return rank, wanted, most


_NO_RANK = (
    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... "
    "or use negative to start from the end of the list"
)


def _matches(root: Root, word: bytes, rank: int, wanted: int, most: int) -> Iterator[int]:
    """Where `word` stands from its |rank|-th place on, from the end for a negative one; `wanted`, `most`: 0: all."""
    count = _count(root)
    given = 0
    for seen, value in enumerate(_values(root, 0, count, rank < 0), 1):
        if value == word:
            given += 1
            if given >= abs(rank):
                yield count - seen if rank < 0 else seen - 1
                if wanted and given - abs(rank) + 1 == wanted:
                    return
        if seen == most:
            return


# pushing


class _Pushes(Gathered):
    """What RPUSH, or LPUSH, has said of a list in a row, and how many elements it has with that."""

    __slots__ = ("_operation", "count")

    def __init__(self, key: str, operation: str, count: int) -> None:
        super().__init__(key)
        self._operation = operation
        self.count = count

    def push(self, words: list[bytes]) -> int:
        """How many there are then."""
        if len(words) == 1:  # as most say
            self.words.append(element(words[0]))
            self.count += 1
        else:
            self.words += map(element, words)
            self.count += len(words)
        return self.count

    def write(self, at: At) -> None:
        if self.words:
            at.operate(self.key, "list", self._operation, *_in_order(self._operation, self.words))


def _in_order(operation: str, new: list[Any]) -> list[Any]:
    """What is pushed one by one, as it stands then."""
    return new[::-1] if operation == "prepend" else new


def _push(name: str, operation: str, only: bool) -> None:
    event = name.removesuffix("x")

    def push(at: At, args: list[bytes]) -> Any:
        known = at.gathered.get(args[1])
        if known is None:
            key = key_of(args[1])
            root = held(at, key, "list")
            if only and root is None:
                return 0
            if root is None:
                at.operate(key, "list", operation, *_in_order(operation, list(map(element, args[2:]))))
                at.note(event, key)
                return len(args) - 2
            known = _Pushes(key, operation, _count(root))
            if at.combines:
                at.gathered[args[1]] = known
        told = known.push(args[2:])
        if not at.combines:
            known.write(at)
        if at.tells:
            at.note(event, known.key)
        return told

    end = "front" if operation == "prepend" else "end"
    push.__doc__ = f"Puts elements at the {end} of a list{' that is there' if only else ''}; how many it has then."
    local = "asks whether the list is there at this colo" if only else ""
    flags = "write denyoom fast"
    command(name, -3, flags, (1, 1, 1), group="list", maps=operation, local=local, combines=event)(push)


_push("rpush", "append", False)
_push("lpush", "prepend", False)
_push("rpushx", "append", True)
_push("lpushx", "prepend", True)


@command("linsert", 5, "write denyoom", (1, 1, 1), group="list", maps="insert", local=_HERE)
def linsert(at: At, args: list[bytes]) -> Any:
    """Puts an element before or behind another; how many there are then, -1 if the other is not there."""
    key, where = key_of(args[1]), args[2].lower()
    if where not in (b"before", b"after"):
        raise Refusal(SYNTAX)
    root = held(at, key, "list")
    if root is None:
        return 0
    found = next(_matches(root, args[3], 1, 1, 0), None)
    if found is None:
        return -1
    at.operate(key, "list", "insert", found + (where == b"after"), element(args[4]))
    at.note("linsert", key)
    return _length(at, key)


@command("lset", 4, "write denyoom", (1, 1, 1), group="list", maps="set", local=_HERE)
def lset(at: At, args: list[bytes]) -> Any:
    """Sets the element at a place."""
    key = key_of(args[1])
    if held(at, key, "list") is None:
        raise Refusal("ERR no such key")
    found = _at(at, key, args[2])
    if found is None:
        raise Refusal("ERR index out of range")
    at.operate(key, "list", "set", found, element(args[3]))
    at.note("lset", key)
    return OK


# taking away


def _take(at: At, key: str, start: int, count: int, event: str) -> None:
    """`count` elements from `start` on are gone."""
    if count:
        at.operate(key, "list", "remove", start, count)
        if event:
            at.note(event, key)
        end_if_empty(at, key)


@command("lrem", 4, "write", (1, 1, 1), group="list", maps="remove", local=_HERE)
def lrem(at: At, args: list[bytes]) -> Any:
    """Removes elements like this one: so many from the front, for a negative number from the end, for 0 all."""
    key, count = key_of(args[1]), integer(args[2])
    root = held(at, key, "list")
    found = [] if root is None else sorted(_matches(root, args[3], -1 if count < 0 else 1, abs(count), 0))
    for index in reversed(found):
        at.operate(key, "list", "remove", index)
    if found:
        at.note("lrem", key)
        end_if_empty(at, key)
    return len(found)


@command("ltrim", 4, "write", (1, 1, 1), group="list", maps="remove of what is outside", local=_HERE)
def ltrim(at: At, args: list[bytes]) -> Any:
    """Removes all elements but those from one place to another; what others push meanwhile stands."""
    key, first, last = key_of(args[1]), integer(args[2]), integer(args[3])
    root = held(at, key, "list")
    if root is None:
        return OK
    count = _count(root)
    start, stop = span(first, last, count)
    at.note("ltrim", key)
    if start == stop:
        _take(at, key, 0, count, "")
    else:
        _take(at, key, stop, count - stop, "")
        _take(at, key, 0, start, "")
    return OK


def _pop(at: At, key: str, left: bool, count: int) -> list[bytes]:
    """Up to `count` elements from an end of a list, the outermost first, which are gone from it."""
    root = held(at, key, "list")
    if root is None:
        return []
    there = _count(root)
    count = min(count, there)
    start = 0 if left else there - count
    found = list(_values(root, start, start + count, not left))
    _take(at, key, start, count, "lpop" if left else "rpop")
    return found


def _define_pop(name: str, left: bool) -> None:
    def pop(at: At, args: list[bytes]) -> Any:
        if len(args) > 3:
            raise Refusal(f"ERR wrong number of arguments for '{name}' command")
        key = key_of(args[1])
        if len(args) == 2:
            found = _pop(at, key, left, 1)
            return found[0] if found else None
        count = natural(args[2])
        if held(at, key, "list") is None:
            return NIL_ARRAY
        return _pop(at, key, left, count)

    def wait(at: At, args: list[bytes]) -> Any:
        seconds = timeout(args[-1])
        for word in args[1:-1]:
            found = _pop(at, key_of(word), left, 1)
            if found:
                return [word, found[0]]
        return Wait(seconds, NIL_ARRAY)

    end = "first" if left else "last"
    pop.__doc__ = f"Removes the {end} elements of a list, and tells them."
    wait.__doc__ = f"Removes the {end} element of the first of the lists that has one, and tells it; waits for one."
    command(name, -2, "write fast", (1, 1, 1), group="list", maps="remove", local=POPPED)(pop)
    command(f"b{name}", -3, "write blocking", (1, -2, 1), group="list", maps="remove", local=POPPED)(wait)


_define_pop("lpop", True)
_define_pop("rpop", False)


# from list to list


def _side(word: bytes) -> bool:
    """Whether it is the left end."""
    if word.lower() not in (b"left", b"right"):
        raise Refusal(SYNTAX)
    return word.lower() == b"left"


def _move(at: At, args: list[bytes], take_left: bool, put_left: bool) -> Any:
    source, target = key_of(args[1]), key_of(args[2])
    root = held(at, source, "list")
    if root is None or not _count(root):
        return None
    held(at, target, "list")
    [moved] = _pop(at, source, take_left, 1)
    at.operate(target, "list", "prepend" if put_left else "append", element(moved))
    at.note("lpush" if put_left else "rpush", target)
    return moved


def _define_move(name: str, arity: int, sides: Callable[[list[bytes]], tuple[bool, bool]], blocking: bool) -> None:
    def move(at: At, args: list[bytes]) -> Any:
        take_left, put_left = sides(args)
        seconds = timeout(args[-1]) if blocking else 0
        found = _move(at, args, take_left, put_left)
        return Wait(seconds, NIL_ARRAY) if blocking and found is None else found

    move.__doc__ = f"Moves an element from an end of a list to an end of another{'; waits for one' * blocking}."
    flags = "write denyoom blocking" if blocking else "write denyoom"
    command(name, arity, flags, (1, 2, 1), group="list", maps="remove, append or prepend", local=POPPED)(move)


def _named(args: list[bytes]) -> tuple[bool, bool]:
    return _side(args[3]), _side(args[4])


_define_move("lmove", 5, _named, False)
_define_move("blmove", 6, _named, True)
_define_move("rpoplpush", 3, lambda _: (False, True), False)
_define_move("brpoplpush", 4, lambda _: (False, True), True)


def _define_mpop(name: str, arity: int, at_word: int) -> None:
    def mpop(at: At, args: list[bytes]) -> Any:
        seconds = timeout(args[1]) if at_word > 1 else 0
        keys, words = keys_of_count(args, at_word, SYNTAX)
        if not words:
            raise Refusal(SYNTAX)
        left, options = _side(words[0]), took_options(words[1:], count=1)
        count = integer(options["count"][0], 1, why="ERR count should be greater than 0") if options else 1
        for key in keys:
            found = _pop(at, key, left, count)
            if found:
                return [key.encode(), found]
        return Wait(seconds, NIL_ARRAY) if at_word > 1 else NIL_ARRAY

    mpop.__doc__ = f"Removes elements of the first of the lists that has some{'; waits for them' * (at_word > 1)}."
    flags = "write movablekeys" + " blocking" * (at_word > 1)
    command(name, arity, flags, (0, 0, 0), group="list", maps="remove", local=POPPED)(mpop)


_define_mpop("lmpop", -4, 1)
_define_mpop("blmpop", -5, 2)
