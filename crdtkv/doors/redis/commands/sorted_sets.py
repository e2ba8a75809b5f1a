"""Sorted sets: a `zset`. Of two ZADD the later score holds, every ZINCRBY counts, and adds win over a ZREM.

NX, XX, GT and LT ask what stands at this colo. A pop takes a member away: two colos that pop at the same time may
be given the same.
"""

from __future__ import annotations

import math
import random
from typing import Any

from crdtkv.doors.redis.arguments import float_of
from crdtkv.doors.redis.at import At, Wait, key_of
from crdtkv.doors.redis.commands.hashes import count_of, drawn
from crdtkv.doors.redis.commands.lists import POPPED
from crdtkv.doors.redis.commands.sets import keys_of_count
from crdtkv.doors.redis.held import (
    check_cursor,
    element,
    integer,
    name_of,
    natural,
    page,
    path_of,
    timeout,
    took_options,
)
from crdtkv.doors.redis.ranked import Place, ranked, remove, score_at
from crdtkv.doors.redis.refusals import NOT_FLOAT, SYNTAX, Refusal
from crdtkv.doors.redis.replies import NIL_ARRAY, Pairs, number
from crdtkv.doors.redis.table import command
from crdtkv.strategies.zset import kept

__all__ = ["pairs", "zadd", "zcard", "zincrby", "zmscore", "zrandmember", "zrem", "zscan", "zscore"]

_FLAGS = frozenset({b"nx", b"xx", b"gt", b"lt", b"ch", b"incr"})
_NAN = "ERR resulting score is not a number (NaN)"


@command("zadd", -4, "write denyoom fast", (1, 1, 1), group="sorted-set", maps="set of scores; INCR: add")
def zadd(at: At, args: list[bytes]) -> Any:
    """Sets the scores of members of a sorted set; how many of them are new."""
    begin = 2
    while begin < len(args) and args[begin].lower() in _FLAGS:
        begin += 1
    flags, words = {word.lower() for word in args[2:begin]}, args[begin:]
    if not words or len(words) % 2:
        raise Refusal(SYNTAX)
    if {b"nx", b"xx"} <= flags:
        raise Refusal("ERR XX and NX options at the same time are not compatible")
    if len(flags & {b"gt", b"lt", b"nx"}) > 1:
        raise Refusal("ERR GT, LT, and/or NX options at the same time are not compatible")
    if b"incr" in flags and len(words) > 2:
        raise Refusal("ERR INCR option supports a single increment-element pair")
    scores = [float_of(word, NOT_FLOAT) for word in words[::2]]
    key = key_of(args[1])
    if b"incr" in flags:
        return _add(at, key, scores[0], words[1], flags)
    return _set(at, key, scores, words[1::2], flags)


def _set(at: At, key: str, scores: list[float], names: list[bytes], flags: set[bytes]) -> int:
    paths = list(map(path_of, names))
    now = {path: score_at(at, key, path) for path in paths}
    new = changed = 0
    given: list[Any] = []
    for score, name, path in zip(scores, names, paths, strict=True):
        was = now[path]
        if not _may(was, score, flags):
            continue
        new += was is None
        changed += was != score
        now[path] = score
        given += (element(name), kept(score))
    if given:
        at.operate(key, "zset", "set", *given)
        at.note("zadd", key)
    return changed if b"ch" in flags else new


def _may(was: float | None, score: float, flags: set[bytes]) -> bool:
    """Whether a score may stand where `was` did."""
    if was is None:
        return b"xx" not in flags
    return b"nx" not in flags and not (b"gt" in flags and score <= was) and not (b"lt" in flags and score >= was)


def _add(at: At, key: str, step: float, name: bytes, flags: set[bytes]) -> float | None:
    path = path_of(name)
    was = score_at(at, key, path)
    after = (was or 0.0) + step
    if math.isnan(after):
        raise Refusal(_NAN)
    if not _may(was, after, flags):
        return None
    at.operate(key, "zset", "add", element(name), kept(step))
    at.note("zincr", key)
    return score_at(at, key, path)


@command("zincrby", 4, "write denyoom fast", (1, 1, 1), group="sorted-set", maps="add")
def zincrby(at: At, args: list[bytes]) -> Any:
    """Adds to the score of a member; adds of all colos count."""
    return _add(at, key_of(args[1]), float_of(args[2], NOT_FLOAT), args[3], set())


@command("zrem", -3, "write fast", (1, 1, 1), group="sorted-set", maps="remove")
def zrem(at: At, args: list[bytes]) -> Any:
    """Removes members; what others wrote of them meanwhile and this colo has not seen stands."""
    key = key_of(args[1])
    paths = [path for path in dict.fromkeys(map(path_of, args[2:])) if score_at(at, key, path) is not None]
    return remove(at, key, paths, "zrem")


@command("zscore", 3, "readonly fast", (1, 1, 1), group="sorted-set", maps="a score")
def zscore(at: At, args: list[bytes]) -> Any:
    """The score of a member."""
    return score_at(at, key_of(args[1]), path_of(args[2]))


@command("zmscore", -3, "readonly fast", (1, 1, 1), group="sorted-set", maps="scores")
def zmscore(at: At, args: list[bytes]) -> Any:
    """The scores of members."""
    key = key_of(args[1])
    return [score_at(at, key, path_of(name)) for name in args[2:]]


@command("zcard", 2, "readonly fast", (1, 1, 1), group="sorted-set", maps="how many there are")
def zcard(at: At, args: list[bytes]) -> Any:
    """How many members a sorted set has."""
    found = ranked(at, key_of(args[1]))
    return 0 if found is None else len(found.order)


def _define_rank(name: str, reverse: bool) -> None:
    def rank(at: At, args: list[bytes]) -> Any:
        found = ranked(at, key_of(args[1]))
        place = None if found is None else found.places.get(path_of(args[2]))
        if found is None or place is None:
            return None
        index = found.order.bisect_left(place)
        return len(found.order) - 1 - index if reverse else index

    rank.__doc__ = f"How many members stand {'behind' if reverse else 'before'} a member."
    command(name, 3, "readonly fast", (1, 1, 1), group="sorted-set", maps="a place")(rank)


_define_rank("zrank", False)
_define_rank("zrevrank", True)


@command("zrandmember", -2, "readonly", (1, 1, 1), group="sorted-set", maps="members, drawn at random")
def zrandmember(at: At, args: list[bytes]) -> Any:
    """Members of a sorted set, drawn at random."""
    count = None if len(args) == 2 else count_of(args, b"withscores")
    found = ranked(at, key_of(args[1]))
    if count is None:
        return None if found is None or not found.order else random.choice(found.order)[1]
    paths = [] if found is None else drawn(list(found.places), count)
    if found is not None and len(args) == 4:
        return pairs([found.places[path] for path in paths], True)
    return list(map(name_of, paths))


def pairs(places: list[Place], scores: bool) -> Any:
    """Members in order, with their scores or without."""
    return Pairs((name, score) for score, name, _ in places) if scores else [name for _, name, _ in places]


@command("zscan", -3, "readonly", (1, 1, 1), group="sorted-set", maps="a page of it")
def zscan(at: At, args: list[bytes]) -> Any:
    """A page of the members of a sorted set, and their scores."""
    check_cursor(args[2])
    found = ranked(at, key_of(args[1]))
    if found is None:
        return [b"0", []]
    return page(args[2], args[3:], found, lambda path: [name_of(path), number(found.places[path][0])])


# pops


def _pop(at: At, key: str, least: bool, count: int) -> list[Place]:
    """Up to `count` members of an end, which are gone."""
    found = ranked(at, key)
    if found is None:
        return []
    there = len(found.order)
    places = found.order.islice(0, count) if least else found.order.islice(max(0, there - count), there, reverse=True)
    popped = list(places)
    remove(at, key, [path for _, _, path in popped], "zpopmin" if least else "zpopmax")
    return popped


def _define_pop(name: str, least: bool) -> None:
    def pop(at: At, args: list[bytes]) -> Any:
        if len(args) > 3:
            raise Refusal(SYNTAX)
        count = 1 if len(args) == 2 else natural(args[2])
        popped = _pop(at, key_of(args[1]), least, count)
        if len(args) == 2:
            return [word for score, member, _ in popped for word in (member, score)]
        return pairs(popped, True)

    def wait(at: At, args: list[bytes]) -> Any:
        seconds = timeout(args[-1])
        for word in args[1:-1]:
            for score, member, _ in _pop(at, key_of(word), least, 1):
                return [word, member, score]
        return Wait(seconds, NIL_ARRAY)

    end = "lowest" if least else "highest"
    pop.__doc__ = f"Removes the members with the {end} scores, and tells them."
    wait.__doc__ = f"Removes the member with the {end} score of the first of the sets that has one; waits for one."
    command(name, -2, "write fast", (1, 1, 1), group="sorted-set", maps="remove", local=POPPED)(pop)
    command(f"b{name}", -3, "write blocking fast", (1, -2, 1), group="sorted-set", maps="remove", local=POPPED)(wait)


_define_pop("zpopmin", True)
_define_pop("zpopmax", False)


def _define_mpop(name: str, arity: int, at_word: int) -> None:
    def mpop(at: At, args: list[bytes]) -> Any:
        seconds = timeout(args[1]) if at_word > 1 else 0
        keys, words = keys_of_count(args, at_word, SYNTAX)
        if not words or words[0].lower() not in (b"min", b"max"):
            raise Refusal(SYNTAX)
        options = took_options(words[1:], count=1)
        count = integer(options["count"][0], 1, why="ERR count should be greater than 0") if options else 1
        for key in keys:
            popped = _pop(at, key, words[0].lower() == b"min", count)
            if popped:
                return [key.encode(), [[member, score] for score, member, _ in popped]]
        return Wait(seconds, NIL_ARRAY) if at_word > 1 else NIL_ARRAY

    mpop.__doc__ = f"Removes members of the first of the sets that has some{'; waits for them' * (at_word > 1)}."
    flags = "write movablekeys" + " blocking" * (at_word > 1)
    command(name, arity, flags, (0, 0, 0), group="sorted-set", maps="remove", local=POPPED)(mpop)


_define_mpop("zmpop", -4, 1)
_define_mpop("bzmpop", -5, 2)
