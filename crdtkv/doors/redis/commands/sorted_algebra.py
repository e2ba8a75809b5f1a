"""Unions, intersections and differences of sorted sets, and of sets, whose elements have the score 1."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from typing import Any, cast

from crdtkv.doors.redis.arguments import float_of
from crdtkv.doors.redis.at import At, key_of
from crdtkv.doors.redis.commands.sets import limit_of
from crdtkv.doors.redis.commands.sorted_sets import pairs
from crdtkv.doors.redis.held import integer, name_of
from crdtkv.doors.redis.ranked import Scores, replace
from crdtkv.doors.redis.refusals import SYNTAX, WRONG_TYPE, Refusal
from crdtkv.doors.redis.table import command
from crdtkv.strategies.fields import Fields
from crdtkv.strategies.indexes import members, ranking
from crdtkv.strategies.roots import Root
from crdtkv.strategies.set import Set

__all__ = ["zintercard"]

_AGGREGATES: dict[bytes, Callable[[float, float], float]] = {
    b"sum": lambda a, b: 0.0 if math.isnan(a + b) else a + b, b"min": min, b"max": max,
}  # fmt: skip


_Found = tuple[Root | None, ...]


def _keys(at: At, name: str, words: list[bytes]) -> tuple[_Found, list[bytes]]:
    """The sets that `words` name, behind their count, and the words behind. Raises Refusal."""
    count = integer(words[0])
    if count < 1:
        raise Refusal(f"ERR at least 1 input key is needed for '{name}' command")
    if count > len(words) - 1:
        raise Refusal(SYNTAX)
    roots = tuple(at.shown(key_of(word)) for word in words[1 : 1 + count])
    if any(root is not None and root[0].name not in ("set", "zset") for root in roots):
        raise Refusal(WRONG_TYPE)
    return roots, words[1 + count :]


def _scores(root: Root | None, weight: float = 1.0) -> Scores:
    if root is None:
        return {}
    if root[0].name == "set":
        return dict.fromkeys(members(cast("Set", root[0]), root[1]).paths, weight)
    places = ranking(cast("Fields", root[0]), root[1]).places
    return {path: place[0] * weight for path, place in places.items()}


# The smaller set first, as Redis does: infinities of both signs make 0 where they meet.


def _union(sets: list[Scores], join: Callable[[float, float], float]) -> Scores:
    out: Scores = {}
    for each in sorted(sets, key=len):
        for path, score in each.items():
            score = 0.0 if math.isnan(score) else score
            out[path] = join(out[path], score) if path in out else score
    return out


def _intersection(sets: list[Scores], join: Callable[[float, float], float]) -> Scores:
    least, *others = sorted(sets, key=len)
    out: Scores = {}
    for path, score in least.items():
        if all(path in each for each in others):
            out[path] = reduce(join, (each[path] for each in others), 0.0 if math.isnan(score) else score)
    return out


def _difference(sets: list[Scores], join: Callable[[float, float], float]) -> Scores:
    return {path: score for path, score in sets[0].items() if not any(path in each for each in sets[1:])}


_Algebra = Callable[[list[Scores], Callable[[float, float], float]], Scores]


def _computed(at: At, name: str, words: list[bytes], how: _Algebra, may: frozenset[bytes]) -> tuple[Scores, bool]:
    """What is computed of the sets that `words` name, behind their count, and whether scores are asked for."""
    roots, rest = _keys(at, name, words)
    count = len(roots)
    weights, join, scores = [1.0] * count, _AGGREGATES[b"sum"], False
    while rest:
        option = rest[0].lower()
        if option not in may:
            raise Refusal(SYNTAX)
        if option == b"weights" and len(rest) > count:
            weights = [float_of(word, "ERR weight value is not a float") for word in rest[1 : 1 + count]]
            rest = rest[1 + count :]
        elif option == b"aggregate" and len(rest) > 1 and rest[1].lower() in _AGGREGATES:
            join, rest = _AGGREGATES[rest[1].lower()], rest[2:]
        elif option == b"withscores":
            scores, rest = True, rest[1:]
        else:
            raise Refusal(SYNTAX)
    return how([_scores(root, weight) for root, weight in zip(roots, weights, strict=True)], join), scores


def _define(name: str, how: _Algebra, words: str) -> None:
    own = frozenset({b"weights", b"aggregate"}) if how is not _difference else frozenset()

    def read(at: At, args: list[bytes]) -> Any:
        found, scores = _computed(at, name, args[1:], how, own | {b"withscores"})
        ordered = sorted((score, name_of(path), path) for path, score in found.items())
        return pairs(ordered, scores)

    def store(at: At, args: list[bytes]) -> Any:
        target = key_of(args[1])
        found, _ = _computed(at, f"{name}store", args[2:], how, own)
        return replace(at, target, found, f"{name}store")

    read.__doc__ = f"{words} of sorted sets."
    store.__doc__ = f"{words} of sorted sets, as it is at this colo, is put in the place of a key."
    command(name, -3, "readonly slow movablekeys", (0, 0, 0), group="sorted-set", maps="computed here")(read)
    command(
        f"{name}store", -4, "write denyoom movablekeys", (1, 1, 1), group="sorted-set",
        maps="put of what was computed here",
    )(store)  # fmt: skip


_define("zunion", _union, "The union")
_define("zinter", _intersection, "The intersection")
_define("zdiff", _difference, "The difference")


@command("zintercard", -3, "readonly slow movablekeys", (0, 0, 0), group="sorted-set", maps="computed here")
def zintercard(at: At, args: list[bytes]) -> Any:
    """How many members are in all of the sorted sets."""
    roots, words = _keys(at, "zintercard", args[1:])
    limit = limit_of(words)
    found = len(_intersection(list(map(_scores, roots)), _AGGREGATES[b"sum"]))
    return min(found, limit) if limit else found
