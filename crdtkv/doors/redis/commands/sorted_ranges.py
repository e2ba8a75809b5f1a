"""Ranges of sorted sets: by place, by score, by the bytes of members that have one score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.commands.sorted_sets import pairs
from crdtkv.doors.redis.held import integer, span
from crdtkv.doors.redis.ranked import Place, by_lex, by_score, lex_bounds, ranked, remove, replace, score_bounds
from crdtkv.doors.redis.refusals import SYNTAX, Refusal
from crdtkv.doors.redis.table import command
from crdtkv.strategies.indexes import Ranking

__all__ = ["zcount", "zlexcount", "zrange", "zrangestore"]


@dataclass(slots=True)
class _Asked:
    """Which of the members."""

    by: str = ""
    reverse: bool = False
    offset: int = 0
    count: int = -1
    scores: bool = False


def _options(words: list[bytes], asked: _Asked, allowed: frozenset[str]) -> _Asked:
    at = 0
    while at < len(words):
        word = words[at].decode("latin-1").lower()
        if word not in allowed or (word == "limit" and at + 2 >= len(words)):
            raise Refusal(SYNTAX)
        if word == "limit":
            asked.offset, asked.count = integer(words[at + 1]), integer(words[at + 2])
            at += 2
        elif word == "withscores":
            asked.scores = True
        elif word == "rev":
            asked.reverse = True
        else:
            asked.by = word
        at += 1
    if asked.count != -1 and not asked.by:
        raise Refusal("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
    if asked.scores and asked.by == "bylex":
        raise Refusal("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
    return asked


def _places(at: At, name: bytes, asked: _Asked, begin: bytes, end: bytes) -> list[Place]:
    """The members between, in the order asked for. What is wrong is refused whether there is such a key or not."""
    if asked.by and asked.reverse:
        begin, end = end, begin
    if asked.by == "byscore":
        scores = score_bounds(begin, end)
    elif asked.by == "bylex":
        return _limited(_between(at, name, begin, end, asked.reverse), asked)
    else:
        first, last = integer(begin), integer(end)
    found = ranked(at, key_of(name))
    if found is None:
        return []
    if asked.by:
        start, stop = _cut(*by_score(found, *scores), asked)
    else:
        start, stop = span(first, last, len(found.order))
        if asked.reverse:
            start, stop = len(found.order) - stop, len(found.order) - start
    return list(found.order.islice(start, stop, asked.reverse)) if start < stop else []


def _cut(start: int, stop: int, asked: _Asked) -> tuple[int, int]:
    """LIMIT, of places in order."""
    if asked.offset < 0:
        return 0, 0
    if asked.reverse:
        stop -= asked.offset
        return (start if asked.count < 0 else max(start, stop - asked.count)), stop
    start += asked.offset
    return start, (stop if asked.count < 0 else min(stop, start + asked.count))


def _between(at: At, name: bytes, least: bytes, most: bytes, reverse: bool = False) -> list[Place]:
    bounds = lex_bounds(least, most)
    found = ranked(at, key_of(name))
    return [] if found is None else by_lex(found, *bounds, reverse)


def _limited(places: list[Place], asked: _Asked) -> list[Place]:
    if asked.offset < 0:
        return []
    return places[asked.offset :] if asked.count < 0 else places[asked.offset : asked.offset + asked.count]


_ALL = frozenset({"limit", "withscores", "rev", "byscore", "bylex"})


@command("zrange", -4, "readonly", (1, 1, 1), group="sorted-set", maps="members in order")
def zrange(at: At, args: list[bytes]) -> Any:
    """Members in a range: by place, BYSCORE or BYLEX."""
    asked = _options(args[4:], _Asked(), _ALL)
    return pairs(_places(at, args[1], asked, args[2], args[3]), asked.scores)


@command("zrangestore", -5, "write denyoom", (1, 2, 1), group="sorted-set", maps="put of what was computed here")
def zrangestore(at: At, args: list[bytes]) -> Any:
    """Members in a range are put in the place of a key."""
    target = key_of(args[1])
    asked = _options(args[5:], _Asked(), _ALL - {"withscores"})
    found = _places(at, args[2], asked, args[3], args[4])
    return replace(at, target, {path: score for score, _, path in found}, "zrangestore")


def _define(name: str, by: str, reverse: bool, allowed: frozenset[str], words: str) -> None:
    def read(at: At, args: list[bytes]) -> Any:
        asked = _options(args[4:], _Asked(by, reverse), allowed)
        return pairs(_places(at, args[1], asked, args[2], args[3]), asked.scores)

    read.__doc__ = f"{words}{', the last first' if reverse else ''}."
    command(name, -4, "readonly", (1, 1, 1), group="sorted-set", maps="members in order")(read)


_define("zrevrange", "", True, frozenset({"withscores"}), "Members in a range of places")
_define("zrangebyscore", "byscore", False, frozenset({"withscores", "limit"}), "Members in a range of scores")
_define("zrevrangebyscore", "byscore", True, frozenset({"withscores", "limit"}), "Members in a range of scores")
_define("zrangebylex", "bylex", False, frozenset({"limit"}), "Members in a range of bytes, where all have one score")
_define("zrevrangebylex", "bylex", True, frozenset({"limit"}), "Members in a range of bytes, where all have one score")


@command("zcount", 4, "readonly fast", (1, 1, 1), group="sorted-set", maps="how many there are")
def zcount(at: At, args: list[bytes]) -> Any:
    """How many members have scores in a range."""
    key, bounds = key_of(args[1]), score_bounds(args[2], args[3])
    found: Ranking | None = ranked(at, key)
    start, stop = (0, 0) if found is None else by_score(found, *bounds)
    return stop - start


@command("zlexcount", 4, "readonly fast", (1, 1, 1), group="sorted-set", maps="how many there are")
def zlexcount(at: At, args: list[bytes]) -> Any:
    """How many members lie in a range of bytes, where all have one score."""
    return len(_between(at, args[1], args[2], args[3]))


def _define_remove(name: str, by: str, words: str) -> None:
    def cut(at: At, args: list[bytes]) -> Any:
        found = _places(at, args[1], _Asked(by), args[2], args[3])
        return remove(at, key_of(args[1]), [path for _, _, path in found], name)

    cut.__doc__ = f"Removes the members in a range of {words} at this colo; how many."
    command(name, 4, "write", (1, 1, 1), group="sorted-set", maps="remove")(cut)


_define_remove("zremrangebyrank", "", "places")
_define_remove("zremrangebyscore", "byscore", "scores")
_define_remove("zremrangebylex", "bylex", "bytes")
