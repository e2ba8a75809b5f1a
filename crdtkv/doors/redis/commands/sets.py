"""Sets: a `set`. SADD wins over a concurrent SREM; what is stored (SUNIONSTORE) is what stood at this colo."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any, cast

from crdtkv.core import values
from crdtkv.core.paths import first
from crdtkv.doors.redis.at import At, Gathered, key_of
from crdtkv.doors.redis.commands.hashes import count_of, drawn
from crdtkv.doors.redis.held import (
    check_cursor,
    element,
    end_if_empty,
    held,
    integer,
    name_of,
    natural,
    page,
    path_of,
    took_options,
)
from crdtkv.doors.redis.refusals import SYNTAX, Refusal
from crdtkv.doors.redis.table import command
from crdtkv.strategies.indexes import Members, members
from crdtkv.strategies.roots import Root
from crdtkv.strategies.set import Set

__all__ = [
    "keys_of_count", "limit_of", "replace", "sadd", "scard", "sintercard", "sismember", "smembers", "smismember",
    "smove", "spop", "srandmember", "srem", "sscan", "store_set",
]  # fmt: skip

_POPPED = "is popped by whoever asks first at this colo: two colos may pop the same"


def _members(at: At, key: str) -> Members | None:
    root = held(at, key, "set")
    return None if root is None else members(cast("Set", root[0]), root[1])


def _paths(at: At, key: str) -> set[bytes]:
    found = _members(at, key)
    return set() if found is None else set(found.paths)


class _Added(Gathered):
    """What SADD has said of a set in a row; `there`: what of it is in."""

    __slots__ = ("_found", "_there", "_tree")

    def __init__(self, key: str, root: Root) -> None:
        super().__init__(key)
        self._found, self._tree = cast("Set", root[0]), root[1]
        self._there: dict[bytes, bytes] = {}

    def add(self, words: list[bytes]) -> int:
        """How many of these are new."""
        there = self._there
        if len(words) == 1 and words[0] in there:
            return 0
        fresh = [word for word in words if word not in there]
        if not fresh:
            return 0
        paths = {word: path_of(word) for word in fresh}  # what is refused is refused before anything is kept
        there.update(paths)
        self.words += map(element, paths)
        return sum([not self._found.shows(self._tree.cell(path)) for path in paths.values()])

    def write(self, at: At) -> None:
        if self.words:
            at.operate(self.key, "set", "add", *self.words)


@command("sadd", -3, "write denyoom fast", (1, 1, 1), group="set", maps="add", combines="sadd")
def sadd(at: At, args: list[bytes]) -> Any:
    """Adds elements to a set; how many of them are new."""
    known = at.gathered.get(args[1])
    if known is not None:
        if at.tells:
            at.note("sadd", known.key)
        return known.add(args[2:])
    key = key_of(args[1])
    root = held(at, key, "set")
    if root is None:
        paths = {path_of(word) for word in args[2:]}
        at.operate(key, "set", "add", *map(element, args[2:]))
        new = len(paths)
    else:
        added = _Added(key, root)
        new = added.add(args[2:])
        if at.combines:
            at.gathered[args[1]] = added
        else:
            added.write(at)
    at.note("sadd", key)
    return new


@command("srem", -3, "write fast", (1, 1, 1), group="set", maps="remove")
def srem(at: At, args: list[bytes]) -> Any:
    """Removes elements of a set; those that others added meanwhile and this colo has not seen stand."""
    key = key_of(args[1])
    return _remove(at, key, [word for word in dict.fromkeys(args[2:]) if _is_in(at, key, word)])


def _is_in(at: At, key: str, word: bytes) -> bool:
    root = held(at, key, "set")
    path = path_of(word)
    return root is not None and cast("Set", root[0]).shows(root[1].cell(path))


def _remove(at: At, key: str, words: list[bytes], event: str = "srem") -> int:
    if words:
        at.operate(key, "set", "remove", *map(element, words))
        at.note(event, key)
        end_if_empty(at, key)
    return len(words)


@command("sismember", 3, "readonly fast", (1, 1, 1), group="set", maps="whether it is in")
def sismember(at: At, args: list[bytes]) -> Any:
    """Whether an element is in a set."""
    return int(_is_in(at, key_of(args[1]), args[2]))


@command("smismember", -3, "readonly fast", (1, 1, 1), group="set", maps="whether they are in")
def smismember(at: At, args: list[bytes]) -> Any:
    """Which of these are in a set."""
    key = key_of(args[1])
    return [int(_is_in(at, key, word)) for word in args[2:]]


@command("scard", 2, "readonly fast", (1, 1, 1), group="set", maps="how many are in")
def scard(at: At, args: list[bytes]) -> Any:
    """How many elements a set has."""
    found = _members(at, key_of(args[1]))
    return 0 if found is None else len(found.paths)


@command("smembers", 2, "readonly", (1, 1, 1), group="set", maps="all of it")
def smembers(at: At, args: list[bytes]) -> Any:
    """All elements of a set."""
    return set(map(name_of, _paths(at, key_of(args[1]))))


@command("srandmember", -2, "readonly", (1, 1, 1), group="set", maps="elements, drawn at random")
def srandmember(at: At, args: list[bytes]) -> Any:
    """Elements of a set, drawn at random."""
    count = None if len(args) == 2 else count_of(args)
    found = _members(at, key_of(args[1]))
    if count is None:
        return None if found is None or not found.order else name_of(random.choice(found.order))
    return [] if found is None else list(map(name_of, drawn(found.order, count)))


@command("spop", -2, "write fast", (1, 1, 1), group="set", maps="remove of elements drawn at random", local=_POPPED)
def spop(at: At, args: list[bytes]) -> Any:
    """Removes elements drawn at random, and tells them."""
    if len(args) > 3:
        raise Refusal(SYNTAX)
    key = key_of(args[1])
    count = None if len(args) == 2 else natural(args[2])
    found = _members(at, key)
    paths = [] if found is None else drawn(found.order, 1 if count is None else count)
    popped = list(map(name_of, paths))
    if paths:
        # By what they are: another door's may be no text.
        at.operate(key, "set", "remove", *(values.unpack(first(path)[1]) for path in paths))
        at.note("spop", key)
        end_if_empty(at, key)
    if count is not None:
        return set(popped)
    return popped[0] if popped else None


@command(
    "smove", 4, "write fast", (1, 2, 1), group="set", maps="remove and add",
    local="moves what two colos may move at the same time: then it is in both sets",
)  # fmt: skip
def smove(at: At, args: list[bytes]) -> Any:
    """Moves an element from one set to another."""
    source, target = key_of(args[1]), key_of(args[2])
    if held(at, source, "set") is None:
        return 0
    held(at, target, "set")
    if not _is_in(at, source, args[3]):
        return 0
    if source != target:
        there = _is_in(at, target, args[3])
        _remove(at, source, [args[3]])
        if not there:
            at.operate(target, "set", "add", element(args[3]))
            at.note("sadd", target)
    return 1


@command("sscan", -3, "readonly", (1, 1, 1), group="set", maps="a page of it")
def sscan(at: At, args: list[bytes]) -> Any:
    """A page of the elements of a set."""
    check_cursor(args[2])
    found = _members(at, key_of(args[1]))
    if found is None:
        return [b"0", []]
    return page(args[2], args[3:], found, lambda path: [name_of(path)])


# several sets

_Algebra = Callable[[list[set[bytes]]], set[bytes]]


def _intersection(sets: list[set[bytes]]) -> set[bytes]:
    return set.intersection(*sorted(sets, key=len))


def _union(sets: list[set[bytes]]) -> set[bytes]:
    return set().union(*sets)


def _difference(sets: list[set[bytes]]) -> set[bytes]:
    return sets[0].difference(*sets[1:])


def _define(name: str, how: _Algebra, words: str) -> None:
    def read(at: At, args: list[bytes]) -> Any:
        return set(map(name_of, how([_paths(at, key_of(name)) for name in args[1:]])))

    def store(at: At, args: list[bytes]) -> Any:
        target = key_of(args[1])
        found = how([_paths(at, key_of(name)) for name in args[2:]])
        return store_set(at, target, found, f"{name}store")

    read.__doc__ = f"{words} of sets."
    store.__doc__ = f"{words} of sets, as it is at this colo, is put in the place of a key."
    command(name, -2, "readonly slow", (1, -1, 1), group="set", maps="computed here")(read)
    command(f"{name}store", -3, "write denyoom", (1, -1, 1), group="set", maps="put of what was computed here")(store)


_define("sinter", _intersection, "The intersection")
_define("sunion", _union, "The union")
_define("sdiff", _difference, "The difference")


def store_set(at: At, target: str, paths: set[bytes], event: str) -> int:
    """A set of these elements stands at `target`, whatever stood there; how many they are."""
    replace(at, target, "set", [values.unpack(first(path)[1]) for path in sorted(paths)], event)
    return len(paths)


def replace(at: At, target: str, family: str, value: Any, event: str) -> None:
    """A collection stands at `target`, whatever stood there, without a date; empty: nothing does."""
    root = at.shown(target)
    if root is not None and (not value or root[0].name != family):
        at.delete(target)
        root = None
        if not value:
            at.note("del", target)
    if value:
        at.put(target, value, family if root is None else None)
        at.expire(target, None)
        at.note(event, target)


_TOO_MANY = "ERR Number of keys can't be greater than number of args"


def keys_of_count(args: list[bytes], at: int, why: str = _TOO_MANY) -> tuple[list[str], list[bytes]]:
    """The keys behind a count of them at `args[at]`, and the words behind. Raises Refusal, `why`: there are fewer."""
    count = integer(args[at], why="ERR numkeys should be greater than 0")
    if count <= 0:
        raise Refusal("ERR numkeys should be greater than 0")
    if count > len(args) - at - 1:
        raise Refusal(why)
    return [key_of(name) for name in args[at + 1 : at + 1 + count]], args[at + 1 + count :]


@command("sintercard", -3, "readonly slow movablekeys", (0, 0, 0), group="set", maps="computed here")
def sintercard(at: At, args: list[bytes]) -> Any:
    """How many elements are in all of the sets."""
    keys, words = keys_of_count(args, 1)
    limit = limit_of(words)
    found = len(_intersection([_paths(at, key) for key in keys]))
    return min(found, limit) if limit else found


def limit_of(words: list[bytes]) -> int:
    """What LIMIT says; 0: nothing. Raises Refusal."""
    options = took_options(words, limit=1)
    return natural(options["limit"][0], "ERR LIMIT can't be negative") if options else 0
